#include "auth/api_keys.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "auth/api_key.h"
#include "base/files.h"

namespace tillrace::auth {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLockPatience{5'000};
constexpr milliseconds kLockLook{10};
constexpr std::int64_t kMicrosPerSecond = 1'000'000;

// One writer at a time. The kernel lets go of it when the process ends, however it ends.
class WriterLock {
 public:
  static Result<WriterLock> acquire(std::filesystem::path path, Clock& clock) {
    path += ".lock";
    int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
      return fail(Code::unavailable, "cannot open {}: {}", path.string(),
                  std::generic_category().message(errno));
    WriterLock lock(fd);
    auto deadline = clock.monotonic() + kLockPatience;
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    while (::fcntl(fd, F_OFD_SETLK, &whole) != 0) {
      if (clock.monotonic() >= deadline)
        return fail(Code::unavailable, "another process holds {}; try again", path.string());
      clock.sleep_for(kLockLook);
    }
    return lock;
  }
  WriterLock(WriterLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  WriterLock& operator=(WriterLock&&) = delete;
  ~WriterLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit WriterLock(int fd) : fd_(fd) {}
  int fd_;
};

UtcMicros whole_seconds(UtcMicros time) { return {time.value - time.value % kMicrosPerSecond}; }

auto with_id(const std::string& id) {
  return [&id](const StoredKey& key) { return key.id == id; };
}

// Takes out a key that is not in force, if it must.
Status make_room(std::vector<StoredKey>& keys, UtcMicros now) {
  if (keys.size() < kMostKeys) return {};
  auto dead = std::find_if(keys.begin(), keys.end(), [&](const StoredKey& key) {
    return key.revoked_at.has_value() || key.expired(now);
  });
  if (dead == keys.end())
    return fail(Code::exhausted, "there are {} keys, which is the limit; revoke one first",
                kMostKeys);
  keys.erase(dead);
  return {};
}

Status check_request(const KeyRequest& request, UtcMicros now) {
  if (Status named = check_key_name(request.name); !named) return named;
  if (request.scopes.empty()) return fail(Code::invalid, "a key needs at least one scope");
  if (request.expires_at && whole_seconds(*request.expires_at) <= now)
    return fail(Code::invalid, "a key must expire in the future");
  return {};
}

}  // namespace

ApiKeys::ApiKeys(std::filesystem::path file, Clock& clock, Random& random)
    : file_(std::move(file)), clock_(clock), random_(random) {}

Result<std::vector<StoredKey>> ApiKeys::list() const { return read_key_file(file_); }

Status ApiKeys::save(const std::vector<StoredKey>& keys) const {
  return write_file_atomically(file_, encode_keys(keys), 0600);
}

Result<NewKey> ApiKeys::create(const KeyRequest& request) {
  UtcMicros now = whole_seconds(clock_.now());
  if (Status checked = check_request(request, now); !checked) return fail(checked.error());
  auto lock = WriterLock::acquire(file_, clock_);
  if (!lock) return fail(lock.error());
  auto keys = read_key_file(file_);
  if (!keys) return fail(keys.error());
  if (Status room = make_room(*keys, now); !room) return fail(room.error());
  ApiKey key = make_api_key(random_);
  while (std::any_of(keys->begin(), keys->end(), with_id(key.id))) key = make_api_key(random_);
  StoredKey stored{key.id, request.name, request.scopes, hash_of_secret(key.secret), now, {}, {}};
  if (request.expires_at) stored.expires_at = whole_seconds(*request.expires_at);
  keys->push_back(stored);
  if (Status saved = save(*keys); !saved) return fail(saved.error());
  return NewKey{std::move(stored), to_text(key)};
}

Result<Revoked> ApiKeys::revoke(const std::string& id) {
  auto lock = WriterLock::acquire(file_, clock_);
  if (!lock) return fail(lock.error());
  auto keys = read_key_file(file_);
  if (!keys) return fail(keys.error());
  auto found = std::find_if(keys->begin(), keys->end(), with_id(id));
  if (found == keys->end())
    return fail(Code::not_found, "there is no key '{}'; `tillrace keys list` shows them", id);
  if (found->revoked_at) return Revoked{*found, false};
  found->revoked_at = whole_seconds(clock_.now());
  if (Status saved = save(*keys); !saved) return fail(saved.error());
  return Revoked{*found, true};
}

}  // namespace tillrace::auth
