#include "warehouse/rejected.h"

#include <charconv>

namespace tillrace::warehouse {
namespace {

constexpr const char* kSelected = "stream.rejected_records($1, $2, $3, $4, $5, $6, $7, $8)";
constexpr int kFetched = 20;  // values may be of megabytes

template <class Number>
std::optional<std::string> text_of(const std::optional<Number>& number) {
  return number ? std::optional(std::to_string(number->value)) : std::nullopt;
}

Params params_of(const RejectedFilter& filter) {
  return {filter.topic,
          text_of(filter.partition),
          text_of(filter.offset),
          filter.kind,
          filter.field,
          filter.since,
          filter.not_resent ? "true" : "false",
          filter.count ? std::optional(std::to_string(*filter.count)) : std::nullopt};
}

int nibble(char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; }

// bytea as PostgreSQL writes it: \x and lower-case digits.
std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t at = 2; at + 1 < hex.size(); at += 2)
    bytes += static_cast<char>(nibble(hex[at]) << 4 | nibble(hex[at + 1]));
  return bytes;
}

template <class Integer>
Integer integer_of(std::string_view text) {
  Integer value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class RowReader {
 public:
  RowReader(const Rows& rows, int row) : rows_(rows), row_(row) {}

  std::string_view text(std::string_view column) const { return cell(column).value_or(""); }
  std::optional<std::string> text_or_null(std::string_view column) const {
    auto found = cell(column);
    return found ? std::optional<std::string>(*found) : std::nullopt;
  }

 private:
  std::optional<std::string_view> cell(std::string_view column) const {
    return rows_.cell(row_, rows_.column(column));
  }
  const Rows& rows_;
  int row_;
};

Result<RejectedRow> row_of(const RowReader& in) {
  RejectedRow row;
  row.topic = in.text("topic");
  row.partition = {integer_of<std::int32_t>(in.text("partition"))};
  row.offset = {integer_of<std::int64_t>(in.text("offset"))};
  auto id = parse_event_id(in.text("event_id"));
  if (!id) return fail(id.error());
  row.event_id = *id;
  if (auto key = in.text_or_null("key")) row.key = bytes_of(*key);
  row.value = bytes_of(in.text("value"));
  row.kind = in.text("kind");
  row.field = in.text_or_null("field");
  row.reason = in.text("reason");
  row.received_at = in.text("received_at");
  row.rejected_at = in.text("rejected_at");
  row.resent_at = in.text_or_null("resent_at");
  row.resent_as = in.text_or_null("resent_as");
  return row;
}

Status visit_all(Connection& connection, const std::function<Status(RejectedRow)>& visit) {
  while (true) {
    auto rows = connection.query(fmt::format("fetch {} from rejected", kFetched));
    if (!rows) return fail(rows.error());
    for (int i = 0; i < rows->row_count(); ++i) {
      auto row = row_of(RowReader(*rows, i));
      if (!row) return fail(row.error());
      if (Status visited = visit(std::move(*row)); !visited) return visited;
    }
    if (rows->row_count() == 0) return {};
  }
}

}  // namespace

Result<Rows> list_rejected(Connection& connection, const RejectedFilter& filter, bool for_people) {
  const char* columns =
      for_people
          ? R"(topic, partition || ':' || "offset" as record, rejected_at, kind, field, reason,
               length(value) as bytes, resent_at)"
          : R"(topic, partition, "offset", received_at, rejected_at, kind, field, reason,
               length(value) as bytes, event_id, resent_at, resent_as, resent_edited,
               resent_times)";
  return connection.query(fmt::format("select {} from {}", columns, kSelected), params_of(filter));
}

Result<Rows> count_rejected(Connection& connection, const RejectedFilter& filter) {
  return connection.query(
      fmt::format("select topic, kind, field, count(*) as records, "
                  "count(*) filter (where resent_at is null) as not_resent, "
                  "min(rejected_at) as first_rejected, max(rejected_at) as last_rejected "
                  "from {} group by topic, kind, field order by records desc, topic, kind, field",
                  kSelected),
      params_of(filter));
}

Status for_each_rejected(Connection& connection, const RejectedFilter& filter,
                         const std::function<Status(RejectedRow)>& visit) {
  if (Status begun = connection.execute("begin read only"); !begun) return begun;
  auto declared =
      connection.query(fmt::format("declare rejected no scroll cursor for select * from {} "
                                   "order by topic, partition, \"offset\"",
                                   kSelected),
                       params_of(filter));
  Status done = declared ? visit_all(connection, visit) : Status(fail(declared.error()));
  Status ended = connection.execute("rollback");
  return done ? ended : done;
}

Status mark_resent(Connection& connection, const RejectedRow& row, const EventId& event_id,
                   bool edited) {
  auto marked = connection.query(
      "select stream.mark_resent($1, $2, $3, $4, $5)",
      Params{row.topic, std::to_string(row.partition.value), std::to_string(row.offset.value),
             to_string(event_id), edited ? "true" : "false"});
  if (!marked) return fail(marked.error());
  if (marked->cell(0, 0) == "t") return {};
  return fail(Code::not_found, "{}/{}:{} is no longer in stream.rejected", row.topic,
              row.partition.value, row.offset.value);
}

}  // namespace tillrace::warehouse
