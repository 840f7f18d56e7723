#include "lake/delta_snapshot.h"

#include <algorithm>
#include <utility>

#include "lake/delta_paths.h"

namespace tillrace::lake {

std::optional<std::int64_t> Snapshot::txn(const std::string& app_id) const {
  auto found = txns_.find(app_id);
  return found == txns_.end() ? std::nullopt : std::optional(found->second.version);
}

// What is known of a version's actions before any of them is taken in.
struct Snapshot::Checked {
  std::vector<std::string> paths;  // of the files, by the order of the actions; else empty
  std::optional<Schema> schema;
};

Status Snapshot::apply(std::vector<Action> actions, std::int64_t version) {
  std::ranges::stable_partition(
      actions, [](const Action& action) { return !std::holds_alternative<AddFile>(action); });
  auto checked = check(actions, version);
  if (!checked) return fail(checked.error());
  for (std::size_t i = 0; i < actions.size(); ++i) take(actions[i], std::move(checked->paths[i]));
  if (checked->schema) schema_ = std::move(*checked->schema);
  version_ = version;
  return {};
}

Result<Snapshot::Checked> Snapshot::check(const std::vector<Action>& actions,
                                          std::int64_t version) const {
  Checked checked;
  checked.paths.resize(actions.size());
  bool has_protocol = protocol_.has_value();
  for (std::size_t i = 0; i < actions.size(); ++i) {
    Status good;
    Result<std::string> path = std::string();
    if (const auto* protocol = std::get_if<Protocol>(&actions[i])) {
      has_protocol = true;
      good = check_readable(*protocol);
    } else if (const auto* metadata = std::get_if<Metadata>(&actions[i])) {
      auto schema = parse_schema(metadata->schema_string);
      if (schema) checked.schema = std::move(*schema);
      if (!schema) good = fail(schema.error());
    } else if (const auto* add = std::get_if<AddFile>(&actions[i])) {
      path = decode_file_path(add->path);
    } else if (const auto* remove = std::get_if<RemoveFile>(&actions[i])) {
      path = decode_file_path(remove->path);
    }
    if (good && !path) good = fail(path.error());
    if (!good) return fail(good.error(), fmt::format("version {}", version));
    checked.paths[i] = std::move(*path);
  }
  if (!has_protocol || (!metadata_ && !checked.schema)) {
    return fail(Code::corrupt, "version {} of the log has no {}", version,
                has_protocol ? "metadata" : "protocol");
  }
  return checked;
}

void Snapshot::take(Action& action, std::string path) {
  if (auto* protocol = std::get_if<Protocol>(&action)) {
    protocol_ = std::move(*protocol);
  } else if (auto* metadata = std::get_if<Metadata>(&action)) {
    metadata_ = std::move(*metadata);
  } else if (auto* txn = std::get_if<Txn>(&action)) {
    std::string app_id = txn->app_id;
    txns_.insert_or_assign(std::move(app_id), std::move(*txn));
  } else if (auto* add = std::get_if<AddFile>(&action)) {
    tombstones_.erase(path);
    files_.insert_or_assign(std::move(path), std::move(*add));
  } else if (auto* remove = std::get_if<RemoveFile>(&action)) {
    files_.erase(path);
    tombstones_.insert_or_assign(std::move(path), std::move(*remove));
  }
}

void Snapshot::forget_tombstones(std::int64_t before_ms) {
  std::erase_if(tombstones_, [before_ms](const auto& tombstone) {
    return tombstone.second.deletion_timestamp_ms < before_ms;
  });
}

}  // namespace tillrace::lake
