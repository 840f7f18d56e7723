#include "client/bytes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/files.h"

namespace tillrace::client {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

bool is_standard(const std::filesystem::path& path) { return path.empty() || path == "-"; }

tl::unexpected<Error> errno_error(std::string_view doing, std::string_view name) {
  int number = errno;
  Code code = Code::unavailable;
  if (number == ENOENT) code = Code::not_found;
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) code = Code::exhausted;
  return fail(code, "cannot {} {}: {}", doing, name, std::strerror(number));
}

}  // namespace

Result<Input> Input::open(const std::filesystem::path& path) {
  if (is_standard(path)) {
    Input input(STDIN_FILENO);
    input.is_stdin_ = true;
    input.name_ = "standard input";
    return input;
  }
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno_error("read", path.string());
  Input input(fd);
  input.name_ = path.string();
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return errno_error("read", path.string());
  if (S_ISDIR(facts.st_mode))
    return fail(Code::invalid, "{} is a folder, not a file", path.string());
  if (S_ISREG(facts.st_mode)) input.size_bytes_ = static_cast<std::uint64_t>(facts.st_size);
  return input;
}

Input::Input(Input&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      is_stdin_(other.is_stdin_),
      size_bytes_(other.size_bytes_),
      name_(std::move(other.name_)) {}

Input::~Input() {
  if (fd_ >= 0 && !is_stdin_) ::close(fd_);
}

Result<std::size_t> Input::read(std::span<char> room) {
  while (true) {
    ssize_t count = ::read(fd_, room.data(), room.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) return errno_error("read", name_);
  }
}

bool Input::ready(int timeout_ms) const {
  pollfd wanted{fd_, POLLIN, 0};
  return ::poll(&wanted, 1, timeout_ms) != 0;
}

Result<Output> Output::open(const std::filesystem::path& path) {
  if (is_standard(path)) return Output(STDOUT_FILENO, {});
  std::error_code ignored;
  auto kind = std::filesystem::status(path, ignored).type();
  if (kind == std::filesystem::file_type::directory)
    return fail(Code::invalid, "{} is a folder, not a file", path.string());
  Output output(-1, path);
  output.is_draft_ =
      kind == std::filesystem::file_type::not_found || kind == std::filesystem::file_type::regular;
  std::filesystem::path target = output.is_draft_ ? output.draft() : path;
  int flags = O_WRONLY | O_CLOEXEC | (output.is_draft_ ? O_CREAT | O_TRUNC : 0);
  output.fd_ = ::open(target.c_str(), flags, 0644);
  if (output.fd_ < 0) return errno_error("create", target.string());
  return output;
}

Output::Output(Output&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      is_draft_(std::exchange(other.is_draft_, false)),
      buffer_(std::move(other.buffer_)) {}

Output::~Output() {
  if (fd_ >= 0 && fd_ != STDOUT_FILENO) ::close(fd_);
  if (is_draft_) ::unlink(draft().c_str());
}

std::string Output::name() const { return path_.empty() ? "standard output" : path_.string(); }

std::filesystem::path Output::draft() const { return path_.string() + ".part"; }

Status Output::write(std::string_view bytes) {
  buffer_.append(bytes);
  return buffer_.size() < kBufferBytes ? Status{} : flush();
}

Status Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("write", name());
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
  return {};
}

Status Output::commit() {
  if (Status flushed = flush(); !flushed) return flushed;
  if (!is_draft_) return {};
  if (::fsync(fd_) != 0) return errno_error("sync", name());
  if (::rename(draft().c_str(), path_.c_str()) != 0)
    return errno_error("rename the draft of", name());
  is_draft_ = false;
  return sync_folder(path_.parent_path().empty() ? "." : path_.parent_path());
}

}  // namespace tillrace::client
