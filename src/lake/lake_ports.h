// What the operations on a Delta table take from outside: where it lies, the engine, time,
// randomness, and a folder for files on their way.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "lake/duck.h"
#include "lake/store.h"

namespace tillrace::lake {

// Borrows everything; for one thread at a time, as its session is.
struct LakePorts {
  Store& store;
  DuckSession& duck;
  Clock& clock;
  Random& random;
  // Of this process alone; what lies there after a crash may be deleted. It is made where needed.
  std::filesystem::path spool_folder;

  std::int64_t now_ms() const { return clock.now().value / 1000; }
  // A fresh UUIDv7.
  std::string fresh_uuid() const;
};

// A file, or folder, on this machine that goes when its owner does.
class SpoolFile {
 public:
  // A name of its own in the spool folder; nothing is there yet. unavailable when the folder cannot
  // be made.
  static Result<SpoolFile> reserve(const LakePorts& ports, std::string_view suffix);
  SpoolFile(SpoolFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  SpoolFile& operator=(SpoolFile&&) = delete;
  ~SpoolFile();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit SpoolFile(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// A stored file where DuckDB can read it: in place on a folder, else fetched into the spool folder
// and kept there as long as this lives.
class LocalCopy {
 public:
  static Result<LocalCopy> of(const LakePorts& ports, const std::string& stored);
  const std::filesystem::path& path() const { return spooled_ ? spooled_->path() : in_place_; }

 private:
  std::filesystem::path in_place_;
  std::optional<SpoolFile> spooled_;
};

}  // namespace tillrace::lake
