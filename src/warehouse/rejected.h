// What lies in stream.rejected: records of the log that are not in the shop, and why.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/record.h"
#include "warehouse/connection.h"

namespace tillrace::warehouse {

// Which of them; what is absent does not matter.
struct RejectedFilter {
  std::optional<std::string> topic = {};
  std::optional<Partition> partition = {};
  std::optional<Offset> offset = {};
  std::optional<std::string> kind = {};   // as name(RejectedKind) writes it
  std::optional<std::string> field = {};  // as fields() names it
  std::optional<std::string> since =
      {};  // rejected then or later; text that PostgreSQL reads, in UTC
  bool not_resent = false;
  std::optional<std::int64_t> count = {};  // the newest so many
};

// One of them, as it came. Times are PostgreSQL's text, in UTC.
struct RejectedRow {
  std::string topic;
  Partition partition;
  Offset offset;
  EventId event_id;
  std::optional<std::string> key;
  std::string value;
  std::string kind;
  std::optional<std::string> field;
  std::string reason;
  std::string received_at;
  std::string rejected_at;
  std::optional<std::string> resent_at;
  std::optional<std::string> resent_as;  // an EventId
};

// Without key and value; the newest first. `for_people`: fewer columns, and the place as one.
Result<Rows> list_rejected(Connection& connection, const RejectedFilter& filter, bool for_people);
// Counts by topic, kind and field.
Result<Rows> count_rejected(Connection& connection, const RejectedFilter& filter);
// Visits them in the log's order, in one snapshot and in bounded memory. Ends with the first
// failure of `visit`, which must not use `connection`.
Status for_each_rejected(Connection& connection, const RejectedFilter& filter,
                         const std::function<Status(RejectedRow)>& visit);

// Notes that a gateway took the record after all, under `event_id`. Durable when it returns.
// not_found when there is no such record.
Status mark_resent(Connection& connection, const RejectedRow& row, const EventId& event_id,
                   bool edited);

}  // namespace tillrace::warehouse
