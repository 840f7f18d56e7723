// Idempotency-Key: what makes a request that is sent again find the answer that it has had. No I/O.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/request_events.h"
#include "log/log.h"

namespace tillrace::gateway {

// 1 to 255 visible ASCII characters; quotes around them (draft-ietf-httpapi-idempotency-key-header
// makes the value a quoted string) do not belong to the key. invalid otherwise.
Result<std::string> parse_idempotency_key(std::string_view value);

// The key under which the log keeps the receipt of the records from `first_index` on: 32 bytes that
// stand for the request's client, its key and the place (docs/formats/idempotency.md).
std::string receipt_key(const KeyedNames& names);

// What a request said, so that another body under the same key is noticed, and the first answer can
// be given again. The places of its records are in the log's receipt already.
struct ReceiptNote {
  BodyForm form = BodyForm::one;
  EventId first_event_id;
  std::array<std::uint8_t, 32> body_digest{};  // SHA-256 of the body, decoded

  bool operator==(const ReceiptNote&) const = default;
};
std::array<std::uint8_t, 32> body_digest(std::string_view body);

// Version 1, 50 bytes: docs/formats/idempotency.md. corrupt when it is of another form.
std::string encode(const ReceiptNote& note);
Result<ReceiptNote> decode_receipt_note(std::string_view bytes);

}  // namespace tillrace::gateway
