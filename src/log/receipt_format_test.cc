#include "log/receipt_format.h"

#include <gtest/gtest.h>

namespace tillrace::log {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// The example of docs/formats/log.md.
ReceiptEntry example() {
  return {258, {"201", {1'291'191'960'000'000}, {{{0}, {1000}, {1001}, 2}, {{2}, {7}, {7}, 1}}}};
}

void expect_corrupt(std::string_view value, std::string_view why) {
  auto decoded = decode_receipt(value);
  ASSERT_FALSE(decoded) << why;
  EXPECT_EQ(decoded.error().code, Code::corrupt);
  EXPECT_NE(decoded.error().message.find(why), std::string::npos) << decoded.error().message;
}

std::string encoded_with(const AppendedRange& range) {
  auto entry = example();
  entry.receipt.ranges = {range};
  return encode_receipt(entry);
}

TEST(ReceiptFormat, IsByteForByteWhatTheDocumentSays) {
  EXPECT_EQ(hex(encode_receipt_key("order-7")), "6b6f726465722d37");
  EXPECT_EQ(hex(encode_receipt(example())),
            "01"
            "0201000000000000"
            "00d61c0e55960400"
            "0300"
            "0200"
            "323031"
            "00000000e803000000000000e9030000000000000200000000000000"
            "02000000070000000000000007000000000000000100000000000000");
  EXPECT_EQ(hex(encode_order_key(258)), "6f0000000000000102");
  EXPECT_EQ(hex(encode_order({1'291'191'960'000'000}, "order-7")),
            "01"
            "00d61c0e55960400"
            "6f726465722d37");
}

TEST(ReceiptFormat, ComesBackAsItWas) {
  auto entry = decode_receipt(encode_receipt(example()));
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(entry->number, 258u);
  EXPECT_EQ(entry->receipt.note, "201");
  EXPECT_EQ(entry->receipt.stored_at, example().receipt.stored_at);
  EXPECT_EQ(entry->receipt.ranges, example().receipt.ranges);
  auto order_key = encode_order_key(258);
  auto order_value = encode_order({5}, "order-7");
  auto order = decode_order(order_key, order_value);
  ASSERT_TRUE(order) << order.error().message;
  EXPECT_EQ(order->number, 258u);
  EXPECT_EQ(order->stored_at.value, 5);
  EXPECT_EQ(order->key, "order-7");
}

TEST(ReceiptFormat, RefusesEveryCut) {
  std::string whole = encode_receipt(example());
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode_receipt(std::string_view(whole).substr(0, size))) << size;
}

TEST(ReceiptFormat, RefusesWhatFollowsTheEnd) {
  expect_corrupt(encode_receipt(example()) + "x", "its length is not what its header says");
}

TEST(ReceiptFormat, RefusesAnotherVersion) {
  std::string other = encode_receipt(example());
  other[0] = 2;
  expect_corrupt(other, "a version other than 1");
  std::string order = encode_order({5}, "key");
  order[0] = 2;
  EXPECT_FALSE(decode_order(encode_order_key(1), order));
}

TEST(ReceiptFormat, RefusesAReceiptOfNothing) {
  auto entry = example();
  entry.receipt.ranges.clear();
  expect_corrupt(encode_receipt(entry), "it has no ranges");
}

TEST(ReceiptFormat, RefusesImpossibleRanges) {
  EXPECT_TRUE(decode_receipt(encoded_with({{0}, {5}, {5}, 1})));
  for (const AppendedRange& range :
       {AppendedRange{{-1}, {5}, {5}, 1}, AppendedRange{{0}, {-1}, {5}, 1},
        AppendedRange{{0}, {5}, {4}, 1}, AppendedRange{{0}, {5}, {5}, 0},
        AppendedRange{{0}, {5}, {5}, 2}, AppendedRange{{0}, {5}, {5}, -1}})
    expect_corrupt(encoded_with(range), "an impossible range");
}

TEST(ReceiptFormat, RefusesRangesOfOnePartitionTwiceOrOutOfOrder) {
  auto entry = example();
  entry.receipt.ranges[1].partition = {0};
  expect_corrupt(encode_receipt(entry), "not in the order of their partitions");
  std::swap(entry.receipt.ranges[0], entry.receipt.ranges[1]);
  entry.receipt.ranges[0].partition = {1};
  expect_corrupt(encode_receipt(entry), "not in the order of their partitions");
}

TEST(ReceiptFormat, TakesANoteAtTheLimitAndRefusesALongerOne) {
  auto entry = example();
  entry.receipt.note = std::string(kMaxReceiptNoteBytes, 'x');
  std::string longest = encode_receipt(entry);
  EXPECT_EQ(decode_receipt(longest)->receipt.note, entry.receipt.note);
  longest[17] = '\x01';  // the note's length: 4097
  expect_corrupt(longest + "x", "its note is too long");
}

TEST(ReceiptFormat, RefusesAPlaceInTheOrderThatIsNone) {
  std::string key = encode_order_key(7), value = encode_order({5}, "key");
  EXPECT_TRUE(decode_order(key, value));
  EXPECT_FALSE(decode_order(key.substr(0, 8), value));
  EXPECT_FALSE(decode_order(key + "x", value));
  EXPECT_FALSE(decode_order("k" + key.substr(1), value));
  EXPECT_FALSE(decode_order(key, encode_order({5}, "")));
  EXPECT_FALSE(decode_order(key, value.substr(0, 5)));
  EXPECT_TRUE(decode_order(key, encode_order({5}, std::string(kMaxReceiptKeyBytes, 'k'))));
  EXPECT_FALSE(decode_order(key, encode_order({5}, std::string(kMaxReceiptKeyBytes + 1, 'k'))));
}

TEST(ReceiptFormat, LaterNumbersSortBehindEarlierOnesAndAllBehindTheKeys) {
  EXPECT_LT(encode_order_key(255), encode_order_key(256));
  EXPECT_LT(encode_receipt_key("\xff\xff\xff"), encode_order_key(0));
}

}  // namespace
}  // namespace tillrace::log
