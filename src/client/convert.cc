#include "client/convert.h"

#include <algorithm>
#include <utility>

#include "client/bytes.h"
#include "client/csv.h"
#include "client/line_numbers.h"
#include "model/event_json.h"

namespace tillrace::client {
namespace {

constexpr std::uint64_t kRowsBetweenReports = 4096;
constexpr std::string_view kLineNo = "LineNo";

std::filesystem::path rejected_path(const ConvertOptions& options) {
  return options.rejected.empty() ? rejected_path_of(options.input) : options.rejected;
}

bool same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
  if (a.empty() || b.empty() || a == "-" || b == "-") return false;
  std::error_code ignored;
  return a == b || std::filesystem::equivalent(a, b, ignored);
}

Status check_paths(const ConvertOptions& options) {
  std::vector<std::filesystem::path> paths = {options.input, options.output,
                                              rejected_path(options)};
  if (options.lines_from) paths.push_back(*options.lines_from);
  for (std::size_t i = 0; i < paths.size(); ++i)
    for (std::size_t k = i + 1; k < paths.size(); ++k)
      if (same_file(paths[i], paths[k]))
        return fail(Code::invalid,
                    "{} is named twice; input, output, rejected rows and state must differ",
                    paths[k].string());
  return {};
}

// `record` with one cell more, before its line end.
std::string with_cell(std::string_view record, std::string_view cell) {
  std::string_view content = record;
  while (content.ends_with('\n') || content.ends_with('\r')) content.remove_suffix(1);
  std::string_view line_end = record.substr(content.size());
  return fmt::format("{},{}{}", content, cell, line_end.empty() ? "\n" : line_end);
}

// append_json() writes a wall clock time. This one was given with its zone, and is in UTC by now.
void mark_as_utc(std::string& out, std::size_t begin) {
  constexpr std::string_view kKey = R"("InvoiceDate":")";
  std::size_t value = out.find(kKey, begin) + kKey.size();
  out.insert(out.find('"', value), 1, 'Z');
}

class Conversion {
 public:
  Conversion(const ConvertOptions& options, const ConvertCallbacks& callbacks, Input input,
             Output output, LineNumbers numbers)
      : options_(options),
        callbacks_(callbacks),
        input_(std::move(input)),
        output_(std::move(output)),
        numbers_(std::move(numbers)),
        csv_([this](std::span<char> room) { return input_.read(room); }) {}

  Status read_header();
  Status run(const std::stop_token& stop);
  Result<ConvertSummary> finish();

 private:
  Status take(const CsvRecord& record);
  std::optional<FieldError> read_row(const CsvRecord& record, std::optional<std::int32_t>& number);
  std::optional<FieldError> place_in_invoice(const CsvRecord& record, bool has_own_number,
                                             std::optional<std::int32_t>& number);
  Status write_event();
  Status reject(const CsvRecord& record, const FieldError& error,
                std::optional<std::int32_t> number);
  void name_reject(const CsvRecord& record, const FieldError& error);
  Status keep_reject(const CsvRecord& record, std::optional<std::int32_t> number);
  Status settle_rejects();
  void report();

  const ConvertOptions& options_;
  const ConvertCallbacks& callbacks_;
  Input input_;
  Output output_;
  LineNumbers numbers_;
  CsvReader csv_;
  std::optional<RowReader> rows_;
  bool has_line_no_column_ = false;
  std::string header_;  // as it stands in the file
  Transaction line_;
  std::string json_;
  std::optional<Output> rejects_;
  ConvertSummary summary_;
};

Status Conversion::read_header() {
  CsvRecord record;
  Result<bool> found = csv_.next(record);
  if (!found) return fail(found.error());
  if (!*found)
    return fail(Code::invalid, "{} is empty; its first line must be a header", input_.name());
  if (!record.problem.empty())
    return fail(Code::invalid, "{}, line {}, the header: {}", input_.name(), record.line,
                record.problem);
  Result<Columns> columns = Columns::from_header(record.cells);
  if (!columns) return fail(columns.error(), input_.name());
  header_ = record.raw;
  has_line_no_column_ = columns->has_line_no();
  for (const std::string& name : columns->ignored()) {
    std::string scratch;
    callbacks_.warn(fmt::format("column '{}' is ignored", to_utf8(name, scratch)));
  }
  rows_.emplace(std::move(*columns), options_.date_order);
  return {};
}

Status Conversion::run(const std::stop_token& stop) {
  CsvRecord record;
  while (true) {
    Result<bool> found = csv_.next(record);
    if (!found) return fail(found.error());
    if (!*found) return {};
    if (Status taken = take(record); !taken) return taken;
    if (++summary_.rows % kRowsBetweenReports != 0) continue;
    report();
    if (stop.stop_requested())
      return fail(Code::shutting_down, "stopped after {} rows; nothing was kept", summary_.rows);
  }
}

Status Conversion::take(const CsvRecord& record) {
  std::optional<std::int32_t> number;
  if (auto error = read_row(record, number)) return reject(record, *error, number);
  return write_event();
}

// `number` is set when the row has one, right or wrong as the row may be.
std::optional<FieldError> Conversion::read_row(const CsvRecord& record,
                                               std::optional<std::int32_t>& number) {
  if (!record.problem.empty()) return FieldError{"", record.problem, ""};
  auto error = rows_->read(record.cells, line_);
  if (error && has_line_no_column_) return error;
  bool has_own_number = !error && line_.line_no.has_value();
  auto misplaced = place_in_invoice(record, has_own_number, number);
  if (error || misplaced) return error ? error : misplaced;
  line_.line_no = number;
  return std::nullopt;
}

std::optional<FieldError> Conversion::place_in_invoice(const CsvRecord& record, bool has_own_number,
                                                       std::optional<std::int32_t>& number) {
  if (has_own_number) {
    number = line_.line_no;
    numbers_.seen(line_.invoice_no, *number);
    return std::nullopt;
  }
  // Counting from 1 again would give these rows the places of other lines.
  if (has_line_no_column_ && !options_.lines_from)
    return FieldError{
        kLineNo,
        "the line's number in its invoice; or convert with the --lines-from of the file "
        "that the row comes from",
        "nothing"};
  std::optional<std::string> invoice = rows_->invoice_no(record.cells);
  if (!invoice) return std::nullopt;  // read() has refused the row already
  number = numbers_.next(*invoice);
  if (number) return std::nullopt;
  return FieldError{kLineNo, fields()[*field_index(kLineNo)].rule, "the line behind the last"};
}

Status Conversion::write_event() {
  json_.clear();
  append_json(json_, line_);
  if (rows_->date_had_zone()) mark_as_utc(json_, 0);
  json_ += '\n';
  ++summary_.written;
  if (!line_.description) ++summary_.without_description;
  return output_.write(json_);
}

Status Conversion::reject(const CsvRecord& record, const FieldError& error,
                          std::optional<std::int32_t> number) {
  ++summary_.rejected;
  if (summary_.rejected <= options_.most_named_rejects) name_reject(record, error);
  if (summary_.rejected == options_.most_named_rejects + 1)
    callbacks_.warn("further rejected rows are not named but counted");
  return keep_reject(record, number);
}

void Conversion::name_reject(const CsvRecord& record, const FieldError& error) {
  std::string field = error.field.empty() ? "" : fmt::format("{}: ", error.field);
  std::string got = error.got.empty() ? "" : fmt::format(", got {}", error.got);
  callbacks_.warn(fmt::format("line {}: {}{}{}", record.line, field, error.rule, got));
}

Status Conversion::keep_reject(const CsvRecord& record, std::optional<std::int32_t> number) {
  if (!rejects_) {
    auto opened = Output::open(rejected_path(options_));
    if (!opened) return fail(opened.error());
    rejects_.emplace(std::move(*opened));
    std::string header = has_line_no_column_ ? header_ : with_cell(header_, kLineNo);
    if (Status written = rejects_->write(header); !written) return written;
  }
  bool gets_cell = record.problem.empty() && !has_line_no_column_;
  std::string cell = number ? fmt::format("{}", *number) : "";
  if (gets_cell) return rejects_->write(with_cell(record.raw, cell));
  if (Status written = rejects_->write(record.raw); !written) return written;
  bool has_end = record.raw.ends_with('\n') || record.raw.ends_with('\r');
  return rejects_->write(has_end ? "" : "\n");
}

Status Conversion::settle_rejects() {
  std::filesystem::path path = rejected_path(options_);
  std::error_code error;
  bool from_earlier = std::filesystem::is_regular_file(path, error);
  if (rejects_) {
    if (from_earlier)
      callbacks_.warn(fmt::format("{} of an earlier run is replaced", path.string()));
    summary_.rejected_path = path;
    return rejects_->commit();
  }
  if (!from_earlier) return {};
  callbacks_.warn(
      fmt::format("{} of an earlier run is removed: nothing was rejected", path.string()));
  std::filesystem::remove(path, error);
  if (error) return fail(Code::unavailable, "cannot remove {}: {}", path.string(), error.message());
  return {};
}

void Conversion::report() {
  callbacks_.progress({csv_.bytes_taken(), input_.size_bytes(), summary_.rows});
}

Result<ConvertSummary> Conversion::finish() {
  summary_.invoices = numbers_.invoices();
  summary_.bytes_read = csv_.bytes_taken();
  report();
  if (Status flushed = output_.flush(); !flushed) return fail(flushed.error());
  if (Status settled = settle_rejects(); !settled) return fail(settled.error());
  if (options_.lines_from)
    if (Status saved = numbers_.save(*options_.lines_from); !saved) return fail(saved.error());
  if (Status done = output_.commit(); !done) return fail(done.error());
  return summary_;
}

}  // namespace

std::filesystem::path rejected_path_of(const std::filesystem::path& input) {
  if (input.empty() || input == "-") return "stdin.rejected.csv";
  std::filesystem::path path = input;
  return path.replace_extension(".rejected.csv");
}

Result<ConvertSummary> convert(const ConvertOptions& options, const ConvertCallbacks& callbacks,
                               std::stop_token stop) {
  if (Status checked = check_paths(options); !checked) return fail(checked.error());
  auto input = Input::open(options.input);
  if (!input) return fail(input.error());
  auto numbers = options.lines_from ? LineNumbers::load(*options.lines_from) : LineNumbers();
  if (!numbers) return fail(numbers.error());
  auto output = Output::open(options.output);
  if (!output) return fail(output.error());
  Conversion conversion(options, callbacks, std::move(*input), std::move(*output),
                        std::move(*numbers));
  if (Status header = conversion.read_header(); !header) return fail(header.error());
  if (Status done = conversion.run(stop); !done) return fail(done.error());
  return conversion.finish();
}

}  // namespace tillrace::client
