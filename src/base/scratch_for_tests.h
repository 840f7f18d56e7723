// Folders for tests. Included by tests alone.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/files.h"

namespace tillrace {

// An empty folder that goes away with it.
class ScratchFolder {
 public:
  // in_memory: where there is such a place, as syncs to a disk take long.
  enum class On { disk, in_memory };

  explicit ScratchFolder(On on = On::disk) {
    bool in_memory = on == On::in_memory && ::access("/dev/shm", W_OK) == 0;
    std::string pattern = (in_memory ? "/dev/shm/" : testing::TempDir()) + "tillrace-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // Writes a file of the folder and returns its path.
  std::filesystem::path file(std::string_view name, std::string_view content,
                             unsigned mode = 0600) const {
    auto path = path_ / name;
    EXPECT_TRUE(write_file_atomically(path, content, mode));
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));  // past umask
    return path;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace tillrace
