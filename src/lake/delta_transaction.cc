#include "lake/delta_transaction.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "lake/delta_paths.h"
#include "lake/delta_properties.h"

namespace tillrace::lake {
namespace {

constexpr std::string_view kEngine = "Tillrace";

// By the text of the schema: a key stands there with its quotes, and in a text they are escaped.
Status check_invariants(const Snapshot& snapshot) {
  if (snapshot.metadata().schema_string.find("\"delta.invariants\"") != std::string::npos) {
    return fail(Code::invalid, "a column has invariants, which this writer does not check");
  }
  for (const auto& column : snapshot.schema().columns) {
    if (is_primitive(column.type)) continue;
    for (const char* rule : {"nullable", "containsNull", "valueContainsNull"}) {
      if (column.type.find(fmt::format("\"{}\":false", rule)) == std::string::npos) continue;
      return fail(Code::invalid,
                  "within {} nulls are forbidden ({}), which this writer does not check",
                  column.name, rule);
    }
  }
  return {};
}

Status check_writer(const Transaction& transaction, const Snapshot& snapshot) {
  if (auto writable = check_writable(snapshot.protocol()); !writable) return writable;
  auto properties = parse_properties(snapshot.metadata().configuration);
  if (!properties) return fail(properties.error());
  bool removes_data = std::ranges::any_of(transaction.remove, &RemoveFile::data_change);
  if (properties->append_only && removes_data) {
    return fail(Code::invalid, "the table is append-only (delta.appendOnly); nothing is removed");
  }
  bool adds_data = std::ranges::any_of(transaction.add, &AddFile::data_change);
  return adds_data ? check_invariants(snapshot) : Status();
}

Status check_partitions(const Transaction& transaction, const Metadata& metadata) {
  for (const auto& file : transaction.add) {
    for (const auto& column : metadata.partition_columns) {
      if (!file.partition_values.contains(column)) {
        return fail(Code::invalid, "{} has no value for the partition column {}", file.path,
                    column);
      }
    }
  }
  return {};
}

std::string show(std::optional<std::int64_t> mark) { return mark ? std::to_string(*mark) : "none"; }

// Whoever's file it is: one log may write a path in two ways.
Result<std::set<std::string>> paths_of(const std::vector<RemoveFile>& files) {
  std::set<std::string> paths;
  for (const auto& file : files) {
    auto path = decode_file_path(file.path);
    if (!path) return fail(path.error());
    paths.insert(std::move(*path));
  }
  return paths;
}

bool moves(const Transaction& transaction, const Txn& txn) {
  return std::ranges::any_of(transaction.txns,
                             [&](const TxnMove& move) { return move.app_id == txn.app_id; });
}

}  // namespace

Status check_transaction(const Transaction& transaction, const Snapshot& snapshot) {
  if (auto writer = check_writer(transaction, snapshot); !writer) return writer;
  const auto& metadata = transaction.metadata ? *transaction.metadata : snapshot.metadata();
  if (auto partitions = check_partitions(transaction, metadata); !partitions) return partitions;
  for (const auto& move : transaction.txns) {
    auto mark = snapshot.txn(move.app_id);
    if (mark == move.from) continue;
    return fail(Code::conflict, "the mark of {} is {}, not {}", move.app_id, show(mark),
                show(move.from));
  }
  auto doomed = paths_of(transaction.remove);
  if (!doomed) return fail(doomed.error());
  for (const auto& path : *doomed) {
    if (snapshot.files().contains(path)) continue;
    return fail(Code::conflict, "{} is not in the table (any more)", path);
  }
  return {};
}

Status check_conflict(const Transaction& transaction, const std::vector<Action>& winner) {
  auto doomed = paths_of(transaction.remove);
  if (!doomed) return fail(doomed.error());
  for (const auto& action : winner) {
    if (std::holds_alternative<Protocol>(action) || std::holds_alternative<Metadata>(action)) {
      return fail(Code::conflict, "another writer changed the table's {} meanwhile",
                  std::holds_alternative<Protocol>(action) ? "protocol" : "metadata");
    }
    if (const auto* txn = std::get_if<Txn>(&action); txn != nullptr && moves(transaction, *txn)) {
      return fail(Code::conflict, "another writer moved the mark of {} to {} meanwhile",
                  txn->app_id, txn->version);
    }
    if (const auto* remove = std::get_if<RemoveFile>(&action)) {
      auto path = decode_file_path(remove->path);
      bool counts = path && doomed->contains(*path);
      if (counts || (remove->data_change && transaction.reads_whole_table)) {
        return fail(Code::conflict, "another writer removed {} meanwhile", remove->path);
      }
    }
    const auto* add = std::get_if<AddFile>(&action);
    if (add != nullptr && add->data_change && transaction.reads_whole_table) {
      return fail(Code::conflict, "another writer added {} meanwhile", add->path);
    }
  }
  return {};
}

Result<bool> is_seen(const Transaction& transaction, const Snapshot& snapshot) {
  for (const auto& file : transaction.add) {
    auto path = decode_file_path(file.path);
    if (!path) return fail(path.error());
    if (snapshot.files().contains(*path) || snapshot.tombstones().contains(*path)) return true;
  }
  if (!transaction.add.empty()) return false;
  auto removed = paths_of(transaction.remove);
  if (!removed) return fail(removed.error());
  if (!removed->empty()) {
    return std::ranges::none_of(
        *removed, [&](const std::string& path) { return snapshot.files().contains(path); });
  }
  if (transaction.metadata) return *transaction.metadata == snapshot.metadata();
  return std::ranges::all_of(
      transaction.txns, [&](const TxnMove& move) { return snapshot.txn(move.app_id) == move.to; });
}

std::string commit_text(const Transaction& transaction, std::int64_t read_version,
                        std::int64_t now_ms) {
  std::string text;
  auto line = [&](const Action& action) { text += to_json(action) + '\n'; };
  CommitInfo info{.timestamp_ms = now_ms,
                  .operation = transaction.operation,
                  .operation_parameters = transaction.parameters,
                  .engine_info = std::string(kEngine),
                  .txn_id = transaction.id,
                  .read_version = {},
                  .is_blind_append = transaction.is_blind_append()};
  if (read_version >= 0) info.read_version = read_version;
  line(info);
  if (transaction.protocol) line(*transaction.protocol);
  if (transaction.metadata) line(*transaction.metadata);
  for (const auto& move : transaction.txns) line(Txn{move.app_id, move.to, now_ms});
  for (const auto& file : transaction.remove) line(file);
  for (const auto& file : transaction.add) line(file);
  return text;
}

}  // namespace tillrace::lake
