#include "warehouse/batch_writer.h"

#include <charconv>
#include <unordered_set>

#include "base/logging.h"
#include "warehouse/copy_format.h"

namespace tillrace::warehouse {
namespace {

constexpr int kAnswerTimeoutMs = 120'000;  // a server that hangs is one that is away
constexpr std::size_t kCopyChunkBytes = 256 * 1024;
constexpr const char* kCopyLines = "copy pg_temp.incoming from stdin (format binary)";
constexpr const char* kCopyRejected =
    "copy stream.rejected (topic, partition, \"offset\", event_id, received_at, value, reason) "
    "from stdin (format binary)";

ConnectionOptions session_options() {
  ConnectionOptions options;
  options.application_name = "tillrace processor";
  options.answer_timeout_ms = kAnswerTimeoutMs;
  options.settings = {{"synchronous_commit", "off"},
                      {"work_mem", "64MB"},
                      {"temp_buffers", "16MB"},
                      {"jit", "off"}};
  return options;
}

void encode(CopyEncoder& out, const Batch&, const Line& line) {
  const Transaction& event = line.transaction;
  out.row(11);
  out.int8(line.offset.value);
  out.text(event.invoice_no);
  out.uuid(line.event_id);
  out.int4_or_null(event.line_no);
  out.text(event.stock_code);
  out.text_or_null(event.description);
  out.int4(event.quantity);
  out.timestamptz(event.invoiced_at);
  out.numeric(event.unit_price);
  out.text_or_null(event.customer_id);
  out.text(event.country);
}

void encode(CopyEncoder& out, const Batch& batch, const RejectedRecord& record) {
  out.row(7);
  out.text(batch.topic);
  out.int4(batch.partition.value);
  out.int8(record.offset.value);
  out.uuid(record.event_id);
  out.timestamptz(record.received_at);
  out.text(record.value);
  out.text(record.reason);
}

// The name of a line, for a set. The hash alone is compared: a false match costs a moment in SQL,
// which looks closely.
bool has_versions(const std::vector<Line>& lines) {
  std::unordered_set<std::uint64_t> seen;
  seen.reserve(lines.size() * 2);
  for (const Line& line : lines) {
    std::uint64_t low = 0;
    std::memcpy(&low, line.event_id.bytes.data() + 8, sizeof low);
    std::uint64_t high = 0;
    std::memcpy(&high, line.event_id.bytes.data(), sizeof high);
    std::uint64_t name =
        (low * 0x9e3779b97f4a7c15) ^ high ^ std::hash<std::string>{}(line.transaction.invoice_no);
    if (!seen.insert(name).second) return true;
  }
  return false;
}

std::int64_t number(const Rows& rows, std::string_view column) {
  std::string_view text = rows.cell(0, rows.column(column)).value_or("0");
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

template <class Row>
Status copy_rows(Connection& connection, const char* sql, const Batch& batch,
                 const std::vector<Row>& rows, std::string& buffer) {
  if (Status begun = connection.copy_begin(sql); !begun) return begun;
  buffer.clear();
  CopyEncoder out(buffer);
  out.header();
  for (const Row& row : rows) {
    encode(out, batch, row);
    if (buffer.size() < kCopyChunkBytes) continue;
    if (Status sent = connection.copy_data(buffer); !sent) return sent;
    buffer.clear();
  }
  out.trailer();
  if (Status sent = connection.copy_data(buffer); !sent) return sent;
  auto copied = connection.copy_end();
  if (!copied) return fail(copied.error());
  return {};
}

}  // namespace

BatchWriter::BatchWriter(std::string url) : url_(std::move(url)) {}

void BatchWriter::set_url(std::string url) {
  if (url == url_) return;
  url_ = std::move(url);
  connection_.reset();
}

Status BatchWriter::ensure_session() {
  if (connection_ && connection_->alive()) return {};
  connection_.reset();
  auto opened = Connection::open(url_, session_options());
  if (!opened) return fail(opened.error());
  if (Status prepared = opened->execute("call stream.prepare_session()"); !prepared)
    return prepared;
  connection_ = std::move(*opened);
  return {};
}

Result<Offset> BatchWriter::mark(const std::string& topic, Partition partition,
                                 const std::string& log_id) {
  if (Status ready = ensure_session(); !ready) return fail(ready.error());
  auto rows = connection_->query(
      "select next_offset, log_id from stream.checkpoint where topic = $1 and partition = $2",
      Params{topic, std::to_string(partition.value)});
  if (!rows) return fail(rows.error());
  if (rows->row_count() == 0) return Offset{0};
  std::string_view known_log = rows->cell(0, 1).value_or("");
  if (known_log != log_id)
    return fail(Code::corrupt,
                "the warehouse has read {}/{} of log {}, and this is log {}; start with the data "
                "folder of that log, or "
                "with an empty warehouse",
                topic, partition.value, known_log, log_id);
  return Offset{number(*rows, "next_offset")};
}

Result<BatchCounts> BatchWriter::apply(const Batch& batch) {
  if (Status ready = ensure_session(); !ready) return fail(ready.error());
  auto counts = apply_in_transaction(batch);
  if (!counts) give_up();
  return counts;
}

Result<BatchCounts> BatchWriter::apply_in_transaction(const Batch& batch) {
  if (Status begun = connection_->execute("begin"); !begun) return fail(begun.error());
  if (Status copied = copy_lines(batch); !copied) return fail(copied.error());
  auto rows = connection_->query(
      "select inserted, replaced, repeated "
      "from stream.apply_batch($1, $2, $3, $4, $5, $6, $7)",
      Params{batch.topic, std::to_string(batch.partition.value), batch.log_id,
             std::to_string(batch.from.value), std::to_string(batch.to.value),
             has_versions(batch.lines) ? "true" : "false", std::to_string(batch.rejected.size())});
  if (!rows) return fail(rows.error());
  // After the mark was compared: in a batch that was written before they lie there already.
  if (Status copied = copy_rejected(batch); !copied) return fail(copied.error());
  if (Status committed = connection_->execute("commit"); !committed) return fail(committed.error());
  return BatchCounts{number(*rows, "inserted"), number(*rows, "replaced"),
                     number(*rows, "repeated"), static_cast<std::int64_t>(batch.rejected.size())};
}

Status BatchWriter::copy_lines(const Batch& batch) {
  if (batch.lines.empty()) return {};
  return copy_rows(*connection_, kCopyLines, batch, batch.lines, buffer_);
}

Status BatchWriter::copy_rejected(const Batch& batch) {
  if (batch.rejected.empty()) return {};
  return copy_rows(*connection_, kCopyRejected, batch, batch.rejected, buffer_);
}

// After a failure the session goes on only if it can be brought back to a known state.
void BatchWriter::give_up() {
  if (connection_->transaction_status() == TransactionStatus::idle) return;
  if (connection_->transaction_status() == TransactionStatus::active ||
      !connection_->execute("rollback"))
    connection_.reset();
}

}  // namespace tillrace::warehouse
