#include "gateway/idempotency.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tillrace::gateway {
namespace {

// docs/formats/idempotency.md holds this one.
TEST(ReceiptNote, HasTheDocumentedBytes) {
  ReceiptNote note{BodyForm::one, keyed_event_id("", "order-7", 0), body_digest("{}")};
  std::string hex;
  for (char byte : encode(note)) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  EXPECT_EQ(hex,
            "0100a25eed7b09f15e468f812da6bfe7615044136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e83"
            "10c060f61caaff8a");
  EXPECT_EQ(decode_receipt_note(encode(note)).value(), note);
}

TEST(ReceiptNote, OtherLengthsVersionsAndFormsAreCorrupt) {
  std::string good = encode({BodyForm::lines, {}, {}});
  for (std::size_t length = 0; length < good.size(); ++length)
    EXPECT_EQ(decode_receipt_note(good.substr(0, length)).error().code, Code::corrupt);
  EXPECT_FALSE(decode_receipt_note(good + "x"));
  std::string version = good;
  version[0] = 2;
  EXPECT_FALSE(decode_receipt_note(version));
  std::string form = good;
  form[1] = 3;
  EXPECT_FALSE(decode_receipt_note(form));
}

TEST(IdempotencyKey, IsTakenWithOrWithoutQuotes) {
  EXPECT_EQ(parse_idempotency_key("order-7").value(), "order-7");
  EXPECT_EQ(parse_idempotency_key("\"order-7\"").value(), "order-7");
  EXPECT_EQ(parse_idempotency_key(std::string(255, 'k')).value().size(), 255u);
}

TEST(IdempotencyKey, IsRefusedWhenItIsEmptyTooLongOrNotVisibleAscii) {
  for (const std::string& bad : {std::string(), std::string("\"\""), std::string(256, 'k'),
                                 std::string("a b"), std::string("a\tb"), std::string("a\nb"),
                                 std::string("caf\xc3\xa9"), std::string("a\0b", 3)})
    EXPECT_EQ(parse_idempotency_key(bad).error().code, Code::invalid) << bad;
}

TEST(ReceiptKey, TellsClientsKeysAndPlacesApart) {
  KeyedNames names{"key:a", "order-7", 0};
  EXPECT_EQ(receipt_key(names).size(), 32u);
  EXPECT_EQ(receipt_key(names), receipt_key({"key:a", "order-7", 0}));
  EXPECT_NE(receipt_key(names), receipt_key({"key:b", "order-7", 0}));
  EXPECT_NE(receipt_key(names), receipt_key({"key:a", "order-", 70}));
  EXPECT_NE(receipt_key(names), receipt_key({"key:a", "order-7", 1}));
}

}  // namespace
}  // namespace tillrace::gateway
