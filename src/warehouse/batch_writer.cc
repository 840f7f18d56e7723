#include "warehouse/batch_writer.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <unordered_set>

#include "base/logging.h"
#include "warehouse/copy_format.h"

namespace tillrace::warehouse {
namespace {

constexpr int kAnswerTimeoutMs = 120'000;  // a server that hangs is one that is away
// Of a process that was stopped in the middle of a batch, or a machine that is gone, the server
// keeps nothing for longer. They hold no locks that others wait for: stream.apply_batch takes them,
// and commits without asking back.
constexpr const char* kPausedTimeoutMs = "30000";
constexpr std::size_t kCopyChunkBytes = 256 * 1024;
constexpr const char* kCopyLines = "copy pg_temp.incoming from stdin (format binary)";
constexpr const char* kCopyRejected =
    "copy pg_temp.incoming_rejected (topic, partition, \"offset\", event_id, received_at, key, "
    "value, kind, field, reason) from stdin (format binary)";

// What two writers can only break together: one invoice or event that comes in two partitions at
// the same moment, where neither sees the other's rows when it looks for them. Read again the batch
// finds them, so it is a conflict and no line's fault.
constexpr std::string_view kBrokenByTwo[] = {"shop.invoice_pkey", "shop.invoice_line_pkey",
                                             "shop.invoice_line_invoice_no_part_fkey"};

ConnectionOptions session_options() {
  ConnectionOptions options;
  options.application_name = "tillrace processor";
  options.answer_timeout_ms = kAnswerTimeoutMs;
  options.settings = {{"synchronous_commit", "off"},
                      {"work_mem", "64MB"},
                      {"temp_buffers", "16MB"},
                      {"jit", "off"},
                      {"idle_in_transaction_session_timeout", kPausedTimeoutMs},
                      {"tcp_keepalives_idle", "30"},
                      {"tcp_keepalives_interval", "10"},
                      {"tcp_keepalives_count", "3"}};
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
  out.row(10);
  out.text(batch.topic);
  out.int4(batch.partition.value);
  out.int8(record.offset.value);
  out.uuid(record.event_id);
  // Whatever a log says: a record that is refused for its time would hold up all behind it.
  out.timestamptz(std::clamp(record.received_at, UtcMicros{}, kLatestTime));
  record.key.empty() ? out.null() : out.text(record.key);
  out.text(record.value);
  out.text(name(record.kind));
  record.field.empty() ? out.null() : out.text(record.field);
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

// An array of texts as PostgreSQL reads it.
class ArrayText {
 public:
  void add(std::optional<std::string_view> element) {
    text_ += text_.size() > 1 ? "," : "";
    if (!element) {
      text_ += "null";
      return;
    }
    text_ += '"';
    for (char byte : *element) {
      if (byte == '"' || byte == '\\') text_ += '\\';
      text_ += byte;
    }
    text_ += '"';
  }
  std::string take() { return std::move(text_) + "}"; }

 private:
  std::string text_ = "{";
};

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

std::string_view name(RejectedKind kind) {
  switch (kind) {
    case RejectedKind::not_json: return "not_json";
    case RejectedKind::too_large: return "too_large";
    case RejectedKind::field: return "field";
    case RejectedKind::refused: return "refused";
  }
  return "unknown";
}

BatchWriter::BatchWriter(std::string url) : url_(std::move(url)) {}

void BatchWriter::set_url(std::string url) {
  if (url == url_) return;
  url_ = std::move(url);
  connection_.reset();
}

Status BatchWriter::ensure_session() {
  if (connection_ && connection_->alive()) return {};
  connection_.reset();
  known_names_.forget();  // a server that crashed may have lost the last ones
  auto opened = Connection::open(url_, session_options());
  if (!opened) return fail(opened.error());
  if (Status prepared = opened->execute("call stream.prepare_session()"); !prepared)
    return prepared;
  connection_ = std::move(*opened);
  return {};
}

Result<std::optional<Offset>> BatchWriter::mark(const std::string& topic, Partition partition,
                                                const std::string& log_id) {
  if (Status ready = ensure_session(); !ready) return fail(ready.error());
  auto rows = connection_->query(
      "select next_offset, log_id from stream.checkpoint where topic = $1 and partition = $2",
      Params{topic, std::to_string(partition.value)});
  if (!rows) return fail(rows.error());
  if (rows->row_count() == 0) return std::nullopt;
  std::string_view known_log = rows->cell(0, 1).value_or("");
  if (known_log != log_id)
    return fail(Code::corrupt,
                "the warehouse has read {}/{} of log {}, and this is log {}; start with the data "
                "folder of that log, or "
                "with an empty warehouse",
                topic, partition.value, known_log, log_id);
  return Offset{number(*rows, "next_offset")};
}

// A statement of its own, and not the first batch's: were the mark lost with a crash of the server,
// a batch that went on behind it would hide what was lost too.
Status BatchWriter::begin_at(const std::string& topic, Partition partition,
                             const std::string& log_id, Offset first) {
  if (Status ready = ensure_session(); !ready) return ready;
  auto set = connection_->query(
      "insert into stream.checkpoint (topic, partition, log_id, next_offset) "
      "values ($1, $2, $3, $4) on conflict do nothing",
      Params{topic, std::to_string(partition.value), log_id, std::to_string(first.value)});
  return set ? Status() : fail(set.error());
}

Result<BatchCounts> BatchWriter::apply(const Batch& batch) {
  refusal_.reset();
  if (Status ready = ensure_session(); !ready) return fail(ready.error());
  Status added = add_names(batch);
  auto counts = added ? apply_in_transaction(batch) : Result<BatchCounts>(fail(added.error()));
  if (!counts) give_up();
  return counts;
}

// What PostgreSQL refuses here it will refuse in the batch, where it can be told whose fault it is.
Status BatchWriter::add_names(const Batch& batch) {
  Names names = known_names_.missing_in(batch.lines);
  if (names.empty()) return {};
  ArrayText countries, customers, codes, descriptions;
  for (std::string_view country : names.countries) countries.add(country);
  for (std::string_view customer : names.customers) customers.add(customer);
  for (const auto& [code, description] : names.products) {
    codes.add(code);
    descriptions.add(description);
  }
  auto added = connection_->query(
      "call stream.add_names($1, $2, $3, $4)",
      Params{countries.take(), customers.take(), codes.take(), descriptions.take()});
  if (!added && added.error().code != Code::invalid) return fail(added.error());
  if (added) known_names_.add(names);
  return {};
}

Result<BatchCounts> BatchWriter::apply_in_transaction(const Batch& batch) {
  if (Status begun = connection_->execute("begin"); !begun) return fail(begun.error());
  if (Status copied = copy_lines(batch); !copied) {
    note_refusal();
    return fail(copied.error());
  }
  if (Status copied = copy_rejected(batch); !copied) return fail(copied.error());
  // From here to the commit the server needs nothing of this process: whatever becomes of it, other
  // processes do not wait for locks that it holds.
  auto rows = connection_->query_and_commit(
      "select inserted, replaced, repeated "
      "from stream.apply_batch($1, $2, $3, $4, $5, $6, $7)",
      Params{batch.topic, std::to_string(batch.partition.value), batch.log_id,
             std::to_string(batch.from.value), std::to_string(batch.to.value),
             has_versions(batch.lines) ? "true" : "false", std::to_string(batch.rejected.size())});
  if (!rows && has_met_another()) return fail(Code::conflict, "{}", rows.error().message);
  if (!rows) {
    note_refusal();
    return fail(rows.error());
  }
  return BatchCounts{number(*rows, "inserted"), number(*rows, "replaced"),
                     number(*rows, "repeated"), static_cast<std::int64_t>(batch.rejected.size())};
}

Status BatchWriter::copy_lines(const Batch& batch) {
  if (batch.lines.empty()) return {};
  return copy_rows(*connection_, kCopyLines, batch, batch.lines, buffer_);
}

Status BatchWriter::copy_rejected(const Batch& batch) {
  if (batch.rejected.empty()) return {};
  if (Status ready = connection_->execute("call stream.prepare_rejected()"); !ready) return ready;
  return copy_rows(*connection_, kCopyRejected, batch, batch.rejected, buffer_);
}

bool BatchWriter::has_met_another() const {
  return std::find(std::begin(kBrokenByTwo), std::end(kBrokenByTwo),
                   connection_->last_constraint()) != std::end(kBrokenByTwo);
}

// Data exceptions and broken constraints; what else fails is never a record's fault.
void BatchWriter::note_refusal() {
  std::string_view sqlstate = connection_->last_sqlstate();
  if (sqlstate.starts_with("22") || sqlstate.starts_with("23"))
    refusal_ = fmt::format("PostgreSQL {}: {}", sqlstate, connection_->last_words());
}

// After a failure the session goes on only if it can be brought back to a known state.
void BatchWriter::give_up() {
  if (connection_->transaction_status() == TransactionStatus::idle) return;
  if (connection_->transaction_status() == TransactionStatus::active ||
      !connection_->execute("rollback"))
    connection_.reset();
}

}  // namespace tillrace::warehouse
