#include "gateway/idempotency.h"

#include <algorithm>

#include "auth/sha256.h"

namespace tillrace::gateway {
namespace {

constexpr std::size_t kMostKeyBytes = 255;
constexpr char kVersion = 1;
constexpr std::size_t kNoteBytes = 1 + 1 + 16 + 32;

bool is_visible(char c) { return c > ' ' && c <= '~'; }

}  // namespace

Result<std::string> parse_idempotency_key(std::string_view value) {
  std::string_view key = value;
  bool quoted = key.size() >= 2 && key.front() == '"' && key.back() == '"';
  if (quoted) key = key.substr(1, key.size() - 2);
  if (key.empty() || key.size() > kMostKeyBytes || !std::all_of(key.begin(), key.end(), is_visible))
    return fail(Code::invalid, "Idempotency-Key must be 1 to {} visible ASCII characters, got {}{}",
                kMostKeyBytes, key.size(), key.size() == 1 ? " byte" : " bytes");
  return std::string(key);
}

std::string receipt_key(const KeyedNames& names) {
  auto digest = auth::sha256(fmt::format("{}\n{}\n{}", names.client, names.key, names.first_index));
  return {digest.begin(), digest.end()};
}

std::array<std::uint8_t, 32> body_digest(std::string_view body) { return auth::sha256(body); }

std::string encode(const ReceiptNote& note) {
  std::string bytes;
  bytes.reserve(kNoteBytes);
  bytes += kVersion;
  bytes += static_cast<char>(note.form);
  bytes.append(note.first_event_id.bytes.begin(), note.first_event_id.bytes.end());
  bytes.append(note.body_digest.begin(), note.body_digest.end());
  return bytes;
}

Result<ReceiptNote> decode_receipt_note(std::string_view bytes) {
  if (bytes.size() != kNoteBytes || bytes[0] != kVersion)
    return fail(Code::corrupt, "a receipt's note of {} bytes; {} of version {} are right",
                bytes.size(), kNoteBytes, int{kVersion});
  if (static_cast<std::uint8_t>(bytes[1]) > static_cast<std::uint8_t>(BodyForm::lines))
    return fail(Code::corrupt, "a receipt's note names the form {}",
                static_cast<std::uint8_t>(bytes[1]));
  ReceiptNote note;
  note.form = static_cast<BodyForm>(bytes[1]);
  std::copy_n(bytes.begin() + 2, 16, note.first_event_id.bytes.begin());
  std::copy_n(bytes.begin() + 18, 32, note.body_digest.begin());
  return note;
}

}  // namespace tillrace::gateway
