// The lake in a folder of this machine, or of a file system that it has mounted.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/mutex.h"
#include "base/random.h"
#include "lake/store.h"

namespace tillrace::lake {

// A file is written into the folder .tillrace-tmp of the root, synced, and then given its name:
// by link(2), which fails when there is one, or by rename(2). Then its folder is synced. So a kill
// or a power cut leaves the old state or the new one, and at worst a file in .tillrace-tmp, which
// open() takes away when it has not been written to for kLeftoverAge. All below the root must be
// one file system, and one that has hard links.
//
// Symbolic links to folders and files below the root are followed by all but list(), which passes
// them over, as it does names that break the rules of store.h. .tillrace-tmp is no part of the
// store.
class FolderStore final : public Store {
 public:
  // Makes the folder, and those above it, if they are absent. unavailable: it cannot be made, or
  // not be looked into. `clock` and `random` outlive the store.
  static Result<std::unique_ptr<FolderStore>> open(const std::filesystem::path& root, Clock& clock,
                                                   Random& random);
  static constexpr std::chrono::hours kLeftoverAge{1};

  Status put_if_absent(std::string_view path, std::string_view bytes) override;
  Status put(std::string_view path, std::string_view bytes) override;
  Status put_file(std::string_view path, const std::filesystem::path& local) override;
  Result<std::string> get(std::string_view path) override;
  Result<std::string> get_range(std::string_view path, std::uint64_t offset,
                                std::uint64_t length) override;
  Status list(std::string_view prefix, std::string_view start_after, const Visit& visit) override;
  using Store::list;
  Status remove(std::string_view path) override;
  Result<StoredFile> head(std::string_view path) override;
  std::optional<std::filesystem::path> local_path(std::string_view path) const override;

  FolderStore(std::filesystem::path root, Random& random);  // for open()

 private:
  class Draft;
  struct Walk;
  struct Target;
  struct Opened;

  Result<Target> target(std::string_view operation, std::string_view path) const;
  Result<Draft> draft(const Target& target, std::string_view bytes);
  Status remove_leftovers(Clock& clock);
  Result<StoredFile> look_at(std::string_view operation, std::string_view path) const;
  Result<Opened> open_file(std::string_view operation, std::string_view path) const;
  Status root_is_there(std::string_view operation) const;
  Status make_parents(const Target& target) EXCLUDES(mutex_);
  Status make_parent(const Target& target, std::string_view folder) EXCLUDES(mutex_);
  void forget_folders() EXCLUDES(mutex_);
  static int link_errno(const Draft& draft, const Target& target);
  static int rename_errno(Draft& draft, const Target& target);
  // Gives the draft its name, for good.
  Status publish(const Target& target, Draft draft, bool only_if_absent);
  Status walk(Walk& walk, const std::string& folder) const;

  const std::filesystem::path root_;
  Random& random_;
  Mutex mutex_;
  // Folders whose own entries are known to be on the disk.
  std::unordered_set<std::string> synced_folders_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::lake
