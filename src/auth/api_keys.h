// Making, listing and revoking API keys: what `tillrace keys` does, whether a server runs on the
// data folder or not.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "auth/key_file.h"
#include "base/clock.h"
#include "base/random.h"

namespace tillrace::auth {

struct KeyRequest {
  std::string name;
  Scopes scopes;                        // at least one
  std::optional<UtcMicros> expires_at;  // in the future
};
struct NewKey {
  StoredKey stored;
  std::string text;  // the key itself; shown once, stored nowhere
};
struct Revoked {
  StoredKey stored;
  bool just_now = false;  // false: it was revoked before, and the time stays
};

// The keys of one file. Several may write it at once, also in several processes: each change is
// made under a lock (the file's name with .lock behind), on what the file holds then, and is
// durable when the call returns; a reader sees the file before or after it, never between.
// Thread-safe. What it is given outlives it.
class ApiKeys {
 public:
  ApiKeys(std::filesystem::path file, Clock& clock, Random& random);

  // In the order they were made. Fails as read_key_file().
  Result<std::vector<StoredKey>> list() const;
  // invalid: the request is wrong. exhausted: kMostKeys are there, all of them in force; of those
  // that are not, the one that was made first makes room. unavailable: another process kept the
  // lock for 5 s, or the disk refused.
  Result<NewKey> create(const KeyRequest& request);
  // not_found when there is no key of this id.
  Result<Revoked> revoke(const std::string& id);

 private:
  Status save(const std::vector<StoredKey>& keys) const;

  std::filesystem::path file_;
  Clock& clock_;
  Random& random_;
};

}  // namespace tillrace::auth
