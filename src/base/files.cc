#include "base/files.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tillrace {
namespace {

tl::unexpected<Error> errno_error(std::string_view doing, const std::filesystem::path& path) {
  int number = errno;
  Code code = number == ENOENT ? Code::not_found : Code::unavailable;
  return fail(code, "cannot {} {}: {}", doing, path.string(),
              std::generic_category().message(number));
}

Status write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("write", path);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return errno_error("sync", path);
  return {};
}

struct flock whole_file_lock() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// Not by a stream: those end at a read error as they do at the end of the file.
Result<std::string> read_all(int fd, const std::filesystem::path& path) {
  constexpr std::size_t kStepBytes = std::size_t{64} * 1024;
  std::string content;
  while (true) {
    std::size_t size = content.size();
    content.resize(size + kStepBytes);
    ssize_t got = ::read(fd, content.data() + size, kStepBytes);
    if (got < 0 && errno != EINTR) return errno_error("read", path);
    content.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return content;
  }
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno_error("read", path);
  Result<std::string> content = read_all(fd, path);
  ::close(fd);
  return content;
}

Status write_file_atomically(const std::filesystem::path& path, std::string_view content,
                             unsigned mode) {
  std::filesystem::path draft = path;
  draft += ".new";
  ::unlink(draft.c_str());  // what a crash left there has its own mode, and may be open elsewhere
  int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return errno_error("create", draft);
  Status written = write_all(fd, content, draft);
  ::close(fd);
  if (!written) return written;
  if (::rename(draft.c_str(), path.c_str()) != 0) return errno_error("rename", draft);
  return sync_folder(path.parent_path().empty() ? "." : path.parent_path());
}

Status sync_folder(const std::filesystem::path& folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error("open", folder);
  int synced = ::fsync(fd);
  ::close(fd);
  if (synced != 0) return errno_error("sync", folder);
  return {};
}

Result<std::uint64_t> free_bytes(const std::filesystem::path& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return errno_error("ask the disk of", path);
  return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

Status make_folders(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return fail(Code::unavailable, "cannot make folder {}: {}", path.string(), error.message());
  return {};
}

Status make_private_folder(const std::filesystem::path& path) {
  if (Status made = make_folders(path); !made) return made;
  std::error_code error;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  if (error)
    return fail(Code::unavailable, "cannot close folder {} to others: {}", path.string(),
                error.message());
  return {};
}

Result<FolderLock> FolderLock::acquire(const std::filesystem::path& folder) {
  auto path = folder / "lock";
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return errno_error("open", path);
  FolderLock lock(fd);
  struct flock whole = whole_file_lock();
  if (::fcntl(fd, F_OFD_SETLK, &whole) != 0) {
    char owner[32] = {};
    ssize_t length = ::pread(fd, owner, sizeof owner - 1, 0);
    std::string_view pid(owner, length > 0 ? static_cast<std::size_t>(length) : 0);
    return fail(Code::unavailable, "the data folder {} is in use by process {}", folder.string(),
                pid.empty() ? "unknown" : pid);
  }
  std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0)
    return errno_error("write", path);
  return lock;
}

bool FolderLock::is_held(const std::filesystem::path& folder) {
  int fd = ::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  struct flock whole = whole_file_lock();
  bool held = ::fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
  ::close(fd);
  return held;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tillrace
