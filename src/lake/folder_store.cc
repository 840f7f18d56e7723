#include "lake/folder_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "lake/store_path.h"

namespace tillrace::lake {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDraftFolder = ".tillrace-tmp";
constexpr std::size_t kMostSyncedFolders = 100'000;  // remembered; beyond, they are synced anew
constexpr std::size_t kCopyBytes = std::size_t{1024} * 1024;
constexpr int kPublishTries = 3;  // a folder that others remove meanwhile is made again

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

Code code_of(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Code::exhausted;
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG: return Code::invalid;
    default: return Code::unavailable;
  }
}

std::string hint_of(int number) {
  switch (number) {
    case ENOTDIR: return " (a part of the path before its last is a file)";
    case EISDIR: return " (it names a folder)";
    case EXDEV: return " (all below the lake's root must be one file system)";
    case EMLINK:
    case EOPNOTSUPP:
    case EPERM: return " (the lake needs a file system with hard links, and the right to write)";
    default: return {};
  }
}

tl::unexpected<Error> errno_error(std::string_view doing, const fs::path& path,
                                  int number = errno) {
  return fail(code_of(number), "{} {}: {}{}", doing, path.string(),
              std::generic_category().message(number), hint_of(number));
}

Status write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("cannot write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// The folder, or the deepest above it that is there.
fs::path deepest_there(fs::path folder) {
  std::error_code ignored;
  while (!fs::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

// Makes a folder and all above it, for good.
Status make_folders_for_good(const fs::path& folder) {
  fs::path there = deepest_there(folder);
  if (Status made = make_folders(folder); !made) return made;
  for (fs::path made = folder;; made = made.parent_path()) {
    if (Status synced = sync_folder(made); !synced) return synced;
    if (made == there || !made.has_relative_path()) return {};
  }
}

// Up to `length` bytes; fewer only at the end of the file.
Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t length,
                            const fs::path& path) {
  std::string bytes(length, '\0');
  std::size_t size = 0;
  while (size < length) {
    ssize_t got =
        ::pread(fd, bytes.data() + size, length - size, static_cast<off_t>(offset + size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read", path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

UtcMicros modified_of(const struct stat& status) {
  return {static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000 +
          status.st_mtim.tv_nsec / 1000};
}

StoredFile described(std::string path, const struct stat& status) {
  return {std::move(path), static_cast<std::uint64_t>(status.st_size), modified_of(status)};
}

struct Entry {
  std::string name;
  struct stat status;
};

// The files and folders of a folder that a store may hold, by name; nothing where there is none.
// Those whose name is not `wanted` are not looked at: a log's folder has many, of which few count.
Result<std::vector<Entry>> entries_of(const fs::path& folder,
                                      const std::function<bool(std::string_view)>& wanted) {
  std::vector<Entry> entries;
  DIR* opened = ::opendir(folder.c_str());
  if (!opened && (errno == ENOENT || errno == ENOTDIR)) return entries;
  if (!opened) return errno_error("cannot list", folder);
  std::unique_ptr<DIR, int (*)(DIR*)> stream(opened, &::closedir);
  while (true) {
    errno = 0;
    // Each stream has one reader.
    const dirent* found = ::readdir(stream.get());  // NOLINT(concurrency-mt-unsafe)
    if (!found && errno != 0) return errno_error("cannot list", folder);
    if (!found) break;
    if (!wanted(found->d_name) || !check_path(found->d_name)) continue;
    Entry entry{found->d_name, {}};
    bool there =
        ::fstatat(::dirfd(opened), entry.name.c_str(), &entry.status, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && (S_ISREG(entry.status.st_mode) || S_ISDIR(entry.status.st_mode)))
      entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

std::string random_name(Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  std::string text;
  for (std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

// A file that has no name in the store yet, and goes away unless it gets one.
class FolderStore::Draft {
 public:
  Draft(int fd, fs::path path) : fd_(fd), path_(std::move(path)) {}
  Draft(Draft&& other) noexcept
      : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, fs::path())) {}
  Draft& operator=(Draft&&) = delete;
  ~Draft() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  const fs::path& path() const { return path_; }
  void renamed() { path_.clear(); }
  // It has a second name: link(2) worked, whatever it answered (NFS loses answers; see open(2)).
  bool is_linked() const {
    struct stat status {};
    return ::fstat(fd_.get(), &status) == 0 && status.st_nlink > 1;
  }
  Status append(std::string_view bytes) { return write_all(fd_.get(), bytes, path_); }
  Status sync() {
    if (::fsync(fd_.get()) != 0) return errno_error("cannot sync", path_);
    return {};
  }

 private:
  Fd fd_;
  fs::path path_;
};

struct FolderStore::Target {
  std::string_view operation;
  std::string_view path;  // in the store
  fs::path file;          // on the disk

  std::string doing() const { return fmt::format("{} {}", operation, path); }
};

struct FolderStore::Opened {
  Fd fd;
  std::uint64_t bytes;
};

struct FolderStore::Walk {
  std::string_view prefix;
  std::string_view start_after;
  const Visit& visit;
  bool ended = false;

  // Whether a folder ("a/b/") can hold a path that is wanted.
  bool enters(std::string_view folder) const {
    bool on_the_way = prefix.starts_with(folder) || folder.starts_with(prefix);
    return on_the_way && start_after.substr(0, folder.size()) <= folder;
  }
  bool wants(std::string_view path) const { return path.starts_with(prefix) && path > start_after; }
};

FolderStore::FolderStore(fs::path root, Random& random) : root_(std::move(root)), random_(random) {}

Result<std::unique_ptr<FolderStore>> FolderStore::open(const fs::path& root, Clock& clock,
                                                       Random& random) {
  std::error_code error;
  fs::path absolute = fs::absolute(root, error).lexically_normal();
  if (root.empty() || error)
    return fail(Code::invalid, "'{}' is no folder for a lake", root.string());
  auto store = std::make_unique<FolderStore>(std::move(absolute), random);
  Status made = make_folders_for_good(store->root_);
  if (made) made = make_folders(store->root_ / kDraftFolder);
  if (made) made = sync_folder(store->root_);
  if (made && store->root_.has_parent_path()) made = sync_folder(store->root_.parent_path());
  if (made) made = store->remove_leftovers(clock);
  if (!made) return fail(made.error(), "the lake's root");
  return store;
}

Status FolderStore::remove_leftovers(Clock& clock) {
  auto entries = entries_of(root_ / kDraftFolder, [](std::string_view) { return true; });
  if (!entries) return fail(entries.error());
  UtcMicros now = clock.now();
  for (const Entry& entry : *entries) {
    std::chrono::microseconds age(now.value - modified_of(entry.status).value);
    if (age > kLeftoverAge) ::unlink((root_ / kDraftFolder / entry.name).c_str());
  }
  return {};
}

Result<FolderStore::Target> FolderStore::target(std::string_view operation,
                                                std::string_view path) const {
  Status valid = check_path(path);
  if (!valid) return fail(valid.error(), operation);
  if (path.substr(0, path.find('/')) == kDraftFolder)
    return fail(Code::invalid, "{} {}: {} belongs to the store itself", operation, path,
                kDraftFolder);
  return Target{operation, path, root_ / path};
}

// Tells a store without files from one that is not there, such as a disk that is not mounted.
Status FolderStore::root_is_there(std::string_view operation) const {
  std::error_code error;
  if (fs::is_directory(root_ / kDraftFolder, error)) return {};
  return fail(Code::unavailable, "{}: the lake's root {} is not there, or was made anew", operation,
              root_.string());
}

Status FolderStore::make_parents(const Target& target) {
  for (std::size_t at = target.path.find('/'); at != std::string_view::npos;
       at = target.path.find('/', at + 1)) {
    Status made = make_parent(target, target.path.substr(0, at));
    if (!made) return made;
  }
  return {};
}

// Another process may have made a folder and not synced it yet: what is not known to be on the
// disk is synced here too.
Status FolderStore::make_parent(const Target& target, std::string_view folder) {
  {
    MutexLock lock(mutex_);
    if (synced_folders_.contains(std::string(folder))) return {};
  }
  fs::path made = root_ / folder;
  if (::mkdir(made.c_str(), 0755) != 0 && errno != EEXIST)
    return fail(errno_error("cannot make the folder", made).value(), target.doing());
  Status synced = sync_folder(made.parent_path());
  if (!synced) return fail(synced.error(), target.doing());
  MutexLock lock(mutex_);
  if (synced_folders_.size() >= kMostSyncedFolders) synced_folders_.clear();
  synced_folders_.insert(std::string(folder));
  return {};
}

void FolderStore::forget_folders() {
  MutexLock lock(mutex_);
  synced_folders_.clear();
}

Result<FolderStore::Draft> FolderStore::draft(const Target& target, std::string_view bytes) {
  if (Status there = root_is_there(target.doing()); !there) return fail(there.error());
  fs::path path = root_ / kDraftFolder / random_name(random_);
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return fail(errno_error("cannot create", path).value(), target.doing());
  Draft made(fd, std::move(path));
  Status written = made.append(bytes);
  if (!written) return fail(written.error(), target.doing());
  return made;
}

// 0, or why not; EEXIST only when a file is there, not a folder.
int FolderStore::link_errno(const Draft& draft, const Target& target) {
  if (::link(draft.path().c_str(), target.file.c_str()) == 0) return 0;
  int number = errno;
  if (draft.is_linked()) return 0;
  std::error_code ignored;
  return number == EEXIST && fs::is_directory(target.file, ignored) ? EISDIR : number;
}

int FolderStore::rename_errno(Draft& draft, const Target& target) {
  if (::rename(draft.path().c_str(), target.file.c_str()) != 0) return errno;
  draft.renamed();
  return 0;
}

Status FolderStore::publish(const Target& target, Draft draft, bool only_if_absent) {
  if (Status synced = draft.sync(); !synced) return fail(synced.error(), target.doing());
  int number = ENOENT;
  for (int tries = 0; number == ENOENT && tries < kPublishTries; ++tries) {
    if (tries > 0) forget_folders();
    Status parents = make_parents(target);
    if (!parents) return parents;
    number = only_if_absent ? link_errno(draft, target) : rename_errno(draft, target);
  }
  if (number != 0 && number != EEXIST)
    return fail(errno_error("cannot name the new file", target.file, number).value(),
                target.doing());
  // Whoever put the file there may have died before, or have failed to: what is told stays.
  Status synced = sync_folder(target.file.parent_path());
  if (!synced) return fail(Code::unavailable, "{}: {}", target.doing(), synced.error().message);
  if (number == EEXIST)
    return fail(Code::conflict, "{}: the file is there already", target.doing());
  return {};
}

Status FolderStore::put_if_absent(std::string_view path, std::string_view bytes) {
  auto to = target("put_if_absent", path);
  if (!to) return fail(to.error());
  auto made = draft(*to, bytes);
  if (!made) return fail(made.error());
  return publish(*to, std::move(*made), true);
}

Status FolderStore::put(std::string_view path, std::string_view bytes) {
  auto to = target("put", path);
  if (!to) return fail(to.error());
  auto made = draft(*to, bytes);
  if (!made) return fail(made.error());
  return publish(*to, std::move(*made), false);
}

Status FolderStore::put_file(std::string_view path, const fs::path& local) {
  auto to = target("put_file", path);
  if (!to) return fail(to.error());
  Fd from(::open(local.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from.is_open())
    return fail(errno == ENOENT ? Code::not_found : Code::unavailable, "{}: cannot read {}: {}",
                to->doing(), local.string(), std::generic_category().message(errno));
  auto made = draft(*to, {});
  if (!made) return fail(made.error());
  for (std::uint64_t offset = 0;; offset += kCopyBytes) {
    auto piece = read_at(from.get(), offset, kCopyBytes, local);
    if (!piece) return fail(piece.error(), to->doing());
    Status written = made->append(*piece);
    if (!written) return fail(written.error(), to->doing());
    if (piece->size() < kCopyBytes) break;
  }
  return publish(*to, std::move(*made), false);
}

Result<StoredFile> FolderStore::look_at(std::string_view operation, std::string_view path) const {
  auto from = target(operation, path);
  if (!from) return fail(from.error());
  struct stat status {};
  if (::stat(from->file.c_str(), &status) != 0 && errno != ENOENT && errno != ENOTDIR)
    return fail(errno_error("cannot look at", from->file).value(), from->doing());
  if (S_ISREG(status.st_mode)) return described(std::string(path), status);
  if (Status there = root_is_there(from->doing()); !there) return fail(there.error());
  return fail(Code::not_found, "{}: there is no such file", from->doing());
}

Result<StoredFile> FolderStore::head(std::string_view path) { return look_at("head", path); }

// The size is that of the file that was opened: another may take its name meanwhile.
Result<FolderStore::Opened> FolderStore::open_file(std::string_view operation,
                                                   std::string_view path) const {
  auto from = target(operation, path);
  if (!from) return fail(from.error());
  // Without blocking: it may be a pipe.
  Opened opened{Fd(::open(from->file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), 0};
  int number = opened.fd.is_open() ? 0 : errno;
  if (number != 0 && number != ENOENT && number != ENOTDIR && number != ENXIO)
    return fail(errno_error("cannot open", from->file, number).value(), from->doing());
  struct stat status {};
  if (opened.fd.is_open() && ::fstat(opened.fd.get(), &status) != 0)
    return fail(errno_error("cannot look at", from->file).value(), from->doing());
  if (S_ISREG(status.st_mode)) {
    opened.bytes = static_cast<std::uint64_t>(status.st_size);
    return opened;
  }
  if (Status there = root_is_there(from->doing()); !there) return fail(there.error());
  return fail(Code::not_found, "{}: there is no such file", from->doing());
}

Result<std::string> FolderStore::get(std::string_view path) {
  auto file = open_file("get", path);
  if (!file) return fail(file.error());
  if (file->bytes > kMostGetBytes)
    return fail(Code::exhausted, "get {}: it has {} bytes; read it in ranges, at most {} at a time",
                path, file->bytes, kMostGetBytes);
  return read_at(file->fd.get(), 0, file->bytes, root_ / path);
}

Result<std::string> FolderStore::get_range(std::string_view path, std::uint64_t offset,
                                           std::uint64_t length) {
  auto file = open_file("get_range", path);
  if (!file) return fail(file.error());
  if (offset >= file->bytes || length == 0) return std::string();
  length = std::min({length, file->bytes - offset, kMostGetBytes});
  return read_at(file->fd.get(), offset, length, root_ / path);
}

Status FolderStore::list(std::string_view prefix, std::string_view start_after,
                         const Visit& visit) {
  if (Status there = root_is_there("list"); !there) return there;
  Walk steps{prefix, start_after, visit};
  std::string_view folder = folder_of(prefix);
  if (!folder.empty() && !check_path(folder)) return {};
  Status walked = walk(steps, std::string(folder));
  if (!walked) return fail(walked.error(), fmt::format("list {}", prefix));
  return {};
}

Status FolderStore::walk(Walk& walk, const std::string& folder) const {
  auto entries = entries_of(root_ / folder, [&](std::string_view name) {
    std::string path = join_paths(folder, name);
    return walk.wants(path) || walk.enters(path + "/");
  });
  if (!entries) return fail(entries.error());
  for (Entry& entry : *entries) {
    if (walk.ended) break;
    std::string path = join_paths(folder, entry.name);
    if (path == kDraftFolder || path.size() > kMostPathBytes) continue;
    if (S_ISDIR(entry.status.st_mode)) {
      if (!walk.enters(path + "/")) continue;
      Status below = this->walk(walk, path);
      if (!below) return below;
    } else if (walk.wants(path)) {
      walk.ended = !walk.visit(described(std::move(path), entry.status));
    }
  }
  return {};
}

Status FolderStore::remove(std::string_view path) {
  auto from = target("remove", path);
  if (!from) return fail(from.error());
  if (::unlink(from->file.c_str()) != 0) {
    int number = errno;
    if (number == ENOENT || number == ENOTDIR) return root_is_there(from->doing());
    return fail(errno_error("cannot remove", from->file, number).value(), from->doing());
  }
  Status synced = sync_folder(from->file.parent_path());
  if (!synced && synced.error().code != Code::not_found) return fail(synced.error(), from->doing());
  return {};
}

std::optional<fs::path> FolderStore::local_path(std::string_view path) const {
  return root_ / path;
}

}  // namespace tillrace::lake
