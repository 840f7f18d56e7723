#include "model/event_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "base/blanks.h"
#include "base/json_writer.h"
#include "model/not_json.h"

namespace tillrace {
namespace {

namespace ondemand = simdjson::ondemand;
using Kind = Token::Kind;

Rejection malformed(std::string_view rule, std::string got) {
  return {true, {{"", rule, std::move(got)}}};
}

// RFC 8259, section 6.
bool is_json_number(std::string_view text) {
  auto digits = [&] {
    std::size_t count = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      text.remove_prefix(1);
      ++count;
    }
    return count;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  bool zero_first = text.starts_with('0');
  std::size_t whole = digits();
  if (whole == 0 || (zero_first && whole > 1)) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

// Reads values off simdjson's on-demand iterator, checking all of them. simdjson itself looks only
// at what is asked for.
class Reader {
 public:
  bool broken() const { return broken_; }

  Token value(ondemand::value& in, int depth) {
    ondemand::json_type type;
    if (in.type().get(type) != simdjson::SUCCESS) return broke();
    switch (type) {
      case ondemand::json_type::array: return array(in, depth);
      case ondemand::json_type::object: return object(in, depth);
      case ondemand::json_type::string: return text(in);
      default: return scalar(without_trailing_blanks(in.raw_json_token()));
    }
  }

 private:
  Token broke() {
    broken_ = true;
    return {};
  }

  Token text(ondemand::value& in) {
    std::string_view characters;
    if (in.get_string().get(characters) != simdjson::SUCCESS) return broke();
    return {Kind::text, characters};
  }

  Token scalar(std::string_view token) {
    if (token == "null") return {Kind::null, token};
    if (token == "true" || token == "false") return {Kind::boolean, token};
    if (is_json_number(token)) return {Kind::number, token};
    return broke();
  }

  Token array(ondemand::value& in, int depth) {
    ondemand::array items;
    if (depth >= EventParser::kMostDepth || in.get_array().get(items) != simdjson::SUCCESS)
      return broke();
    for (auto item : items) {
      ondemand::value inner;
      if (item.get(inner) != simdjson::SUCCESS) return broke();
      value(inner, depth + 1);
      if (broken_) return {};
    }
    return {Kind::array, {}};
  }

  Token object(ondemand::value& in, int depth) {
    ondemand::object members;
    if (depth >= EventParser::kMostDepth || in.get_object().get(members) != simdjson::SUCCESS)
      return broke();
    for (auto member : members) {
      std::string_view key;
      ondemand::value inner;
      if (member.unescaped_key().get(key) != simdjson::SUCCESS) return broke();
      if (member.value().get(inner) != simdjson::SUCCESS) return broke();
      value(inner, depth + 1);
      if (broken_) return {};
    }
    return {Kind::object, {}};
  }

  bool broken_ = false;
};

// simdjson says where it stands by a place in the text, or by this error when nothing is left.
bool at_end(ondemand::document& document) {
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

constexpr std::string_view kNoMark = "JSON without a byte order mark in front";
constexpr std::string_view kOneObject = "one JSON object (RFC 8259), UTF-8, at most 64 levels deep";

tl::unexpected<Rejection> no_object(std::string_view json) {
  return tl::unexpected(malformed(kOneObject, described_malformed(json, EventParser::kMostDepth)));
}

}  // namespace

struct EventParser::Impl {
  TimeZone shop;
  ondemand::parser parser;
  std::string padded;  // simdjson reads up to SIMDJSON_PADDING bytes beyond the text

  using Seen = std::array<bool, kFieldCount>;

  static simdjson::error_code find_field(simdjson::simdjson_result<ondemand::field>& member,
                                         std::size_t guess, std::optional<std::size_t>& index);
  bool read_members(ondemand::object& members, Transaction& line, Rejection& rejection, Seen& seen);
  void read_member(std::size_t index, const Token& token, Transaction& line, Rejection& rejection,
                   Seen& seen);
};

// Which of fields() a member is, or nothing for one that Tillrace does not know. Senders mostly
// keep the order of the list, so `guess` is looked at first, and the key is unescaped only when it
// is not that.
simdjson::error_code EventParser::Impl::find_field(
    simdjson::simdjson_result<ondemand::field>& member, std::size_t guess,
    std::optional<std::size_t>& index) {
  ondemand::raw_json_string written;
  if (auto error = member.key().get(written)) return error;
  if (guess < kFieldCount && written.unsafe_is_equal(fields()[guess].name)) {
    index = guess;
    return simdjson::SUCCESS;
  }
  std::string_view key;
  if (auto error = member.unescaped_key().get(key)) return error;
  index = field_index(key);
  return simdjson::SUCCESS;
}

bool EventParser::Impl::read_members(ondemand::object& members, Transaction& line,
                                     Rejection& rejection, Seen& seen) {
  Reader reader;
  std::size_t guess = 0;
  for (auto member : members) {
    std::optional<std::size_t> index;
    if (find_field(member, guess, index) != simdjson::SUCCESS) return false;
    if (index) guess = *index + 1;
    auto value = member.value();
    if (value.error() != simdjson::SUCCESS) return false;
    Token token = reader.value(value.value_unsafe(), 1);
    if (reader.broken()) return false;
    if (index) read_member(*index, token, line, rejection, seen);
  }
  return true;
}

void EventParser::Impl::read_member(std::size_t index, const Token& token, Transaction& line,
                                    Rejection& rejection, Seen& seen) {
  const Field& field = fields()[index];
  if (seen[index]) {
    rejection.errors.push_back({field.name, "given once", "it twice"});
    return;
  }
  seen[index] = true;
  if (auto error = read_field(field, token, shop, line))
    rejection.errors.push_back(std::move(*error));
}

EventParser::EventParser(TimeZone shop) : impl_(std::make_unique<Impl>()) {
  impl_->shop = std::move(shop);
}
EventParser::EventParser(EventParser&&) noexcept = default;
EventParser::~EventParser() = default;

tl::expected<Transaction, Rejection> EventParser::parse(std::string_view json) {
  // Newer versions of simdjson would pass over it, and what is kept as received be no JSON.
  if (json.starts_with("\xef\xbb\xbf")) return tl::unexpected(malformed(kNoMark, ""));
  std::string& padded = impl_->padded;
  padded.assign(json);
  padded.append(simdjson::SIMDJSON_PADDING, ' ');
  ondemand::document document;
  simdjson::padded_string_view view(padded.data(), json.size(), padded.size());
  ondemand::object members;
  if (impl_->parser.iterate(view).get(document) != simdjson::SUCCESS ||
      document.get_object().get(members) != simdjson::SUCCESS)
    return no_object(json);

  Transaction line;
  Rejection rejection;
  Impl::Seen seen{};
  if (!impl_->read_members(members, line, rejection, seen) || !at_end(document))
    return no_object(json);
  for (std::size_t i = 0; i < kFieldCount; ++i) {
    const Field& field = fields()[i];
    if (!seen[i] && field.required) rejection.errors.push_back({field.name, field.rule, "nothing"});
  }
  if (!rejection.errors.empty()) return tl::unexpected(std::move(rejection));
  return line;
}

namespace {

// A reason is one line, and goes where no NUL can: control characters are shown as JSON writes
// them.
void append_visible(std::string& out, std::string_view text) {
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    else
      out += c;
  }
}

}  // namespace

std::string to_string(const Rejection& rejection) {
  std::string out;
  for (const FieldError& error : rejection.errors) {
    if (!out.empty()) out += "; ";
    if (!error.field.empty()) out.append(error.field).append(": ");
    out += error.rule;
    if (error.got.empty()) continue;
    out += ", got ";
    append_visible(out, error.got);
  }
  return out;
}

// Straight into `out`: a JsonWriter would cost this, the busiest writer of all, a third of its
// time.
void append_json(std::string& out, const Transaction& line) {
  char separator = '{';
  auto write = [&out, &separator](std::string_view name, const auto& value) {
    using Value = std::decay_t<decltype(value)>;
    out += separator;
    out += '"';
    out.append(name).append("\":");  // the names need no escapes
    separator = ',';
    if constexpr (std::is_same_v<Value, std::string>) {
      append_json_quoted(out, value);
    } else if constexpr (std::is_same_v<Value, std::int32_t>) {
      fmt::format_int text(value);
      out.append(text.data(), text.size());
    } else if constexpr (std::is_same_v<Value, UtcMicros>) {
      append_json_quoted(out, wall_clock_text(value));
    } else if constexpr (std::is_same_v<Value, Price>) {
      out += to_string(value);
    } else {
      append_json_quoted(out, to_string(value));
    }
  };
  for_each_field(line, [&write](std::string_view name, const auto& value) {
    if constexpr (requires { value.has_value(); }) {
      if (value) write(name, *value);
    } else {
      write(name, value);
    }
  });
  out += '}';
}

}  // namespace tillrace
