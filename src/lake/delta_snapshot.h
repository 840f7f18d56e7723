// What a Delta table is at one version: the protocol's "Action Reconciliation" of the actions up to
// it.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lake/delta_actions.h"
#include "lake/delta_schema.h"

namespace tillrace::lake {

// A value; not thread-safe. About 1 KB for a file of a table with a handful of columns.
class Snapshot {
 public:
  // By the path of the file in the store, relative to the table.
  using Files = std::map<std::string, AddFile>;
  using Tombstones = std::map<std::string, RemoveFile>;

  std::int64_t version() const { return version_; }
  const Protocol& protocol() const { return *protocol_; }
  const Metadata& metadata() const { return *metadata_; }
  const Schema& schema() const { return schema_; }
  const Files& files() const { return files_; }
  // Files that are no longer in the table but may still be read at an older version.
  const Tombstones& tombstones() const { return tombstones_; }
  const std::map<std::string, Txn>& txns() const { return txns_; }
  // How far an application has come; nullopt when it never wrote here.
  std::optional<std::int64_t> txn(const std::string& app_id) const;

  // Takes in the actions of version `version`, one commit or a whole checkpoint. What it removes is
  // removed before what it adds is added, since the order within a commit means nothing. invalid
  // when the table is beyond this reader, corrupt when it lacks protocol or metadata; then nothing
  // has changed.
  Status apply(std::vector<Action> actions, std::int64_t version);
  // Drops the tombstones of files that were removed before that time.
  void forget_tombstones(std::int64_t before_ms);

 private:
  struct Checked;
  Result<Checked> check(const std::vector<Action>& actions, std::int64_t version) const;
  void take(Action& action, std::string path);

  std::int64_t version_ = -1;
  std::optional<Protocol> protocol_;
  std::optional<Metadata> metadata_;
  Schema schema_;
  Files files_;
  Tombstones tombstones_;
  std::map<std::string, Txn> txns_;
};

}  // namespace tillrace::lake
