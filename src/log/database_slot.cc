#include "log/database_slot.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <mutex>

namespace tillrace::log {

Status DatabaseSlot::reopen() {
  if (database_)
    if (Status room = check_room(); !room) return room;
  std::unique_lock lock(lent_);
  database_.reset();  // before it can be opened again
  auto opened = Database::open(path_, options_);
  if (!opened) return fail(opened.error());
  database_ = std::move(*opened);
  failed_ = false;
  return {};
}

void DatabaseSlot::close() {
  std::unique_lock lock(lent_);
  database_.reset();
}

// Recovery writes what is in memory and in the WAL to files; better to find out first that they do
// not fit.
Status DatabaseSlot::check_room() const {
  std::filesystem::path probe = path_.parent_path() / "room-probe";
  int fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail(Code::unavailable, "cannot create {}: {}", probe.string(), std::strerror(errno));
  auto bytes = static_cast<off_t>(database_->unflushed_bytes() + (1 << 20));
  int error = ::posix_fallocate(fd, 0, bytes);
  ::close(fd);
  ::unlink(probe.c_str());
  if (error != 0)
    return fail(Code::unavailable, "no room for {} bytes in {}: {}", bytes,
                path_.parent_path().string(), std::strerror(error));
  return {};
}

Status DatabaseSlot::write(const NewGroup& group) {
  Status written = database_->write(group);
  if (!written) failed_ = true;
  return written;
}

Result<DatabaseSlot::Lent> DatabaseSlot::lend() {
  std::shared_lock lock(lent_);
  if (!database_) return fail(Code::unavailable, "the log's database could not be recovered yet");
  return Lent(std::move(lock), *database_);
}

}  // namespace tillrace::log
