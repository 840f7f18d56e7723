#include "client/csv_row.h"

#include <algorithm>
#include <charconv>

#include "base/blanks.h"
#include "base/utf8.h"

namespace tillrace::client {
namespace {

// Places in fields() of model/fields.h, looked up once by name.
const std::size_t kInvoiceNo = *field_index("InvoiceNo");
const std::size_t kQuantity = *field_index("Quantity");
const std::size_t kInvoiceDate = *field_index("InvoiceDate");
const std::size_t kLineNo = *field_index("LineNo");
const std::size_t kEventId = *field_index("EventId");

constexpr std::size_t kMostShownBytes = 200;

// "Customer ID" and "CUSTOMERID" are one name.
std::string squeezed(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (is_blank(c)) continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

std::optional<std::size_t> field_of_column(std::string_view name) {
  std::string wanted = squeezed(name);
  if (wanted == "invoice") wanted = "invoiceno";
  if (wanted == "price") wanted = "unitprice";
  for (std::size_t i = 0; i < kFieldCount; ++i)
    if (i != kEventId && squeezed(fields()[i].name) == wanted) return i;
  return std::nullopt;
}

std::string_view separator_hint(const std::vector<std::string_view>& header) {
  if (header.size() != 1) return "";
  if (header[0].find(';') != std::string_view::npos)
    return "; cells must be separated by commas, not ;";
  if (header[0].find('\t') != std::string_view::npos)
    return "; cells must be separated by commas, not tabs";
  if (header[0].starts_with("\xff\xfe") || header[0].starts_with("\xfe\xff"))
    return "; the file is UTF-16: save it as UTF-8";
  return "";
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// 0x80 to 0x9f of Windows-1252.
constexpr std::array<char16_t, 32> kWindows1252 = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

void append_utf8(std::string& out, char16_t character) {
  if (character < 0x80) {
    out += static_cast<char>(character);
  } else if (character < 0x800) {
    out += static_cast<char>(0xc0 | character >> 6);
    out += static_cast<char>(0x80 | (character & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | character >> 12);
    out += static_cast<char>(0x80 | (character >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (character & 0x3f));
  }
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The three numbers of 12/31/2010 and what stands behind them.
struct SlashDate {
  int first = 0, second = 0, year = 0;
  std::string_view time;
};

std::optional<int> take_number(std::string_view& text, std::size_t most_digits) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || digits > most_digits) return std::nullopt;
  int value = 0;
  std::from_chars(text.data(), text.data() + digits, value);
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<SlashDate> slash_date(std::string_view text) {
  auto first = take_number(text, 2);
  if (!first || !take(text, '/')) return std::nullopt;
  auto second = take_number(text, 2);
  if (!second || !take(text, '/')) return std::nullopt;
  auto year = take_number(text, 4);
  if (!year || *year < 1000 || !take(text, ' ')) return std::nullopt;
  return SlashDate{*first, *second, *year, text};
}

// Spreadsheets write the hour with one digit or two, and seconds or none: as ISO 8601 both are one
// form.
std::string iso_text(const SlashDate& date, DateOrder order) {
  int month = order == DateOrder::mdy ? date.first : date.second;
  int day = order == DateOrder::mdy ? date.second : date.first;
  bool short_hour = date.time.find(':') == 1;
  return fmt::format("{:04}-{:02}-{:02} {}{}", date.year, month, day, short_hour ? "0" : "",
                     date.time);
}

// Why a date with slashes may have been refused, put behind the rule.
std::string_view order_hint(const SlashDate& date, DateOrder order) {
  if (order == DateOrder::mdy && date.first > 12 && date.second <= 12)
    return "YYYY-MM-DD HH:MM[:SS], or M/D/YYYY H:MM; where the day comes first, convert with "
           "--date-order dmy";
  if (order == DateOrder::dmy && date.second > 12 && date.first <= 12)
    return "YYYY-MM-DD HH:MM[:SS], or with --date-order dmy D/M/YYYY H:MM; where the month comes "
           "first, convert with --date-order mdy";
  return {};
}

bool names_zone(std::string_view date) {
  if (date.ends_with('Z') || date.ends_with('z')) return true;
  std::string_view time = date.substr(std::min<std::size_t>(date.size(), 11));
  return time.find_first_of("+-") != std::string_view::npos;
}

}  // namespace

Result<DateOrder> parse_date_order(std::string_view text) {
  if (text == "mdy") return DateOrder::mdy;
  if (text == "dmy") return DateOrder::dmy;
  return fail(Code::invalid, "'{}' is no date order; mdy or dmy", text);
}

Result<Columns> Columns::from_header(const std::vector<std::string_view>& header) {
  Columns columns;
  columns.count_ = header.size();
  for (std::size_t i = 0; i < header.size(); ++i) {
    std::optional<std::size_t> field = field_of_column(header[i]);
    if (!field) {
      columns.ignored_.emplace_back(header[i]);
    } else if (columns.places_[*field]) {
      return fail(Code::invalid, "the header has two columns for {}: '{}' and '{}'",
                  fields()[*field].name, header[*columns.places_[*field]], header[i]);
    } else {
      columns.places_[*field] = i;
    }
  }
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < kFieldCount; ++i)
    if (!columns.places_[i] && i != kLineNo && i != kEventId)
      missing.emplace_back(fields()[i].name);
  if (missing.empty()) return columns;
  std::string found(header.empty() ? "nothing" : "");
  for (std::string_view name : header) found.append(found.empty() ? "" : ", ").append(name);
  if (found.size() > kMostShownBytes) found.replace(kMostShownBytes, std::string::npos, "...");
  std::string scratch;
  return fail(Code::invalid, "the header lacks the column{} {}; it has: {}{}",
              missing.size() == 1 ? "" : "s", joined(missing), to_utf8(found, scratch),
              separator_hint(header));
}

std::optional<std::string_view> Columns::cell(const std::vector<std::string_view>& row,
                                              std::size_t field) const {
  if (!places_[field] || *places_[field] >= row.size()) return std::nullopt;
  return row[*places_[field]];
}

bool Columns::has_line_no() const { return places_[kLineNo].has_value(); }

std::string_view to_utf8(std::string_view cell, std::string& scratch) {
  if (is_ascii(cell) || is_utf8(cell)) return cell;
  scratch.clear();
  for (char c : cell) {
    auto byte = static_cast<unsigned char>(c);
    bool special = byte >= 0x80 && byte < 0xa0;
    append_utf8(scratch, special ? kWindows1252[byte - 0x80u] : static_cast<char16_t>(byte));
  }
  return scratch;
}

std::optional<FieldError> RowReader::read(const std::vector<std::string_view>& row,
                                          Transaction& line) {
  if (row.size() != columns_.count())
    return FieldError{"", "as many cells as the header has columns",
                      fmt::format("{} instead of {}", row.size(), columns_.count())};
  line.description.reset();
  line.customer_id.reset();
  line.line_no.reset();
  for (std::size_t i = 0; i < kFieldCount; ++i) {
    std::optional<std::string_view> cell = columns_.cell(row, i);
    if (!cell) continue;
    if (auto error = read_cell(i, *cell, line)) return error;
  }
  return std::nullopt;
}

std::optional<std::string> RowReader::invoice_no(const std::vector<std::string_view>& row) {
  std::optional<std::string_view> cell = columns_.cell(row, kInvoiceNo);
  Transaction line;
  if (!cell || read_cell(kInvoiceNo, *cell, line)) return std::nullopt;
  return std::move(line.invoice_no);
}

std::optional<FieldError> RowReader::read_cell(std::size_t index, std::string_view cell,
                                               Transaction& line) {
  const Field& field = fields()[index];
  std::string_view text = trimmed(to_utf8(cell, scratch_));
  if (text.empty()) return read_field(field, Token{}, utc_, line);
  if (index == kInvoiceDate) return read_date(field, text, line);
  bool is_number = index == kQuantity || index == kLineNo;
  return read_field(field, {is_number ? Token::Kind::number : Token::Kind::text, text}, utc_, line);
}

std::optional<FieldError> RowReader::read_date(const Field& field, std::string_view text,
                                               Transaction& line) {
  std::optional<SlashDate> slashes = slash_date(text);
  std::string iso = slashes ? iso_text(*slashes, dates_) : std::string();
  std::string_view taken = slashes ? std::string_view(iso) : text;
  date_had_zone_ = names_zone(taken);
  auto error = read_field(field, {Token::Kind::text, taken}, utc_, line);
  if (!error || !slashes) return error;
  error->got = text;
  if (std::string_view hint = order_hint(*slashes, dates_); !hint.empty()) error->rule = hint;
  return error;
}

}  // namespace tillrace::client
