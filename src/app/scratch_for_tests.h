// What the room's tests share. Test code only.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/files.h"

namespace tillrace::app {

// An empty folder that goes away with it.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = testing::TempDir() + "app-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // Writes a file of the folder and returns its path.
  std::filesystem::path file(std::string_view name, std::string_view content) const {
    auto path = path_ / name;
    EXPECT_TRUE(write_file_atomically(path, content));
    return path;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace tillrace::app
