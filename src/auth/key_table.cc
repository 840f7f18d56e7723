#include "auth/key_table.h"

#include <sys/stat.h>

#include <optional>

#include "auth/api_key.h"
#include "base/logging.h"

namespace tillrace::auth {
namespace {

constexpr std::int64_t kLookEveryNs = 500'000'000;

}  // namespace

Result<std::unique_ptr<KeyTable>> KeyTable::open(std::filesystem::path file, Clock& clock) {
  auto table = std::make_unique<KeyTable>(std::move(file), clock);
  if (Status loaded = table->load(); !loaded) return fail(loaded.error());
  return table;
}

KeyTable::KeyTable(std::filesystem::path file, Clock& clock)
    : file_(std::move(file)),
      clock_(clock),
      next_look_ns_(clock.monotonic().count() + kLookEveryNs) {}

KeyTable::Version KeyTable::version() const {
  struct stat status {};
  if (::stat(file_.c_str(), &status) != 0) return {};
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  // The time of change, not of modification: chmod(2) moves it too.
  return {status.st_dev, status.st_ino, status.st_size,
          status.st_ctim.tv_sec * kNsPerSecond + status.st_ctim.tv_nsec};
}

Status KeyTable::load() {
  Version version = this->version();  // before the content, so that a later change is seen
  auto stored = read_key_file(file_);
  Keys keys;
  if (stored)
    for (StoredKey& key : *stored) keys.emplace(key.id, std::move(key));
  MutexLock lock(mutex_);
  loaded_ = version;
  if (!stored) return fail(stored.error());
  keys_.swap(keys);
  return {};
}

// One thread looks while the others go on with what they have.
void KeyTable::look_again() {
  std::int64_t now = clock_.monotonic().count();
  std::int64_t due = next_look_ns_.load(std::memory_order_relaxed);
  if (now < due || !next_look_ns_.compare_exchange_strong(due, now + kLookEveryNs)) return;
  Version version = this->version();
  {
    MutexLock lock(mutex_);
    if (loaded_ == version) return;
  }
  if (Status loaded = load(); !loaded)
    logging::error("{}; the keys from before stay in force", loaded.error().message);
  else
    logging::info("API keys were read again: {} in {}", size(), file_.string());
}

std::size_t KeyTable::size() const {
  MutexLock lock(mutex_);
  return keys_.size();
}

Result<Grant> KeyTable::check(std::string_view text) {
  look_again();
  auto key = parse_api_key(text);
  if (!key) return fail(key.error());
  Sha256 hash = hash_of_secret(key->secret);
  Sha256 expected{};  // no secret is known to have it
  std::optional<UtcMicros> expires_at;
  bool revoked = false;
  bool known = false;
  Grant grant{"key:" + key->id, {}};
  {
    MutexLock lock(mutex_);
    if (auto found = keys_.find(key->id); found != keys_.end()) {
      known = true;
      expected = found->second.secret_hash;
      expires_at = found->second.expires_at;
      revoked = found->second.revoked_at.has_value();
      grant.scopes = found->second.scopes;
    }
  }
  bool right = equal_in_constant_time(hash, expected);
  if (!right || !known) return fail(Code::invalid, "the API key is not known here");
  if (revoked) return fail(Code::invalid, "the API key was revoked");
  if (expires_at && *expires_at <= clock_.now())
    return fail(Code::invalid, "the API key has expired");
  return grant;
}

}  // namespace tillrace::auth
