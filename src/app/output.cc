#include "app/output.h"

#include <charconv>
#include <cmath>

#include "base/json_writer.h"

namespace tillrace::app {
namespace {

constexpr std::size_t kBarWidth = 30;
constexpr std::size_t kMostCellWidth = 48;

std::size_t width(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(const std::string& text, std::size_t to, bool right) {
  std::string blanks(to > width(text) ? to - width(text) : 0, ' ');
  return right ? blanks + text : text + blanks;
}

std::string shortened(const std::string& text) {
  if (width(text) <= kMostCellWidth) return text;
  std::size_t end = 0;
  for (std::size_t characters = 0; end < text.size(); ++end) {
    if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 &&
        characters++ == kMostCellWidth - 1)
      break;
  }
  return text.substr(0, end) + "\u2026";
}

// What outsiders sent must not steer the terminal: control characters show as U+FFFD.
std::string printable(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto byte = static_cast<unsigned char>(text[at]);
    bool c1 =
        byte == 0xc2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0;
    bool control = byte < 0x20 || byte == 0x7f || c1;
    control ? out += "\ufffd" : out += text[at];
    if (c1) ++at;
  }
  return out;
}

// Sums carry as many decimals as their longest part had; zeros beyond two say nothing.
std::string_view without_idle_zeros(std::string_view number) {
  constexpr std::size_t kShownDecimals = 2;
  std::size_t point = number.find('.');
  if (point == std::string_view::npos || number.find_first_of("eE") != std::string_view::npos)
    return number;
  while (number.size() > point + 1 + kShownDecimals && number.back() == '0')
    number.remove_suffix(1);
  return number;
}

std::string shown(const Table::Column& column, const std::optional<std::string>& cell) {
  if (!cell) return "-";
  return column.kind == CellKind::number ? grouped_digits(without_idle_zeros(*cell))
                                         : shortened(printable(*cell));
}

// For a bar's length only: a float is exact enough for a picture.
double as_double(const std::optional<std::string>& cell) {
  double value = 0;
  if (cell) std::from_chars(cell->data(), cell->data() + cell->size(), value);
  return value;
}

std::string bar(const std::optional<std::string>& cell, double most) {
  double share = most > 0 ? as_double(cell) / most : 0;
  std::string out;
  for (auto i = std::lround(std::clamp(share, 0.0, 1.0) * kBarWidth); i > 0; --i) out += "\u2588";
  return out;
}

class TablePrinter {
 public:
  TablePrinter(const Table& table, const PrintOptions& options) : table_(table) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const Table::Column& column = table.columns[i];
      std::size_t widest = width(column.name);
      for (const auto& row : table.rows) widest = std::max(widest, width(shown(column, row[i])));
      widths_.push_back(widest);
      if (options.bar_column == column.name) bar_ = i;
    }
    for (const auto& row : table.rows)
      if (bar_) most_ = std::max(most_, as_double(row[*bar_]));
  }

  std::string text() const {
    std::string out =
        line([](const Table::Column& column, std::size_t) { return column.name; }) + "\n";
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      if (i > 0) out += "  ";
      for (std::size_t j = 0; j < widths_[i]; ++j) out += "\u2500";
    }
    out += "\n";
    for (const auto& row : table_.rows) {
      out += line(
          [&row](const Table::Column& column, std::size_t i) { return shown(column, row[i]); });
      if (bar_) out += "  " + bar(row[*bar_], most_);
      out.erase(out.find_last_not_of(' ') + 1);
      out += "\n";
    }
    return out;
  }

 private:
  template <class Cell>
  std::string line(Cell&& cell) const {
    std::string out;
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      const Table::Column& column = table_.columns[i];
      if (i > 0) out += "  ";
      out += padded(cell(column, i), widths_[i], column.kind == CellKind::number);
    }
    if (!bar_) out.erase(out.find_last_not_of(' ') + 1);
    return out;
  }

  const Table& table_;
  std::vector<std::size_t> widths_;
  std::optional<std::size_t> bar_;
  double most_ = 0;
};

// An upright list for a single row: one line a column.
std::string as_list(const Table& table) {
  std::size_t widest = 0;
  std::size_t widest_number = 0;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    widest = std::max(widest, width(table.columns[i].name));
    if (table.columns[i].kind == CellKind::number)
      widest_number = std::max(widest_number, width(shown(table.columns[i], table.rows[0][i])));
  }
  std::string out;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const Table::Column& column = table.columns[i];
    std::string value = shown(column, table.rows[0][i]);
    if (column.kind == CellKind::number) value = padded(value, widest_number, true);
    out += padded(column.name, widest, false) + "  " + value + "\n";
  }
  return out;
}

// An empty text has quotes, null has none.
std::string csv_cell(const std::string& text) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string csv_head(const Table& table) {
  std::string out;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    out += (i == 0 ? "" : ",") + csv_cell(table.columns[i].name);
  return out + "\n";
}

// A null alone has quotes too: many readers skip a blank line.
std::string csv_row(const std::vector<std::optional<std::string>>& row) {
  std::string out;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out += ",";
    if (row[i] || row.size() == 1) out += csv_cell(row[i].value_or(""));
  }
  return out + "\n";
}

std::string as_csv(const Table& table) {
  std::string out = csv_head(table);
  for (const auto& row : table.rows) out += csv_row(row);
  return out;
}

void write_row(JsonWriter& json, const Table& table,
               const std::vector<std::optional<std::string>>& row) {
  json.begin_object();
  for (std::size_t i = 0; i < row.size(); ++i) {
    const Table::Column& column = table.columns[i];
    json.key(column.name);
    if (!row[i]) {
      json.null();
    } else if (column.kind == CellKind::number || column.kind == CellKind::json) {
      json.raw(*row[i]);
    } else if (column.kind == CellKind::boolean) {
      json.boolean(*row[i] == "t" || *row[i] == "true");
    } else {
      json.string(*row[i]);
    }
  }
  json.end_object();
}

std::string as_json(const Table& table, bool single) {
  JsonWriter json;
  if (single && table.rows.size() == 1) {
    write_row(json, table, table.rows[0]);
  } else {
    json.begin_array();
    for (const auto& row : table.rows) write_row(json, table, row);
    json.end_array();
  }
  return json.take() + "\n";
}

}  // namespace

RowStream::RowStream(std::vector<Table::Column> columns, Format format, Write write)
    : table_{std::move(columns), {}}, format_(format), write_(std::move(write)) {
  if (format_ == Format::csv) waiting_ = csv_head(table_);
  if (format_ == Format::json) waiting_ = "[";
}

void RowStream::row(std::vector<std::optional<std::string>> cells) {
  constexpr std::size_t kWriteBytes = std::size_t{64} * 1024;
  if (format_ == Format::table) {
    is_cut_ = table_.rows.size() == kMostTableRows;
    if (is_cut_) return;
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (cells[i] && table_.columns[i].kind != CellKind::number)
        cells[i] = shortened(printable(*cells[i]));  // it waits for the end
    table_.rows.push_back(std::move(cells));
    return;
  }
  if (format_ == Format::csv) {
    waiting_ += csv_row(cells);
  } else {
    JsonWriter json;
    write_row(json, table_, cells);
    waiting_ += (is_first_ ? "" : ",") + json.take();
  }
  is_first_ = false;
  if (waiting_.size() >= kWriteBytes) flush();
}

void RowStream::end() {
  if (format_ == Format::table) waiting_ = print(table_, {format_, false, {}});
  if (format_ == Format::json) waiting_ += "]\n";
  flush();
}

void RowStream::flush() {
  write_(waiting_);
  waiting_.clear();
}

std::string grouped_digits(std::string_view number) {
  std::size_t first = number.starts_with('-') ? 1 : 0;
  std::size_t end = std::min(number.find('.'), number.size());
  std::string out(number);
  if (number.find_first_not_of("0123456789.", first) != std::string_view::npos) return out;
  for (std::size_t at = end; at > first + 3;) out.insert(at -= 3, 1, ',');
  return out;
}

std::string print(const Table& table, const PrintOptions& options) {
  switch (options.format) {
    case Format::json: return as_json(table, options.single);
    case Format::csv: return as_csv(table);
    case Format::table: break;
  }
  if (options.single && table.rows.size() == 1) return as_list(table);
  return TablePrinter(table, options).text();
}

}  // namespace tillrace::app
