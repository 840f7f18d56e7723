// The storage port of the lake: files by path, on a folder (folder_store.h) or on Azure
// (azure_store.h). Beneath the Delta tables, which know nothing else of where they lie.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tillrace::lake {

struct StoredFile {
  std::string path;
  std::uint64_t bytes = 0;
  UtcMicros modified;  // by the store's clock; whole seconds on Azure
};

// A path is relative to the store's root: parts with '/' between them, 1 to 1,024 bytes in all,
// UTF-8. A part has 1 to 254 bytes, does not end with '.', and holds neither control characters nor
// '\'; so "", "/a", "a//b", "a/", "." and ".." are invalid. Spaces, '%', '+', '#' and '?' stand for
// themselves. Files and folders share one space of names: with a/b there is no file a.
//
// A file is there in whole or not at all: no reader ever sees a part of it, also after a crash.
// When a call that writes returns, the file is durable, and every later call of every process sees
// it. The same goes for remove().
//
// Thread-safe. Calls block; a store may repeat what can be repeated safely, within a total time
// (see its options).
//
// Errors of all calls:
//   invalid      the path breaks the rules above, or names a folder; nothing was done
//   unavailable  the store is away, refuses the credentials, has no such root, or a write is not
//                permitted; a write or a remove MAY HAVE HAPPENED, or may still
//   exhausted    no space (nothing was done), or the file is larger than get() takes
// A message names the operation, the path, and what the store said; never a secret.
class Store {
 public:
  virtual ~Store() = default;

  // Of many that put the same path at once, exactly one succeeds. conflict: the path is taken, by
  // someone else's file even when it has the same bytes: what a lost answer left is recognised and
  // told as success. After unavailable the caller looks (get) whether the file is there and its
  // own.
  virtual Status put_if_absent(std::string_view path, std::string_view bytes) = 0;

  // Replaces what is there, in one step. After unavailable the old file is there or the new one.
  virtual Status put(std::string_view path, std::string_view bytes) = 0;
  // The same with the content of a local file, in bounded memory. not_found: no such local file.
  // The local file must not change meanwhile.
  virtual Status put_file(std::string_view path, const std::filesystem::path& local) = 0;

  // The whole file; not_found when there is none. exhausted beyond kMostGetBytes.
  virtual Result<std::string> get(std::string_view path) = 0;
  static constexpr std::uint64_t kMostGetBytes = 256ULL * 1024 * 1024;
  // `length` bytes from `offset`, at most kMostGetBytes; fewer only where the file ends before,
  // none from its end on.
  virtual Result<std::string> get_range(std::string_view path, std::uint64_t offset,
                                        std::uint64_t length) = 0;

  // Calls `visit` with each file whose path begins with `prefix` and comes after `start_after` by
  // its bytes, in all folders below, until it returns false. Files of one folder come in ascending
  // order of their names; between folders the order is the store's. Files that come or go meanwhile
  // may be seen or not; all others are seen once. What other programs put there under names that
  // break the rules is passed over. Memory is bounded by a page of names on Azure, and by the names
  // of one folder (and its parents) on a folder. No files is no error.
  using Visit = std::function<bool(const StoredFile&)>;
  virtual Status list(std::string_view prefix, std::string_view start_after,
                      const Visit& visit) = 0;
  Status list(std::string_view prefix, const Visit& visit) { return list(prefix, {}, visit); }

  // No error when there is none. Folders that become empty may stay.
  virtual Status remove(std::string_view path) = 0;

  // not_found when there is no file.
  virtual Result<StoredFile> head(std::string_view path) = 0;

  // Where this machine's programs can read the file themselves (it need not be there), with any
  // path that is valid; nullopt when the store is elsewhere.
  virtual std::optional<std::filesystem::path> local_path(std::string_view path) const = 0;

  // Copies the file to a local one, in bounded memory; the local file is not synced, and is taken
  // away again when this fails. not_found as with get().
  Status fetch(std::string_view path, const std::filesystem::path& local);
};

}  // namespace tillrace::lake
