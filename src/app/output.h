// Results for people and programs: tables, JSON, CSV, on stdout.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tillrace::app {

enum class Format { table, json, csv };

enum class CellKind { text, number, boolean, json };  // json: a text of its own elsewhere

// A result with its column names; a cell without value is NULL. Owns its texts.
struct Table {
  struct Column {
    std::string name;
    CellKind kind = CellKind::text;
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

// table: aligned, numbers to the right with thousands grouped, a rule under the head; control
// characters do not reach the terminal. `bar_column`: a column of numbers that is also drawn as
// bars. csv: RFC 4180; null is nothing and an empty text "", as is a null that is a row's only
// cell. json: an array of objects, or the one object when `single`; numbers keep all their digits.
struct PrintOptions {
  Format format = Format::table;
  bool single = false;
  std::optional<std::string> bar_column;
};
std::string print(const Table& table, const PrintOptions& options);

// The same for a result that is too long for the memory: rows are written as they come, in CSV and
// JSON all of them. A table has to know its widths first, so it has the first kMostTableRows only.
class RowStream {
 public:
  static constexpr std::size_t kMostTableRows = 10'000;
  using Write = std::function<void(const std::string&)>;

  RowStream(std::vector<Table::Column> columns, Format format, Write write);
  void row(std::vector<std::optional<std::string>> cells);
  void end();
  // Whether rows are missing in the table.
  bool is_cut() const { return is_cut_; }

 private:
  void flush();

  Table table_;  // the head; of a table also the rows
  const Format format_;
  const Write write_;
  std::string waiting_;
  bool is_first_ = true;
  bool is_cut_ = false;
};

// "-12,345.678" for "-12345.678"; other text as it is.
std::string grouped_digits(std::string_view number);

}  // namespace tillrace::app
