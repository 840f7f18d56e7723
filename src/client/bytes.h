// The two ends of a client command: a file or standard input, and a file or standard output.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tillrace::client {

// A file or standard input, read from front to back. Not thread-safe.
class Input {
 public:
  // An empty path or "-" is standard input. not_found when there is no such file.
  static Result<Input> open(const std::filesystem::path& path);
  Input(Input&& other) noexcept;
  Input& operator=(Input&&) = delete;
  ~Input();

  // Fills the front of `room`; 0 at the end of data. Waits for a pipe.
  Result<std::size_t> read(std::span<char> room);
  // Whether read() would answer at once; waits up to `timeout_ms` for it.
  bool ready(int timeout_ms) const;
  // Nothing for a pipe or a device.
  std::optional<std::uint64_t> size_bytes() const { return size_bytes_; }
  bool is_stdin() const { return is_stdin_; }
  const std::string& name() const { return name_; }  // for messages

 private:
  explicit Input(int fd) : fd_(fd) {}
  int fd_;
  bool is_stdin_ = false;
  std::optional<std::uint64_t> size_bytes_;
  std::string name_;
};

// A file that appears under its name only when it is whole, or standard output. What is written
// goes to `<path>.part`; commit() syncs it and renames it; without commit() it is deleted. A path
// that is there and no regular file (a device, a pipe) is written to directly. Not thread-safe.
class Output {
 public:
  // An empty path or "-" is standard output.
  static Result<Output> open(const std::filesystem::path& path);
  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  ~Output();

  // Buffered. exhausted when the disk is full.
  Status write(std::string_view bytes);
  Status flush();
  // Durable when it returns, unless it is standard output or a device.
  Status commit();

 private:
  Output(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
  std::string name() const;
  std::filesystem::path draft() const;

  int fd_;
  std::filesystem::path path_;
  bool is_draft_ = false;
  std::string buffer_;
};

}  // namespace tillrace::client
