#include "client/line_numbers.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

#include "base/files.h"

namespace tillrace::client {
namespace {

// The first line of a state; then one line per invoice: its number, a tab, its last line's number.
constexpr std::string_view kTitle = "tillrace line numbers 1\n";

std::optional<std::int32_t> positive(std::string_view text) {
  std::int32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

}  // namespace

Result<LineNumbers> LineNumbers::load(const std::filesystem::path& state) {
  LineNumbers numbers;
  Result<std::string> content = read_file(state);
  if (!content && content.error().code == Code::not_found) return numbers;
  if (!content) return fail(content.error());
  std::string_view rest = *content;
  if (!rest.starts_with(kTitle) || !rest.ends_with('\n'))
    return fail(Code::corrupt, "{} is no state of line numbers, or its end is missing",
                state.string());
  rest.remove_prefix(kTitle.size());
  for (std::uint64_t line = 2; !rest.empty(); ++line) {
    std::string_view entry = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(entry.size() + 1);
    std::size_t tab = std::min(entry.find('\t'), entry.size());
    auto last = positive(entry.substr(std::min(tab + 1, entry.size())));
    if (tab == 0 || !last)
      return fail(Code::corrupt,
                  "{}, line {}: not an invoice's number, a tab, and its last line's number",
                  state.string(), line);
    numbers.last_[std::string(entry.substr(0, tab))] = {*last, false};
  }
  return numbers;
}

Status LineNumbers::save(const std::filesystem::path& state) const {
  std::vector<const std::pair<const std::string, Last>*> entries;
  entries.reserve(last_.size());
  for (const auto& entry : last_) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->first < b->first; });
  std::string content(kTitle);
  for (const auto* entry : entries)
    fmt::format_to(std::back_inserter(content), "{}\t{}\n", entry->first, entry->second.line_no);
  return write_file_atomically(state, content);
}

LineNumbers::Last& LineNumbers::meet(const std::string& invoice_no) {
  Last& last = last_[invoice_no];
  if (!last.met) ++invoices_;
  last.met = true;
  return last;
}

std::optional<std::int32_t> LineNumbers::next(const std::string& invoice_no) {
  Last& last = meet(invoice_no);
  if (last.line_no == std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  return ++last.line_no;
}

void LineNumbers::seen(const std::string& invoice_no, std::int32_t line_no) {
  Last& last = meet(invoice_no);
  last.line_no = std::max(last.line_no, line_no);
}

}  // namespace tillrace::client
