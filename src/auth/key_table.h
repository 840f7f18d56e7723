// The API keys in force, as a running server sees them.
#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/grant.h"
#include "auth/key_file.h"
#include "base/mutex.h"

namespace tillrace::auth {

// Follows the file: at most every 500 ms a check first asks whether the file is another one by now
// (one stat(2)), so that a key that was made or revoked counts within a second. When the file is
// gone, no key is in force any more. When it cannot be read or is no key file, the keys from before
// stay in force and one line is logged.
//
// Thread-safe. The clock outlives it.
class KeyTable {
 public:
  // Fails as read_key_file(): a server does not start on keys it cannot read.
  static Result<std::unique_ptr<KeyTable>> open(std::filesystem::path file, Clock& clock);

  // invalid, saying why, when `text` is no key in force. Whether an id is known shows neither in
  // the answer nor in its time; that a key was revoked or has expired is told to its holder only.
  Result<Grant> check(std::string_view text);
  std::size_t size() const;

  KeyTable(std::filesystem::path file, Clock& clock);  // for open()

 private:
  // What tells one file from another without reading it: write_file_atomically() makes a new one.
  struct Version {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Version&) const = default;
  };
  using Keys = std::unordered_map<std::string, StoredKey>;

  Version version() const;
  Status load();
  void look_again();

  const std::filesystem::path file_;
  Clock& clock_;
  std::atomic<std::int64_t> next_look_ns_{0};
  mutable Mutex mutex_;
  Keys keys_ GUARDED_BY(mutex_);
  Version loaded_ GUARDED_BY(mutex_);
};

}  // namespace tillrace::auth
