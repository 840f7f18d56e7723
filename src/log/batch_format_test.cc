#include "log/batch_format.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <fstream>
#include <sstream>

namespace tillrace::log {
namespace {

constexpr BatchPlace kPlace{{3}, {1000}};

std::string hex(std::string_view bytes) {
  std::string text;
  for (char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// The example of docs/formats/log.md.
Record example(std::string key, std::string value, std::uint8_t last_id_byte) {
  Record record{std::move(key), std::move(value), {}, {1'291'191'960'000'000}};
  for (std::uint8_t i = 0; i < 16; ++i) record.event_id.bytes[i] = i;
  record.event_id.bytes[15] = last_id_byte;
  return record;
}

std::string example_batch() {
  BatchEncoder encoder;
  encoder.add(example("536365", R"({"Quantity":6})", 15));
  encoder.add(example("C1", "{}", 16));
  return encoder.take();
}

Status decode_all(std::string_view bytes) {
  auto decoder = BatchDecoder::open(bytes, kPlace);
  if (!decoder) return fail(decoder.error());
  while (decoder->left() > 0)
    if (auto record = decoder->next(); !record) return fail(record.error());
  return {};
}

void expect_corrupt(std::string_view bytes, std::string_view why) {
  Status decoded = decode_all(bytes);
  ASSERT_FALSE(decoded) << why;
  EXPECT_EQ(decoded.error().code, Code::corrupt);
  EXPECT_NE(decoded.error().message.find(why), std::string::npos) << decoded.error().message;
  EXPECT_NE(decoded.error().message.find("partition 3, offset 100"), std::string::npos)
      << decoded.error().message;
}

TEST(BatchFormat, IsByteForByteWhatTheDocumentSays) {
  EXPECT_EQ(hex(example_batch()),
            "01"
            "02000000"
            "000102030405060708090a0b0c0d0e0f"
            "00d61c0e55960400"
            "0600"
            "0e000000"
            "353336333635"
            "7b225175616e74697479223a367d"
            "000102030405060708090a0b0c0d0e10"
            "00d61c0e55960400"
            "0200"
            "02000000"
            "4331"
            "7b7d");
}

TEST(BatchFormat, GivesBackWhatWasPutIn) {
  auto decoder = BatchDecoder::open(example_batch(), kPlace);
  ASSERT_TRUE(decoder);
  EXPECT_EQ(decoder->count(), 2u);
  std::string bytes = example_batch();
  auto first = BatchDecoder::open(bytes, kPlace).value().next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->key, "536365");
  EXPECT_EQ(first->value, R"({"Quantity":6})");
  EXPECT_EQ(first->received_at.value, 1'291'191'960'000'000);
  EXPECT_EQ(first->event_id, example("", "", 15).event_id);
}

TEST(BatchFormat, TakesAnyBytesAsKeyAndValue) {
  EXPECT_TRUE(rc::check([](const std::vector<std::pair<std::string, std::string>>& pairs,
                           std::int64_t time) {
    RC_PRE(!pairs.empty());
    BatchEncoder encoder;
    for (const auto& [key, value] : pairs) encoder.add({key, value, {}, {time}});
    std::string bytes = encoder.take();
    auto decoder = BatchDecoder::open(bytes, kPlace);
    RC_ASSERT(decoder.has_value());
    for (const auto& [key, value] : pairs) {
      auto record = decoder->next();
      RC_ASSERT(record.has_value());
      RC_ASSERT(record->key == key && record->value == value && record->received_at.value == time);
    }
    RC_ASSERT(decoder->left() == 0u);
  }));
}

TEST(BatchFormat, RefusesEveryCutOfABatch) {
  std::string whole = example_batch();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode_all(whole.substr(0, size))) << size;
}

TEST(BatchFormat, RefusesWhatFollowsTheLastRecord) {
  expect_corrupt(example_batch() + "x", "bytes follow");
}

TEST(BatchFormat, RefusesAnEmptyValue) { expect_corrupt("", "empty batch"); }

TEST(BatchFormat, RefusesABatchWithoutRecords) {
  expect_corrupt(std::string("\x01\0\0\0\0", 5), "without records");
}

TEST(BatchFormat, RefusesAnotherVersionAndNamesIt) {
  std::string bytes = example_batch();
  bytes[0] = 2;
  expect_corrupt(bytes, "version 2");
}

TEST(BatchFormat, RefusesMoreRecordsThanTheBytesCanHold) {
  std::string bytes = example_batch();
  bytes[4] = '\x7f';
  expect_corrupt(bytes, "cannot hold");
}

TEST(BatchFormat, RefusesALengthBeyondTheEnd) {
  std::string bytes = example_batch();
  bytes[5 + 26 + 3] = '\x7f';  // the first value's highest length byte
  expect_corrupt(bytes, "ends within a record");
}

TEST(BatchFormat, RefusesABatchBeyondTheLastOffset) {
  auto decoder =
      BatchDecoder::open(example_batch(), {{0}, {std::numeric_limits<std::int64_t>::max()}});
  ASSERT_FALSE(decoder);
  EXPECT_EQ(decoder.error().code, Code::corrupt);
}

TEST(BatchFormat, NeverReadsABatchBackAsAnotherOne) {
  EXPECT_TRUE(rc::check([](const std::string& any) {
    std::string bytes = "\x01" + any;
    auto decoder = BatchDecoder::open(bytes, kPlace);
    if (!decoder) return;
    BatchEncoder encoder;
    while (decoder->left() > 0) {
      auto record = decoder->next();
      if (!record) return;
      encoder.add({std::string(record->key), std::string(record->value), record->event_id,
                   record->received_at});
    }
    RC_ASSERT(encoder.take() == bytes);
  }));
}

TEST(BatchKey, SortsByOffset) {
  EXPECT_EQ(hex(encode_batch_key({258})), "0000000000000102");
  EXPECT_LT(encode_batch_key({255}), encode_batch_key({256}));
  EXPECT_EQ(decode_batch_key(encode_batch_key({1'234'567'890'123}), {0})->value, 1'234'567'890'123);
}

TEST(BatchKey, RefusesAnotherLengthAndNegativeOffsets) {
  EXPECT_EQ(decode_batch_key("1234567", {0}).error().code, Code::corrupt);
  EXPECT_EQ(decode_batch_key("123456789", {0}).error().code, Code::corrupt);
  EXPECT_EQ(decode_batch_key("\xff\xff\xff\xff\xff\xff\xff\xff", {0}).error().code, Code::corrupt);
}

TEST(BatchEncoder, DiesOnAKeyThatTheFormatCannotHold) {
  BatchEncoder encoder;
  EXPECT_DEATH(encoder.add({std::string(kMaxKeyBytes + 1, 'k'), "", {}, {}}), "CHECK");
}

TEST(BatchEncoder, DiesOnABatchWithoutRecords) { EXPECT_DEATH(BatchEncoder().take(), "CHECK"); }

}  // namespace
}  // namespace tillrace::log
