#include "lake/delta_snapshot.h"

#include <algorithm>
#include <utility>

#include "lake/delta_paths.h"

namespace tillrace::lake {

std::optional<std::int64_t> Snapshot::txn(const std::string& app_id) const {
  auto found = txns_.find(app_id);
  return found == txns_.end() ? std::nullopt : std::optional(found->second.version);
}

Status Snapshot::apply(std::vector<Action> actions, std::int64_t version) {
  std::ranges::stable_partition(
      actions, [](const Action& action) { return !std::holds_alternative<AddFile>(action); });
  for (auto& action : actions) {
    if (auto taken = take(action); !taken) {
      return fail(taken.error(), fmt::format("version {}", version));
    }
  }
  if (!protocol_ || !metadata_) {
    return fail(Code::corrupt, "version {} of the log has no {}", version,
                protocol_ ? "metadata" : "protocol");
  }
  version_ = version;
  return {};
}

Status Snapshot::take(Action& action) {
  if (auto* protocol = std::get_if<Protocol>(&action)) {
    protocol_ = std::move(*protocol);
    return check_readable(*protocol_);
  }
  if (auto* metadata = std::get_if<Metadata>(&action)) return take_metadata(std::move(*metadata));
  if (auto* txn = std::get_if<Txn>(&action)) {
    std::string app_id = txn->app_id;
    txns_.insert_or_assign(std::move(app_id), std::move(*txn));
    return {};
  }
  if (auto* add = std::get_if<AddFile>(&action)) {
    auto path = decode_file_path(add->path);
    if (!path) return fail(path.error());
    tombstones_.erase(*path);
    files_.insert_or_assign(std::move(*path), std::move(*add));
    return {};
  }
  if (auto* remove = std::get_if<RemoveFile>(&action)) {
    auto path = decode_file_path(remove->path);
    if (!path) return fail(path.error());
    files_.erase(*path);
    tombstones_.insert_or_assign(std::move(*path), std::move(*remove));
  }
  return {};
}

Status Snapshot::take_metadata(Metadata metadata) {
  auto schema = parse_schema(metadata.schema_string);
  if (!schema) return fail(schema.error());
  schema_ = std::move(*schema);
  metadata_ = std::move(metadata);
  return {};
}

}  // namespace tillrace::lake
