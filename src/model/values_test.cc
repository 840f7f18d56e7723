#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <map>

#include "model/event_id.h"
#include "model/invoice_date.h"
#include "model/money.h"
#include "model/record.h"
#include "model/transaction.h"

namespace tillrace {
namespace {

std::string utc(std::string_view text, const std::string& zone = "UTC") {
  auto instant = parse_invoice_date(text, TimeZone::find(zone).value());
  return instant ? to_string(*instant) : instant.error().message;
}

TEST(Price, KeepsEveryDigit) {
  for (auto [text, shown] :
       std::vector<std::pair<const char*, const char*>>{{"2.55", "2.55"},
                                                        {"0", "0"},
                                                        {"-0", "0"},
                                                        {"0.0001", "0.0001"},
                                                        {"-11062.06", "-11062.06"},
                                                        {"999999999999.9999", "999999999999.9999"},
                                                        {"2.50000000", "2.5"},
                                                        {"1e2", "100"},
                                                        {"25e-1", "2.5"},
                                                        {"0.00001e1", "0.0001"},
                                                        {"0e999999999999", "0"},
                                                        {"007", "7"}}) {
    auto price = parse_price(text);
    ASSERT_TRUE(price) << text;
    EXPECT_EQ(to_string(*price), shown);
  }
}

TEST(Price, RefusesWhatItCouldNotKeep) {
  for (const char* text : {"",
                           "-",
                           ".",
                           ".5",
                           "5.",
                           "+5",
                           "1,5",
                           "0.00001",
                           "1e12",
                           "1e400",
                           "1e-400",
                           "1e",
                           "1e+",
                           "1000000000000",
                           "-1000000000000",
                           "0x10",
                           "1 ",
                           " 1",
                           "1.2.3",
                           "--1",
                           "inf",
                           "nan",
                           "1e5.5"})
    EXPECT_FALSE(parse_price(text)) << text;
}

TEST(Price, TextReadsBackTheSame) {
  EXPECT_TRUE(rc::check([](std::int64_t any) {
    Price price{any % 10'000'000'000'000'000};
    RC_ASSERT(parse_price(to_string(price)).value() == price);
  }));
}

TEST(Price, ReadsAsManyDigitsAsAnEventMayHold) {
  EXPECT_EQ(to_string(parse_price("1." + std::string(900, '0')).value()), "1");
  EXPECT_EQ(to_string(parse_price("0." + std::string(900, '0') + "1e901").value()), "1");
  EXPECT_FALSE(parse_price(std::string(1001, '0')));
}

TEST(Price, TheSameNumberInAnySpellingIsTheSamePrice) {
  EXPECT_TRUE(rc::check([](std::int32_t any) {
    Price price{any};
    std::string text = fmt::format("{}e-4", any);
    RC_ASSERT(parse_price(text).value() == price);
    RC_ASSERT(parse_price(fmt::format("{}000E-7", any)).value() == price);
    RC_ASSERT(parse_price(fmt::format("{}.0e-04", any)).value() == price);
  }));
}

TEST(Money, HoldsTheLargestAmount) {
  Money most = std::int64_t{INT32_MIN} * Price{9'999'999'999'999'999};
  EXPECT_EQ(to_string(most), "-2147483647999999785251.6352");
  most += Money{1};
  EXPECT_EQ(to_string(Money{-5000}), "-0.5");
}

TEST(InvoiceDate, ReadsBothForms) {
  EXPECT_EQ(utc("2010-12-01 08:26:00"), "2010-12-01T08:26:00.000000Z");
  EXPECT_EQ(utc("2010-12-01T08:26"), "2010-12-01T08:26:00.000000Z");
  EXPECT_EQ(utc("2010-12-01 08:26:07.5"), "2010-12-01T08:26:07.500000Z");
  EXPECT_EQ(utc("12/1/2010 8:26"), "2010-12-01T08:26:00.000000Z");
  EXPECT_EQ(utc("2010-12-01T08:26:00+02:00"), "2010-12-01T06:26:00.000000Z");
  EXPECT_EQ(utc("2010-12-01T00:26-0130"), "2010-12-01T01:56:00.000000Z");
  EXPECT_EQ(utc("2010-12-01T08:26Z"), "2010-12-01T08:26:00.000000Z");
}

TEST(InvoiceDate, UsesTheShopsZoneOnlyWhereNoneIsWritten) {
  EXPECT_EQ(utc("2011-07-01 12:00", "Europe/London"), "2011-07-01T11:00:00.000000Z");
  EXPECT_EQ(utc("2011-07-01 12:00Z", "Europe/London"), "2011-07-01T12:00:00.000000Z");
  EXPECT_EQ(utc("2011-07-01 12:00", "Asia/Kolkata"), "2011-07-01T06:30:00.000000Z");
}

TEST(InvoiceDate, TakesTheFirstOfTwoAndRefusesASkippedTime) {
  EXPECT_EQ(utc("2011-10-30 01:30", "Europe/London"), "2011-10-30T00:30:00.000000Z");
  EXPECT_NE(utc("2011-03-27 01:30", "Europe/London").find("skipped"), std::string::npos);
}

// Elsewhere the year is then 0 or 10000, whose text does not read back.
TEST(InvoiceDate, RefusesAnInstantThatAZoneCarriesOutOfTheYears1To9999) {
  EXPECT_EQ(utc("0001-01-01T00:00Z"), "0001-01-01T00:00:00.000000Z");
  EXPECT_EQ(utc("9999-12-31T23:59:59.999999Z"), "9999-12-31T23:59:59.999999Z");
  for (const char* text : {"0001-01-01T00:00+00:01", "9999-12-31T23:59-00:01"})
    EXPECT_EQ(utc(text).find("not YYYY-MM-DD"), 0u) << text;
  EXPECT_EQ(utc("0001-01-01 00:00", "Asia/Tokyo").find("not YYYY-MM-DD"), 0u);
  EXPECT_EQ(utc("9999-12-31 23:59", "America/New_York").find("not YYYY-MM-DD"), 0u);
}

TEST(InvoiceDate, ReadsDatesBeforeTheEpochAndLeapDays) {
  EXPECT_EQ(utc("1969-12-31 23:59:59.5"), "1969-12-31T23:59:59.500000Z");
  EXPECT_EQ(utc("2000-02-29 00:00"), "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(utc("2/29/2012 0:00"), "2012-02-29T00:00:00.000000Z");
  EXPECT_EQ(utc("1900-02-29 00:00").find("not "), 0u);
}

TEST(InvoiceDate, RefusesOtherSpellings) {
  for (const char* text : {"",
                           " ",
                           "2010-12-01 8:26",
                           "2010-12-1 08:26",
                           "10-12-01 08:26",
                           "2010/12/01 08:26",
                           "2010-12-01t08:26",
                           "2010-12-01  08:26",
                           " 2010-12-01 08:26",
                           "2010-12-01 08:26 ",
                           "2010-12-01 08:26:00.",
                           "2010-12-01 08:26:00.1234567",
                           "2010-12-01 08:26:00,5",
                           "2010-12-01 08:26+1",
                           "2010-12-01 08:26+01:0",
                           "2010-12-01 08:26+16:00",
                           "2010-12-01 08:26+01:60",
                           "2010-12-01 08:26ZZ",
                           "12/1/2010",
                           "12/1/2010 8:26 AM",
                           "12/1/2010 8:26Z",
                           "12/1/2010 8:2",
                           "0/1/2010 8:26",
                           "1.12.2010 8:26",
                           "2010-12-01 08:26\n"})
    EXPECT_EQ(utc(text).find("not YYYY-MM-DD"), 0u) << text;
}

TEST(TimeZone, AnUnknownOneIsRefused) { EXPECT_FALSE(TimeZone::find("Europe/Atlantis")); }

TEST(WallClockText, ReadsBackTheSame) {
  EXPECT_TRUE(rc::check([](std::uint32_t seconds, std::uint32_t micros) {
    UtcMicros time{std::int64_t{seconds} * 1'000'000 + micros % 1'000'000};
    RC_ASSERT(parse_invoice_date(wall_clock_text(time), TimeZone{}).value() == time);
  }));
}

// The values of docs/formats/event-id.md.
TEST(EventId, DerivedOnesNeverChange) {
  EXPECT_EQ(to_string(derived_event_id("536365", 1)), "d2cfc3a7-7333-50f3-a786-d14b4d9c7ba6");
  EXPECT_NE(derived_event_id("536365", 1), derived_event_id("536365", 2));
  EXPECT_NE(derived_event_id("536365", 1), file_event_id("536365", 1));
}

TEST(EventId, KeyedOnesAreTheSameForTheSameRecordUnderTheSameKeyAndOnlyThen) {
  EXPECT_EQ(to_string(keyed_event_id("key:k1", "order-7", 0)),
            "921d72b3-f1cb-588e-8d11-de4c146567b0");
  EXPECT_EQ(to_string(keyed_event_id("", "order-7", 0)), "a25eed7b-09f1-5e46-8f81-2da6bfe76150");
  EXPECT_NE(keyed_event_id("", "order-7", 0), keyed_event_id("", "order-7", 1));
  EXPECT_NE(keyed_event_id("", "order-7", 0), keyed_event_id("", "order-", 70));
  EXPECT_NE(keyed_event_id("a", "b", 0), keyed_event_id("", "a\nb", 0));
}

TEST(EventId, PlacedOnesFollowFromTopicPartitionAndOffsetAlone) {
  constexpr std::string_view kTopic = "018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70";
  EXPECT_EQ(to_string(placed_event_id(kTopic, 3, 42)), "9c6b5afe-26dc-5ede-a54a-01dcc45dfdea");
  EXPECT_NE(placed_event_id(kTopic, 3, 42), placed_event_id(kTopic, 4, 42));
  EXPECT_NE(placed_event_id(kTopic, 3, 42), placed_event_id(kTopic, 3, 43));
  EXPECT_NE(placed_event_id(kTopic, 3, 42), placed_event_id("", 3, 42));
}

TEST(EventId, AnEventsOwnIsTheGivenOneThenThatOfItsLine) {
  Transaction line;
  line.invoice_no = "536365";
  EXPECT_FALSE(own_event_id(line));
  line.line_no = 1;
  EXPECT_EQ(own_event_id(line), derived_event_id("536365", 1));
  line.event_id = placed_event_id("", 0, 0);
  EXPECT_EQ(own_event_id(line), line.event_id);
}

TEST(EventId, NameBasedAgreesWithASecondOpinionOnAnyName) {
  EXPECT_TRUE(rc::check([](const std::string& name) {
    EventId space = name_based({}, name);
    boost::uuids::uuid their_space{};
    std::copy(space.bytes.begin(), space.bytes.end(), their_space.begin());
    auto theirs = boost::uuids::name_generator_sha1(their_space)(name);
    RC_ASSERT(to_string(name_based(space, name)) == boost::uuids::to_string(theirs));
  }));
}

// RFC 9562, appendix A.4.
TEST(EventId, NameBasedAgreesWithTheStandardsExample) {
  EventId dns = parse_event_id("6ba7b810-9dad-11d1-80b4-00c04fd430c8").value();
  EXPECT_EQ(to_string(name_based(dns, "www.example.com")), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

TEST(EventId, FreshOnesGrowWithTimeAndDiffer) {
  FakeClock clock(UtcMicros{1'645'557'742'000'000});  // RFC 9562, appendix A.6
  SeededRandom random(1);
  EventId first = fresh_event_id(clock, random);
  EXPECT_EQ(to_string(first).substr(0, 15), "017f22e2-79b0-7");
  EXPECT_NE(first, fresh_event_id(clock, random));
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_LT(first, fresh_event_id(clock, random));
}

TEST(EventId, RefusesOtherSpellings) {
  for (const char* text :
       {"", "2ed6657d-e927-568b-95e1-2665a8aea6a", "2ed6657de927568b95e12665a8aea6a2aaaa",
        "2ed6657d-e927-568b-95e1-2665a8aea6ag", "2ed6657d_e927-568b-95e1-2665a8aea6a2"})
    EXPECT_FALSE(parse_event_id(text)) << text;
}

// org.apache.kafka.common.utils.UtilsTest.testMurmur2 (before the sign bit is cleared).
TEST(Partition, AgreesWithKafkasMurmur2) {
  for (auto [key, hash] : std::vector<std::pair<const char*, std::int32_t>>{
           {"21", -973932308},
           {"foobar", -790332482},
           {"a-little-bit-long-string", -985981536},
           {"a-little-bit-longer-string", -1486304829},
           {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
           {"abc", 479470107}})
    EXPECT_EQ(partition_of(key, 1'000'000'007).value, (hash & 0x7fffffff) % 1'000'000'007) << key;
}

// The reports of a partitioned log agree only if an invoice's lines share one partition.
TEST(Partition, IsOneOfThemAndTheSameEachTime) {
  EXPECT_TRUE(rc::check([](const std::string& key) {
    for (std::int32_t partitions : {1, 2, 7, 256, INT32_MAX}) {
      Partition partition = partition_of(key, partitions);
      RC_ASSERT(partition.value >= 0 && partition.value < partitions);
      RC_ASSERT(partition == partition_of(key, partitions));
    }
  }));
}

TEST(Partition, SpreadsInvoicesEvenly) {
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < 8'000; ++i) ++counts[partition_of(std::to_string(536'000 + i), 8).value];
  ASSERT_EQ(counts.size(), 8u);
  for (auto [partition, count] : counts) EXPECT_NEAR(count, 1'000, 150) << partition;
}

}  // namespace
}  // namespace tillrace
