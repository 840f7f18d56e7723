#include "lake/file_cache.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "model/event_id.h"

namespace tillrace::lake {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReserved = "reserved";
// The store answers one request of many small files in some milliseconds each.
constexpr std::size_t kFetchers = 4;

tl::unexpected<Error> trouble(std::string_view doing, const fs::path& path) {
  int number = errno;
  Code code = number == ENOSPC || number == EDQUOT ? Code::exhausted : Code::unavailable;
  return fail(code, "the cache of files: cannot {} {}: {}", doing, path.string(),
              std::generic_category().message(number));
}

bool take_lock(int fd, int how) {
  int answer = 0;
  do {
    answer = ::flock(fd, how);
  } while (answer != 0 && errno == EINTR);
  return answer == 0;
}

std::string sha256_hex(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

Status sync_file(const fs::path& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return trouble("open", path);
  int synced = ::fsync(fd);
  ::close(fd);
  if (synced != 0) return trouble("sync", path);
  return {};
}

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// A file in the cache that nobody uses now.
struct Idle {
  timespec used;
  std::uint64_t bytes;
  fs::path path;

  bool operator<(const Idle& other) const {
    return std::pair(used.tv_sec, used.tv_nsec) < std::pair(other.used.tv_sec, other.used.tv_nsec);
  }
};

struct Stock {
  std::uint64_t bytes = 0;  // of all
  std::vector<Idle> idle;   // the least recently used first
};

Result<std::vector<fs::path>> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    entries.push_back(at->path());
  if (error) {
    return fail(Code::unavailable, "the cache of files: cannot list {}: {}", folder.string(),
                error.message());
  }
  return entries;
}

// Whether whose session it is lives no more. Where that cannot be told it lives.
bool is_dead(const fs::path& session) {
  int fd = ::open((session / kReserved).c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT || errno == ENOTDIR;
  bool dead = take_lock(fd, LOCK_EX | LOCK_NB);
  ::close(fd);
  return dead;
}

Result<Stock> take_stock(const fs::path& folder) {
  auto entries = entries_of(folder);
  if (!entries) return fail(entries.error());
  Stock stock;
  for (auto& path : *entries) {
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) continue;
    auto bytes = static_cast<std::uint64_t>(file.st_size);
    stock.bytes += bytes;
    if (file.st_nlink == 1) stock.idle.push_back({file.st_mtim, bytes, std::move(path)});
  }
  std::ranges::sort(stock.idle, std::less<Idle>());
  return stock;
}

}  // namespace

// All that share the folder wait for each other here; never while something is fetched.
class FileCache::Lock {
 public:
  explicit Lock(int fd) : fd_(fd) {}
  Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  int fd_;
};

struct FileCache::Missing {
  std::string name;
  WantedFile file;
};

// What several threads fetch together: each takes the next file until there is none, or one fails.
class FileCache::Fetching {
 public:
  Fetching(const FileCache& cache, Store& store, const std::vector<Missing>& missing,
           std::uint64_t bytes, const OnProgress& progress)
      : cache_(cache), store_(store), missing_(missing), bytes_(bytes), progress_(progress) {}

  Status run() {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < std::min(kFetchers, missing_.size()); ++i)
      threads.push_back(named_thread("lake-fetch", [this](const std::stop_token&) { work(); }));
    threads.clear();  // waits
    MutexLock lock(mutex_);
    return outcome_;
  }

 private:
  void work() {
    for (auto next = take(); next; next = take())
      note(*next, cache_.fetch(store_, missing_[*next]));
  }
  std::optional<std::size_t> take() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (!outcome_ || next_ == missing_.size()) return std::nullopt;
    return next_++;
  }
  void note(std::size_t index, Status fetched) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (fetched) {
      done_ += missing_[index].file.bytes;
      fetched = cache_.reserve(bytes_ - done_);
      if (progress_) progress_(done_, bytes_);
    }
    if (outcome_) outcome_ = std::move(fetched);
  }

  const FileCache& cache_;
  Store& store_;
  const std::vector<Missing>& missing_;
  const std::uint64_t bytes_;
  const OnProgress& progress_;
  Mutex mutex_;
  std::size_t next_ GUARDED_BY(mutex_) = 0;
  std::uint64_t done_ GUARDED_BY(mutex_) = 0;
  Status outcome_ GUARDED_BY(mutex_);
};

Result<std::unique_ptr<FileCache>> FileCache::open(FileCacheOptions options, Clock& clock,
                                                   Random& random) {
  auto cache =
      std::make_unique<FileCache>(std::move(options), to_string(fresh_event_id(clock, random)));
  if (auto started = cache->start(); !started) return fail(started.error());
  return cache;
}

FileCache::FileCache(FileCacheOptions options, const std::string& id)
    : options_(std::move(options)),
      root_(options_.folder / kFolder),
      files_(root_ / "files"),
      sessions_(root_ / "sessions"),
      session_(sessions_ / id) {}

FileCache::~FileCache() {
  std::error_code ignored;  // what stays is deleted by the next that comes
  if (reserved_ < 0) return;
  fs::remove_all(session_, ignored);
  ::close(reserved_);
}

Status FileCache::start() {
  for (const auto& folder : {root_, files_, sessions_}) {
    if (auto made = make_private_folder(folder); !made) return made;
  }
  auto locked = lock();
  if (!locked) return fail(locked.error());
  if (auto removed = remove_dead_sessions(); !removed) return removed;
  if (auto made = make_folders(session_); !made) return made;
  fs::path reserved = session_ / kReserved;
  reserved_ = ::open(reserved.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (reserved_ < 0) return trouble("create", reserved);
  if (!take_lock(reserved_, LOCK_EX)) return trouble("lock", reserved);
  return {};
}

Result<FileCache::Lock> FileCache::lock() const {
  fs::path path = root_ / "lock";
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return trouble("open", path);
  Lock held(fd);
  if (!take_lock(fd, LOCK_EX)) return trouble("lock", path);
  return held;
}

// Under the lock, since a session that begins is not locked yet.
Status FileCache::remove_dead_sessions() const {
  auto sessions = entries_of(sessions_);
  if (!sessions) return fail(sessions.error());
  std::error_code ignored;
  for (const auto& path : *sessions) {
    if (is_dead(path)) fs::remove_all(path, ignored);
  }
  return {};
}

std::string FileCache::name_of(const WantedFile& file) const {
  return fmt::format("{}-{}", sha256_hex(options_.lake + '\n' + file.path).substr(0, 40),
                     file.bytes);
}

Result<std::vector<fs::path>> FileCache::bring(Store& store, const std::vector<WantedFile>& files,
                                               const OnProgress& progress) {
  std::vector<fs::path> paths;
  std::map<std::string, WantedFile> wanted;
  for (const auto& file : files) {
    std::string name = name_of(file);
    paths.push_back(session_ / name);
    wanted.emplace(std::move(name), file);
  }
  std::vector<Missing> missing;
  std::uint64_t bytes = 0;
  {
    auto locked = lock();
    if (!locked) return fail(locked.error());
    for (auto& [name, file] : wanted) {
      if (use(name, file.bytes)) continue;
      bytes += file.bytes;
      missing.push_back({name, file});
    }
    if (auto made = make_room(bytes); !made) return fail(made.error());
    if (auto reserved = reserve(bytes); !reserved) return fail(reserved.error());
  }
  Status fetched = Fetching(*this, store, missing, bytes, progress).run();
  Status freed = reserve(0);
  if (!fetched) return fail(fetched.error());
  if (!freed) return fail(freed.error());
  return paths;
}

// Whether the file is here; it is then this one's too, and the most recently used.
bool FileCache::use(const std::string& name, std::uint64_t bytes) const {
  fs::path in_cache = files_ / name;
  fs::path own = session_ / name;
  struct stat file {};
  if (::lstat(in_cache.c_str(), &file) != 0) return false;
  if (static_cast<std::uint64_t>(file.st_size) != bytes) {  // somebody was here
    ::unlink(in_cache.c_str());
    ::unlink(own.c_str());
    return false;
  }
  ::utimensat(AT_FDCWD, in_cache.c_str(), nullptr, 0);
  return ::link(in_cache.c_str(), own.c_str()) == 0 || errno == EEXIST;
}

Status FileCache::make_room(std::uint64_t bytes) const {
  if (bytes == 0) return {};
  if (auto removed = remove_dead_sessions(); !removed) return removed;
  auto stock = take_stock(files_);
  if (!stock) return fail(stock.error());
  auto reserved = reserved_by_others();
  if (!reserved) return fail(reserved.error());
  std::uint64_t idle_bytes = 0;
  for (const Idle& idle : stock->idle) idle_bytes += idle.bytes;
  std::uint64_t in_use = stock->bytes - idle_bytes + *reserved;
  if (in_use + bytes > options_.most_bytes) {
    return fail(Code::exhausted,
                "{:.1f} MB of files have no room in the cache {}: it may hold {:.1f} MB, of which "
                "{:.1f} MB are in use",
                megabytes(bytes), options_.folder.string(), megabytes(options_.most_bytes),
                megabytes(in_use));
  }
  std::uint64_t held = stock->bytes + *reserved;
  for (const Idle& idle : stock->idle) {
    if (held + bytes <= options_.most_bytes) break;
    if (::unlink(idle.path.c_str()) != 0 && errno != ENOENT) return trouble("delete", idle.path);
    held -= idle.bytes;
  }
  return {};
}

Result<std::uint64_t> FileCache::reserved_by_others() const {
  auto sessions = entries_of(sessions_);
  if (!sessions) return fail(sessions.error());
  std::uint64_t bytes = 0;
  for (const auto& path : *sessions) {
    struct stat file {};
    if (path == session_ || ::stat((path / kReserved).c_str(), &file) != 0) continue;
    bytes += static_cast<std::uint64_t>(file.st_size);
  }
  return bytes;
}

Status FileCache::reserve(std::uint64_t bytes) const {
  if (::ftruncate(reserved_, static_cast<off_t>(bytes)) != 0) {
    return trouble("reserve room in", session_ / kReserved);
  }
  return {};
}

Status FileCache::fetch(Store& store, const Missing& missing) const {
  fs::path draft = session_ / (missing.name + ".draft");
  if (auto fetched = store.fetch(missing.file.path, draft); !fetched) return fetched;
  std::error_code error;
  std::uint64_t bytes = fs::file_size(draft, error);
  Status whole;
  if (error) {
    whole = fail(Code::unavailable, "the cache of files: {}: {}", draft.string(), error.message());
  } else if (bytes != missing.file.bytes) {
    whole = fail(Code::corrupt, "{} has {} bytes, but the table's log says {}", missing.file.path,
                 bytes, missing.file.bytes);
  } else {
    whole = sync_file(draft);
  }
  if (!whole) {
    fs::remove(draft, error);
    return whole;
  }
  fs::rename(draft, session_ / missing.name, error);
  if (error) return fail(Code::unavailable, "the cache of files: {}", error.message());
  return keep(missing.name);
}

// Gives a whole file its name for all. Where another was faster, its file is used.
Status FileCache::keep(const std::string& name) const {
  auto locked = lock();
  if (!locked) return fail(locked.error());
  fs::path own = session_ / name;
  fs::path in_cache = files_ / name;
  if (::link(own.c_str(), in_cache.c_str()) == 0) return {};
  if (errno != EEXIST) return trouble("create", in_cache);
  ::unlink(own.c_str());
  if (::link(in_cache.c_str(), own.c_str()) != 0) return trouble("create", own);
  return {};
}

}  // namespace tillrace::lake
