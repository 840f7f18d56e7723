// The few file operations whose order matters when the power goes.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tillrace {

// The whole file. not_found when it is absent.
Result<std::string> read_file(const std::filesystem::path& path);
// Replaces `path` by `content` in one step: a reader, or a start after a crash, sees the old file or the new one. Durable
// when it returns (file and folder are synced). `mode` as in chmod(2).
Status write_file_atomically(const std::filesystem::path& path, std::string_view content,
                             unsigned mode = 0644);
Status sync_folder(const std::filesystem::path& folder);
Status make_folders(const std::filesystem::path& path);

// Exclusive ownership of a folder: flock(2) on its file `lock`, which holds the owner's pid. The kernel lets go of it
// when the process ends, however it ends.
class FolderLock {
 public:
  // unavailable, naming the owner's pid, when another process holds it.
  static Result<FolderLock> acquire(const std::filesystem::path& folder);
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace tillrace
