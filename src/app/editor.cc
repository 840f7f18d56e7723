#include "app/editor.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/files.h"

namespace tillrace::app {
namespace {

std::string from_environment(const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nobody changes it
  return value == nullptr ? "" : value;
}

}  // namespace

Result<std::filesystem::path> write_private_file(std::string_view content) {
  std::error_code error;
  auto folder = std::filesystem::temp_directory_path(error);
  if (error) folder = "/tmp";
  std::string path = folder / "tillrace-rejected-XXXXXX";
  int fd = ::mkstemp(path.data());
  if (fd < 0)
    return fail(Code::unavailable, "cannot make {}: {}", path,
                std::error_code(errno, std::generic_category()).message());
  ::close(fd);
  if (Status written = write_file_atomically(path, content, 0600); !written)
    return fail(written.error());
  return std::filesystem::path(path);
}

Status edit(const std::string& editor, const std::filesystem::path& file) {
  // As git does it: the editor may be a command with arguments of its own.
  std::string script = editor + " \"$@\"";
  std::string path = file.string();
  std::string shell = "sh";
  std::string flag = "-c";
  char* arguments[] = {shell.data(), flag.data(), script.data(),
                       shell.data(), path.data(), nullptr};
  pid_t pid = 0;
  int status = 0;
  bool ended = ::posix_spawnp(&pid, "sh", nullptr, nullptr, arguments, environ) == 0 &&
               ::waitpid(pid, &status, 0) == pid;
  if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(Code::invalid,
              "the editor '{}' failed; nothing was sent. Set EDITOR to one that works", editor);
}

std::string preferred_editor() {
  for (const char* variable : {"VISUAL", "EDITOR"})
    if (std::string editor = from_environment(variable); !editor.empty()) return editor;
  return "vi";
}

}  // namespace tillrace::app
