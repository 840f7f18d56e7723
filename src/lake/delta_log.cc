#include "lake/delta_log.h"

#include <utility>

#include "lake/delta_paths.h"

namespace tillrace::lake {
namespace {

// Collects the parts of checkpoints, and hands out those of which all are there. Two writers may
// have cut the same checkpoint into different numbers of parts.
class CheckpointParts {
 public:
  void add(const LogFile& file, std::string path) {
    parts_[{file.version, file.parts}][file.part] = std::move(path);
  }
  std::map<std::int64_t, std::vector<std::string>> complete() {
    std::map<std::int64_t, std::vector<std::string>> out;
    for (auto& [key, paths] : parts_) {
      if (paths.size() != static_cast<std::size_t>(key.second) || out.contains(key.first)) continue;
      for (auto& [part, path] : paths) out[key.first].push_back(std::move(path));
    }
    return out;
  }

 private:
  std::map<std::pair<std::int64_t, int>, std::map<int, std::string>> parts_;
};

}  // namespace

Result<LogListing> DeltaLog::list(std::int64_t from) {
  LogListing listing;
  CheckpointParts parts;
  std::string folder = path(kLogFolder);
  auto listed =
      store_->list(folder, fmt::format("{}{:020}", folder, from), [&](const StoredFile& stored) {
        std::string name = stored.path.substr(folder.size());
        auto file = parse_log_name(name);
        if (!file)
          listing.unknown.push_back(std::move(name));
        else if (file->kind == LogFile::Kind::commit)
          listing.commits[file->version] = stored.modified;
        else
          parts.add(*file, stored.path);
        return true;
      });
  if (!listed) return fail(listed.error());
  listing.checkpoints = parts.complete();
  return listing;
}

Result<std::optional<std::int64_t>> DeltaLog::last_checkpoint() {
  auto text = store_->get(path(kLastCheckpointPath));
  if (!text && text.error().code == Code::not_found) return std::nullopt;
  if (!text) return fail(text.error());
  auto last = decoder_.decode_last_checkpoint(*text);
  return last ? std::optional(last->version) : std::nullopt;
}

Result<std::vector<Action>> DeltaLog::read_commit(std::int64_t version) {
  auto text = store_->get(path(commit_path(version)));
  if (!text) return fail(text.error());
  auto actions = decoder_.decode_commit(*text);
  if (!actions) return fail(actions.error(), path(commit_path(version)));
  return actions;
}

Status DeltaLog::write_commit(std::int64_t version, std::string_view text) {
  return store_->put_if_absent(path(commit_path(version)), text);
}

}  // namespace tillrace::lake
