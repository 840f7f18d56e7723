#include "model/fields.h"

#include <charconv>

#include "base/blanks.h"
#include "base/utf8.h"

namespace tillrace {
namespace {

constexpr std::size_t kMostDescriptionBytes = 500;
constexpr std::size_t kMostCodeCharacters = 20;
constexpr std::size_t kMostCountryBytes = 64;
constexpr std::size_t kMostShownBytes = 60;

using Kind = Token::Kind;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_identifier(std::string_view text) {
  return !text.empty() && text.size() <= kMostCodeCharacters &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-'; });
}

bool is_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A text, or a number without sign, point or exponent: whatever else a number says is no code.
bool is_code_token(const Token& token) {
  return token.kind == Kind::text || (token.kind == Kind::number && is_digits(token.text));
}

bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (byte < 0x20 || byte == 0x7f || c1) return true;
  }
  return false;
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::optional<std::int32_t> whole_number(std::string_view text) {
  std::int32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool read_invoice_no(const Token& token, const TimeZone&, Transaction& line) {
  if (!is_code_token(token) || !is_identifier(token.text)) return false;
  line.invoice_no = token.text;
  return true;
}

bool read_stock_code(const Token& token, const TimeZone&, Transaction& line) {
  if (!is_code_token(token) || is_blank(token.text) || has_control(token.text)) return false;
  if (characters(token.text) > kMostCodeCharacters) return false;
  line.stock_code = token.text;
  return true;
}

bool read_description(const Token& token, const TimeZone&, Transaction& line) {
  if (token.kind != Kind::text) return false;
  std::string_view text = trimmed(token.text);
  if (text.size() > kMostDescriptionBytes || text.find('\0') != std::string_view::npos)
    return false;
  if (!text.empty()) line.description = text;
  return true;
}

bool read_quantity(const Token& token, const TimeZone&, Transaction& line) {
  if (token.kind != Kind::number) return false;
  std::optional<std::int32_t> value = whole_number(token.text);
  line.quantity = value.value_or(0);
  return line.quantity != 0;
}

bool read_invoice_date(const Token& token, const TimeZone& shop, Transaction& line) {
  if (token.kind != Kind::text) return false;
  auto instant = parse_invoice_date(token.text, shop);
  if (instant) line.invoiced_at = *instant;
  return instant.has_value();
}

bool read_unit_price(const Token& token, const TimeZone&, Transaction& line) {
  if (token.kind != Kind::number && token.kind != Kind::text) return false;
  auto price = parse_price(token.text);
  if (price) line.unit_price = *price;
  return price.has_value();
}

bool read_customer_id(const Token& token, const TimeZone&, Transaction& line) {
  if (token.kind != Kind::text && token.kind != Kind::number) return false;
  std::string_view text = token.text;
  if (text.ends_with(".0")) text.remove_suffix(2);
  if (!is_identifier(text)) return false;
  if (token.kind == Kind::number && !is_digits(text)) return false;
  line.customer_id = text;
  return true;
}

bool read_country(const Token& token, const TimeZone&, Transaction& line) {
  if (token.kind != Kind::text || is_blank(token.text) || has_control(token.text)) return false;
  if (token.text.size() > kMostCountryBytes) return false;
  line.country = token.text;
  return true;
}

bool read_line_no(const Token& token, const TimeZone&, Transaction& line) {
  if (token.kind != Kind::number) return false;
  line.line_no = whole_number(token.text);
  return line.line_no.value_or(0) >= 1;
}

bool read_event_id(const Token& token, const TimeZone&, Transaction& line) {
  if (token.kind != Kind::text) return false;
  auto id = parse_event_id(token.text);
  if (id) line.event_id = *id;
  return id.has_value();
}

std::string shown(const Token& token) {
  switch (token.kind) {
    case Kind::null: return "nothing";
    case Kind::object: return "an object";
    case Kind::array: return "an array";
    default: break;
  }
  if (token.text.size() <= kMostShownBytes) return std::string(token.text);
  std::size_t end = kMostShownBytes;
  while (end > 0 && (static_cast<unsigned char>(token.text[end]) & 0xc0) == 0x80) --end;
  return std::string(token.text.substr(0, end)) + "...";
}

}  // namespace

const std::array<Field, kFieldCount>& fields() {
  static constexpr std::array<Field, kFieldCount> kFields = {{
      {"InvoiceNo", "invoice_no", true, "1 to 20 of A-Z, a-z, 0-9 and -", read_invoice_no},
      {"StockCode", "stock_code", true, "1 to 20 printable characters", read_stock_code},
      {"Description", "description", false,
       "a string of up to 500 UTF-8 bytes without NUL, or null", read_description},
      {"Quantity", "quantity", true, "an integer from -2147483648 to 2147483647, not 0",
       read_quantity},
      {"InvoiceDate", "invoiced_at", true,
       "YYYY-MM-DD HH:MM[:SS[.ffffff]] with an optional zone, or M/D/YYYY H:MM; a time that exists",
       read_invoice_date},
      {"UnitPrice", "unit_price", true,
       "a decimal number with up to 4 decimals and a magnitude below 10^12", read_unit_price},
      {"CustomerID", "customer_id", false, "1 to 20 of A-Z, a-z, 0-9 and -, or null for a guest",
       read_customer_id},
      {"Country", "country", true, "1 to 64 UTF-8 bytes without control characters", read_country},
      {"LineNo", "line_no", false, "an integer from 1 to 2147483647, or absent", read_line_no},
      {"EventId", "event_id", false,
       "a UUID such as 018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70, or absent", read_event_id},
  }};
  return kFields;
}

std::optional<std::size_t> field_index(std::string_view name) {
  const auto& list = fields();
  for (std::size_t i = 0; i < list.size(); ++i)
    if (list[i].name == name) return i;
  return std::nullopt;
}

std::optional<FieldError> read_field(const Field& field, const Token& token, const TimeZone& shop,
                                     Transaction& line) {
  bool right = token.kind == Kind::null ? !field.required : field.read(token, shop, line);
  if (right) return std::nullopt;
  return FieldError{field.name, field.rule, shown(token)};
}

}  // namespace tillrace
