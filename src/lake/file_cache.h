// Files of a distant store on this machine's disk, kept for the next who asks: of bounded size,
// shared by processes that come and go.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "lake/store.h"

namespace tillrace::lake {

struct FileCacheOptions {
  // Made where it is absent. Only FileCache::kFolder in it is touched, which may be deleted when
  // nobody has the cache open.
  std::filesystem::path folder;
  std::string lake;  // tells the files of one lake from another's: its root
  std::uint64_t most_bytes = 10ULL << 30;
};

// A file of a store that never changes, as the data files of tables do, and the length that it has
// to have.
struct WantedFile {
  std::string path;
  std::uint64_t bytes = 0;
};

// Any number of them, in any number of processes, share a folder. The files that one has brought
// are there as long as it lives; then they stay until room is needed, and the least recently used
// ones go first. A file has its name in the cache only when it is whole and on the disk, so neither
// a kill nor a power cut leaves half a one. What a killed process left goes when the next one
// comes.
//
//   <folder>/tillrace-cache/
//     lock                    held (flock(2)) for each change of what is below, briefly
//     files/NAME              the files; NAME is made of the lake, the path and the length
//     sessions/ID/NAME        links to those that the FileCache named ID has brought
//     sessions/ID/reserved    locked as long as that one lives; as long (a file with a hole) as
//                             what it is about to fetch
//
// So `files` and what is reserved are never more than most_bytes together, as this one was told
// them. For one thread at a time; its own threads "lake-fetch" end before bring() returns.
class FileCache {
 public:
  // Below the folder that it is given. All that is in it is the cache's.
  static constexpr const char* kFolder = "tillrace-cache";

  // unavailable: the folder cannot be made or written to. The references outlive the cache.
  static Result<std::unique_ptr<FileCache>> open(FileCacheOptions options, Clock& clock,
                                                 Random& random);
  ~FileCache();
  FileCache(const FileCache&) = delete;
  FileCache& operator=(const FileCache&) = delete;

  // Bytes that were fetched, of those that have to be. Called by one thread at a time.
  using OnProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

  // Where the files are on this machine, in the order of `files`. Those that are here already are
  // not asked for at the store. Errors of the store as they are; beside them
  //   exhausted    they have no room, since they are too large or others use what is there
  //   corrupt      a file has another length than it should
  //   unavailable  the folder cannot be written to
  // What was fetched before a failure stays.
  Result<std::vector<std::filesystem::path>> bring(Store& store,
                                                   const std::vector<WantedFile>& files,
                                                   const OnProgress& progress = {});

  FileCache(FileCacheOptions options, const std::string& id);  // for open()

 private:
  class Lock;
  class Fetching;
  struct Missing;

  Status start();
  Result<Lock> lock() const;
  Status remove_dead_sessions() const;
  std::string name_of(const WantedFile& file) const;
  bool use(const std::string& name, std::uint64_t bytes) const;
  Status make_room(std::uint64_t bytes) const;
  Result<std::uint64_t> reserved_by_others() const;
  Status reserve(std::uint64_t bytes) const;
  Status fetch(Store& store, const Missing& missing) const;
  Status keep(const std::string& name) const;

  const FileCacheOptions options_;
  const std::filesystem::path root_;
  const std::filesystem::path files_;
  const std::filesystem::path sessions_;
  const std::filesystem::path session_;
  int reserved_ = -1;
};

}  // namespace tillrace::lake
