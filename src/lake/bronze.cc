#include "lake/bronze.h"

#include <chrono>
#include <utility>

namespace tillrace::lake {
namespace {

constexpr std::string_view kAppPrefix = "tillrace/bronze/";

Column wanted(const char* name, const char* type) { return {name, type, false}; }

// The columns that both tables end with.
void add_place(Schema& schema) {
  schema.columns.push_back(wanted("topic", "string"));
  schema.columns.push_back(wanted("partition", "integer"));
  schema.columns.push_back(wanted("offset", "long"));
  schema.columns.push_back(wanted("received_at", "timestamp"));
  schema.columns.push_back(wanted(kIngestDate, "date"));
}

void add_place(std::vector<DuckColumn>& columns) {
  columns.push_back({"topic", DuckType::text});
  columns.push_back({"partition", DuckType::integer});
  columns.push_back({"offset", DuckType::bigint});
  columns.push_back({"received_at", DuckType::time});
  columns.push_back({kIngestDate, DuckType::date});
}

TableSpec spec(Schema schema, std::string description) {
  return {.schema = std::move(schema),
          .partition_columns = {kIngestDate},
          .properties = {{"delta.appendOnly", "true"}},
          .name = {},
          .description = std::move(description)};
}

// One row, column after column.
class Row {
 public:
  Row(DuckChunk& chunk, std::size_t row) : chunk_(chunk), row_(row) {}

  Row& text(std::string_view value) { return chunk_.text(column_++, row_, value), *this; }
  Row& maybe(const std::optional<std::string>& value) { return value ? text(*value) : null(); }
  Row& text_or_null(std::string_view value) { return value.empty() ? null() : text(value); }
  Row& bytes(std::string_view value) { return chunk_.bytes(column_++, row_, value), *this; }
  Row& bytes_or_null(std::string_view value) { return value.empty() ? null() : bytes(value); }
  Row& integer(std::int32_t value) { return chunk_.integer(column_++, row_, value), *this; }
  Row& maybe(const std::optional<std::int32_t>& value) { return value ? integer(*value) : null(); }
  Row& price(Price value) { return chunk_.decimal(column_++, row_, value.ten_thousandths), *this; }
  Row& time(UtcMicros value) { return chunk_.time(column_++, row_, value), *this; }
  Row& null() { return chunk_.null(column_++, row_), *this; }

  void place(const LogPartition& from, const StoredRecord& stored) {
    text(from.topic).integer(from.partition.value);
    chunk_.bigint(column_++, row_, stored.offset.value);
    time(stored.record.received_at);
    chunk_.date(column_++, row_, day_of(stored.record.received_at));
  }

 private:
  DuckChunk& chunk_;
  const std::size_t row_;
  std::size_t column_ = 0;
};

std::vector<DuckColumn> columns_of_events() {
  std::vector<DuckColumn> columns = {
      {"event_id", DuckType::text},    {"invoice_no", DuckType::text},
      {"line_no", DuckType::integer},  {"stock_code", DuckType::text},
      {"description", DuckType::text}, {"quantity", DuckType::integer},
      {"invoiced_at", DuckType::time}, {"unit_price", DuckType::decimal},
      {"customer_id", DuckType::text}, {"country", DuckType::text},
      {"raw", DuckType::text}};
  add_place(columns);
  return columns;
}

std::vector<DuckColumn> columns_of_rejected() {
  std::vector<DuckColumn> columns = {{"event_id", DuckType::text}, {"key", DuckType::bytes},
                                     {"raw", DuckType::bytes},     {"kind", DuckType::text},
                                     {"field", DuckType::text},    {"reason", DuckType::text}};
  add_place(columns);
  return columns;
}

}  // namespace

TableSpec bronze_transactions() {
  Schema schema{{wanted("event_id", "string"),
                 wanted("invoice_no", "string"),
                 {"line_no", "integer"},
                 wanted("stock_code", "string"),
                 {"description", "string"},
                 wanted("quantity", "integer"),
                 wanted("invoiced_at", "timestamp"),
                 wanted("unit_price", "decimal(16,4)"),
                 {"customer_id", "string"},
                 wanted("country", "string"),
                 wanted("raw", "string")}};
  add_place(schema);
  return spec(std::move(schema), "Every event that was accepted, as it came");
}

TableSpec bronze_rejected() {
  Schema schema{{wanted("event_id", "string"),
                 {"key", "binary"},
                 wanted("raw", "binary"),
                 wanted("kind", "string"),
                 {"field", "string"},
                 wanted("reason", "string")}};
  add_place(schema);
  return spec(std::move(schema), "Every record of the log that is no valid event, and why");
}

std::string bronze_app_id(const LogPartition& from) {
  return fmt::format("{}{}/{}/{}", kAppPrefix, from.topic, from.partition.value, from.log_id);
}

Result<std::optional<Offset>> bronze_mark(const Snapshot& snapshot, const LogPartition& from) {
  std::string own = bronze_app_id(from);
  std::string any = own.substr(0, own.size() - from.log_id.size());
  for (auto txn = snapshot.txns().lower_bound(any);
       txn != snapshot.txns().end() && txn->first.starts_with(any); ++txn)
    if (txn->first != own)
      return fail(Code::corrupt,
                  "the lake has {}/{} up to offset {} of another log, {}, and this one is {}; give "
                  "this log a lake of its own (lake.root), or bring the old log back",
                  from.topic, from.partition.value, txn->second.version,
                  txn->first.substr(any.size()), from.log_id);
  auto mark = snapshot.txn(own);
  return mark ? std::optional(Offset{*mark}) : std::nullopt;
}

std::int32_t day_of(UtcMicros time) {
  using std::chrono::days;
  auto micros = std::chrono::microseconds(time.value);
  return static_cast<std::int32_t>(std::chrono::floor<days>(micros).count());
}

std::string day_text(std::int32_t day) {
  std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

const std::vector<DuckColumn>& BronzeEvent::columns() {
  static const auto kColumns = columns_of_events();
  return kColumns;
}

void BronzeEvent::put(DuckChunk& chunk, std::size_t row, const LogPartition& from) const {
  Row out(chunk, row);
  out.text(to_string(id)).text(event.invoice_no).maybe(event.line_no).text(event.stock_code);
  out.maybe(event.description).integer(event.quantity).time(event.invoiced_at);
  out.price(event.unit_price).maybe(event.customer_id).text(event.country);
  out.text(stored.record.value).place(from, stored);
}

const std::vector<DuckColumn>& BronzeRejected::columns() {
  static const auto kColumns = columns_of_rejected();
  return kColumns;
}

void BronzeRejected::put(DuckChunk& chunk, std::size_t row, const LogPartition& from) const {
  const Record& record = stored.record;
  Row out(chunk, row);
  out.text(to_string(record.event_id)).bytes_or_null(record.key).bytes(record.value).text(kind);
  out.text_or_null(field).text(reason).place(from, stored);
}

}  // namespace tillrace::lake
