#include "warehouse/flushed_marks.h"

#include <charconv>

#include "warehouse/connection.h"

namespace tillrace::warehouse {
namespace {

constexpr int kConnectTimeoutMs = 2'000;
constexpr int kAnswerTimeoutMs = 3'000;

// The statement has a limit of its own, since a server does not notice that nobody listens any
// more.
ConnectionOptions session_options() {
  ConnectionOptions options;
  options.application_name = "tillrace retention";
  options.connect_timeout_ms = kConnectTimeoutMs;
  options.answer_timeout_ms = kAnswerTimeoutMs;
  options.settings = {{"statement_timeout", std::to_string(kAnswerTimeoutMs)}};
  return options;
}

template <class Integer>
Integer number(const Rows& rows, int row, int column) {
  std::string_view text = rows.cell(row, column).value_or("0");
  Integer value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Result<std::vector<FlushedMark>> flushed_marks(const std::string& url, const std::string& topic,
                                               const std::string& log_id) {
  auto connection = Connection::open(url, session_options());
  if (!connection) return fail(connection.error());
  // A transaction by itself: when the rows are handed over its commit has returned.
  auto rows = connection->query("select partition, next_offset from stream.flushed_marks($1, $2)",
                                Params{topic, log_id});
  if (!rows) return fail(rows.error());
  std::vector<FlushedMark> marks;
  for (int row = 0; row < rows->row_count(); ++row)
    marks.push_back({{number<std::int32_t>(*rows, row, 0)}, {number<std::int64_t>(*rows, row, 1)}});
  return marks;
}

}  // namespace tillrace::warehouse
