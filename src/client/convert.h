// convert: a shop's CSV becomes NDJSON, one event a line, each with its place in its invoice.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/csv_row.h"
#include "client/progress.h"

namespace tillrace::client {

struct ConvertOptions {
  std::filesystem::path input;   // empty or "-": standard input
  std::filesystem::path output;  // empty or "-": standard output
  // Empty: FILE.rejected.csv beside FILE.csv.
  std::filesystem::path rejected;
  // A state of line numbers: read first where it exists, written at the end. For shops that export
  // an invoice's lines over several files.
  std::optional<std::filesystem::path> lines_from;
  DateOrder date_order = DateOrder::mdy;
  std::uint64_t most_named_rejects = 20;  // further ones are counted
};

struct ConvertSummary {
  std::uint64_t rows = 0;  // written + rejected
  std::uint64_t written = 0;
  std::uint64_t rejected = 0;
  std::uint64_t invoices = 0;             // distinct InvoiceNo
  std::uint64_t without_description = 0;  // of those written
  std::uint64_t bytes_read = 0;
  std::filesystem::path rejected_path;  // empty when nothing was rejected
};

struct ConvertCallbacks {
  // One line for a person: what was rejected and why, columns ignored, files replaced.
  std::function<void(std::string_view)> warn = [](std::string_view) {};
  // In bytes of the input, every few thousand rows.
  OnProgress progress = [](const Progress&) {};
};

// "shop.rejected.csv" for "shop.csv".
std::filesystem::path rejected_path_of(const std::filesystem::path& input);

// Streams: memory grows only with the number of distinct invoices. Dates are written as the shop's
// wall clock shows them, without a zone, unless the cell names one.
//
// A row that breaks a rule is named by line, field and rule, and goes to the file of rejected rows,
// bytes as they were, under the input's header and with one column more, LineNo: the number that
// the row keeps in its invoice. So the repaired file can be converted by itself, and its lines take
// their own places instead of those of lines accepted before. Where a row's InvoiceNo could not be
// read, LineNo is empty, and converting the repaired file needs the same lines_from as the first.
//
// The output and the file of rejected rows appear under their names only when they are whole;
// standard output cannot be taken back. Lines are numbered on in the state before the output
// appears: after a crash in between, a second run leaves numbers out, but never uses one twice.
// When nothing was rejected, a file of rejected rows from an earlier run is removed, with a
// warning.
//
// invalid: the header is wrong, or two of the paths are the same. exhausted: the disk is full.
// corrupt: the state is none. shutting_down: `stop` asked for it; nothing is kept.
Result<ConvertSummary> convert(const ConvertOptions& options,
                               const ConvertCallbacks& callbacks = {}, std::stop_token stop = {});

}  // namespace tillrace::client
