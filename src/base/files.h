// The few file operations whose order matters when the power goes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace tillrace {

// The whole file. not_found when it is absent.
Result<std::string> read_file(const std::filesystem::path& path);
// Replaces `path` by `content` in one step: a reader, or a start after a crash, sees the old file
// or the new one. Durable when it returns (file and folder are synced). `mode` as in chmod(2).
Status write_file_atomically(const std::filesystem::path& path, std::string_view content,
                             unsigned mode = 0644);
Status sync_folder(const std::filesystem::path& folder);
// What an ordinary user may still write to the disk that holds `path`. unavailable when it cannot
// be told.
Result<std::uint64_t> free_bytes(const std::filesystem::path& path);
Status make_folders(const std::filesystem::path& path);
// A folder that only its owner may enter, whether it was there before or not.
Status make_private_folder(const std::filesystem::path& path);

// Exclusive ownership of a folder: a lock on its file `lock`, which holds the owner's pid. The
// kernel lets go of it when the process ends, however it ends. By open file description
// (F_OFD_SETLK of fcntl(2)), because that kind can be asked about without being taken, even for a
// moment: whoever only looks must not keep an owner from starting.
class FolderLock {
 public:
  // unavailable, naming the owner's pid, when another process holds it.
  static Result<FolderLock> acquire(const std::filesystem::path& folder);
  // Whether anybody holds it; changes nothing. False where there is no such folder.
  static bool is_held(const std::filesystem::path& folder);
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace tillrace
