#include "warehouse/copy_format.h"

#include <gtest/gtest.h>

#include <limits>

#include "model/invoice_date.h"
#include "warehouse/database_for_tests.h"

namespace tillrace::warehouse {
namespace {

constexpr std::int64_t kMostPrice = 9'999'999'999'999'999;  // 10^12 less a ten-thousandth

class CopyFormatTest : public testing::Test {
 protected:
  // Sends one column of values, in order, and gives back what the server makes of them.
  std::string round_trip(const std::string& type, int count,
                         const std::function<void(CopyEncoder&, int)>& encode,
                         const std::string& shown = "value::text") {
    EXPECT_TRUE(
        connection_.execute("create temporary table if not exists place (n serial); "
                            "drop table place; create temporary table place "
                            "(n serial, value " +
                            type + ")"));
    std::string bytes;
    CopyEncoder out(bytes);
    out.header();
    for (int i = 0; i < count; ++i) {
      out.row(1);
      encode(out, i);
    }
    out.trailer();
    Status begun = connection_.copy_begin("copy place (value) from stdin (format binary)");
    EXPECT_TRUE(begun) << begun.error().message;
    Status sent = connection_.copy_data(bytes);
    EXPECT_TRUE(sent) << sent.error().message;
    auto copied = connection_.copy_end();
    if (!copied) return copied.error().message;
    EXPECT_EQ(*copied, count);
    return ask(connection_, "select " + shown + " from place order by n");
  }
  std::string numerics(const std::vector<std::int64_t>& ten_thousandths) {
    return round_trip("numeric", static_cast<int>(ten_thousandths.size()),
                      [&](CopyEncoder& out, int i) {
                        out.numeric(Price{ten_thousandths[static_cast<std::size_t>(i)]});
                      });
  }
  std::string texts(const std::vector<std::string>& values, const std::string& shown) {
    return round_trip(
        "text", static_cast<int>(values.size()),
        [&](CopyEncoder& out, int i) { out.text(values[static_cast<std::size_t>(i)]); }, shown);
  }

  Connection connection_ = SharedServer::get().connect();
};

TEST_F(CopyFormatTest, NumericsOfEveryShapeArriveExactlyAndShowAtLeastTwoDecimals) {
  EXPECT_EQ(numerics({0, 1, -1, 10, 100, 1'000, 9'999, 10'000, 10'001, 25'500, -110'620'600}),
            "0.00\n0.0001\n-0.0001\n0.001\n0.01\n0.10\n0.9999\n1.00\n1.0001\n2.55\n-11062.06");
  EXPECT_EQ(numerics({99'999'999, 100'000'000, 100'000'001, 1'000'000'000'000}),
            "9999.9999\n10000.00\n10000.0001\n100000000.00");
  EXPECT_EQ(numerics({kMostPrice, -kMostPrice, 9'999'999'999'990'000, 1'000'000'000'000'000}),
            "999999999999.9999\n-999999999999.9999\n999999999999.00\n100000000000.00");
}

// What a price is as text, by arithmetic that shares nothing with the encoder.
std::string shown(std::int64_t ten_thousandths) {
  std::string digits = std::to_string(std::abs(ten_thousandths));
  while (digits.size() < 5) digits.insert(digits.begin(), '0');
  digits.insert(digits.size() - 4, ".");
  while (digits.back() == '0' && digits[digits.size() - 3] != '.') digits.pop_back();
  return (ten_thousandths < 0 ? "-" : "") + digits;
}

TEST_F(CopyFormatTest, AnyNumericArrivesAsItsText) {
  SeededRandom random(20'101'201);
  std::vector<std::int64_t> prices;
  std::string expected;
  for (int i = 0; i < 5'000; ++i) {
    std::uint64_t bound = 1;
    for (std::uint64_t size = random.below(17); size > 0; --size) bound *= 10;
    auto price =
        static_cast<std::int64_t>(random.below(std::min<std::uint64_t>(bound, kMostPrice) + 1));
    for (std::uint64_t zeros = random.below(9); zeros > 0; --zeros)
      if (price < kMostPrice / 10) price *= 10;
    if (random.below(2) == 1) price = -price;
    prices.push_back(price);
    expected += (i > 0 ? "\n" : "") + shown(price);
  }
  EXPECT_EQ(numerics(prices), expected);
  EXPECT_EQ(ask(connection_, "select count(*) from place where value <> value::text::numeric"),
            "0");
}

TEST_F(CopyFormatTest, NumericsEqualThoseThatTheServerReadsFromText) {
  numerics({0, 25'500, -1, kMostPrice});
  EXPECT_EQ(ask(connection_,
                "select value = any ('{0,2.55,-0.0001,999999999999.9999}'::numeric[])"
                " and hash_numeric(value) = hash_numeric(value::text::numeric)"
                " and numeric_send(value) = numeric_send(value::text::numeric)"
                " from place order by n"),
            "t\nt\nt\nt");
}

TEST_F(CopyFormatTest, TimesBefore1970And2000KeepTheirMicroseconds) {
  const std::vector<std::string> times = {
      "0001-01-01T00:00",    "1582-10-15T12:00",           "1969-12-31T23:59:59.999999",
      "1970-01-01T00:00",    "1999-12-31T23:59:59.999999", "2000-01-01T00:00",
      "2010-12-01T08:26:00", "2024-02-29T00:00:00.000001", "9999-12-31T23:59:59.999999"};
  auto encode = [&](CopyEncoder& out, int i) {
    out.timestamptz(parse_invoice_date(times[static_cast<std::size_t>(i)], TimeZone()).value());
  };
  EXPECT_EQ(round_trip("timestamptz", static_cast<int>(times.size()), encode),
            "0001-01-01 00:00:00+00\n1582-10-15 12:00:00+00\n1969-12-31 23:59:59.999999+00\n"
            "1970-01-01 00:00:00+00\n1999-12-31 23:59:59.999999+00\n2000-01-01 00:00:00+00\n"
            "2010-12-01 08:26:00+00\n2024-02-29 00:00:00.000001+00\n"
            "9999-12-31 23:59:59.999999+00");
}

TEST_F(CopyFormatTest, NullsAreNullsAndEmptyTextsAreNot) {
  auto texts = [](CopyEncoder& out, int i) {
    if (i == 0) out.null();
    if (i == 1) out.text_or_null(std::nullopt);
    if (i == 2) out.text_or_null("");
    if (i == 3) out.text("NULL");
  };
  EXPECT_EQ(round_trip("text", 4, texts), "~\n~\n\nNULL");
  auto numbers = [](CopyEncoder& out, int i) {
    out.int4_or_null(i == 0 ? std::nullopt : std::optional<std::int32_t>(0));
  };
  EXPECT_EQ(round_trip("integer", 2, numbers), "~\n0");
}

TEST_F(CopyFormatTest, IntegersKeepTheirEnds) {
  auto small = [](CopyEncoder& out, int i) {
    out.int4(i == 0 ? std::numeric_limits<std::int32_t>::min()
                    : std::numeric_limits<std::int32_t>::max());
  };
  EXPECT_EQ(round_trip("integer", 2, small), "-2147483648\n2147483647");
  auto large = [](CopyEncoder& out, int i) {
    out.int8(i == 0 ? std::numeric_limits<std::int64_t>::min()
                    : std::numeric_limits<std::int64_t>::max());
  };
  EXPECT_EQ(round_trip("bigint", 2, large), "-9223372036854775808\n9223372036854775807");
}

TEST_F(CopyFormatTest, UuidsKeepTheirBytes) {
  const std::vector<std::string> ids = {"00000000-0000-0000-0000-000000000000",
                                        "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                        "0190e6a8-1f2e-7c3d-8b4a-5e6f70819203"};
  auto encode = [&](CopyEncoder& out, int i) {
    out.uuid(parse_event_id(ids[static_cast<std::size_t>(i)]).value());
  };
  EXPECT_EQ(round_trip("uuid", 3, encode), ids[0] + "\n" + ids[1] + "\n" + ids[2]);
}

TEST_F(CopyFormatTest, TextsNeedNoQuotingWhateverTheyHold) {
  const std::vector<std::string> values = {
      "say \"hi\", 'you'", "two\nlines\r\n\tand a tab", "\\N",           "\\.",
      " blanks at both ",  "Gift Voucher £40.00",       "naïve 日本 🏺", "a;b,c|d"};
  std::string expected;
  for (const std::string& value : values) {
    expected += expected.empty() ? "" : "\n";
    for (unsigned char byte : value) expected += fmt::format("{:02x}", byte);
  }
  EXPECT_EQ(texts(values, "encode(convert_to(value, 'UTF8'), 'hex')"), expected);
}

TEST_F(CopyFormatTest, TextsThatAreNoUtf8AreRefusedByTheServerNotMended) {
  EXPECT_NE(texts({"ok", "\xff\xfe"}, "value").find("invalid byte sequence"), std::string::npos);
  EXPECT_NE(texts({std::string("a\0b", 3)}, "value").find("invalid byte sequence"),
            std::string::npos);
  EXPECT_EQ(ask(connection_, "select count(*) from place"), "0");
}

TEST_F(CopyFormatTest, BytesMayBeAnything) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  auto encode = [&](CopyEncoder& out, int) { out.text(all); };
  std::string expected;
  for (int byte = 0; byte < 256; ++byte) expected += fmt::format("{:02x}", byte);
  EXPECT_EQ(round_trip("bytea", 1, encode, "encode(value, 'hex')"), expected);
}

TEST_F(CopyFormatTest, ARowWithAnotherNumberOfFieldsIsRefused) {
  auto encode = [](CopyEncoder& out, int) {
    out.int4(1);
    out.row(2);
    out.int4(1);
  };
  EXPECT_NE(round_trip("integer", 1, encode).find("field count"), std::string::npos);
}

TEST_F(CopyFormatTest, NoRowsAreACopyToo) {
  EXPECT_EQ(round_trip("integer", 0, [](CopyEncoder&, int) {}), "");
}

}  // namespace
}  // namespace tillrace::warehouse
