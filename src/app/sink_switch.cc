#include "app/sink_switch.h"

#include <array>
#include <utility>

#include "base/files.h"
#include "base/logging.h"

namespace tillrace::app {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLook{1};
constexpr std::array kWords = {std::pair{Attachment::attached, "attached\n"},
                               std::pair{Attachment::detached, "detached\n"},
                               std::pair{Attachment::reattached, "reattached\n"}};

fs::path file_of(const fs::path& data_dir, const std::string& sink) {
  return data_dir / "sinks" / sink;
}

}  // namespace

Result<Attachment> read_attachment(const fs::path& data_dir, const std::string& sink) {
  fs::path path = file_of(data_dir, sink);
  auto text = read_file(path);
  if (!text && text.error().code == Code::not_found) return Attachment::attached;
  if (!text) return fail(text.error());
  for (const auto& [attachment, word] : kWords)
    if (*text == word) return attachment;
  return fail(Code::corrupt, "{} holds none of the words attached, detached and reattached",
              path.string());
}

Status write_attachment(const fs::path& data_dir, const std::string& sink, Attachment attachment) {
  if (Status made = make_private_folder(data_dir / "sinks"); !made) return made;
  for (const auto& [each, word] : kWords)
    if (each == attachment) return write_file_atomically(file_of(data_dir, sink), word, 0600);
  return {};
}

SinkSwitch::SinkSwitch(fs::path data_dir, std::string sink, Clock& clock)
    : data_dir_(std::move(data_dir)), sink_(std::move(sink)), clock_(clock) {}

Attachment SinkSwitch::look() {
  MutexLock lock(mutex_);
  auto now = clock_.monotonic();
  if (now < look_again_) return known_;
  look_again_ = now + kLook;
  auto read = read_attachment(data_dir_, sink_);
  if (!read) {
    logging::warning("whether the {} is attached: {}", sink_, read.error().message);
    return known_;
  }
  if (*read != known_ && *read == Attachment::detached)
    logging::warning("the {} is detached: it gets no events, and the log keeps none for it", sink_);
  if (*read != known_ && known_ == Attachment::detached)
    logging::info("the {} is attached again", sink_);
  known_ = *read;
  return known_;
}

void SinkSwitch::begun() {
  MutexLock lock(mutex_);
  if (known_ != Attachment::reattached) return;
  auto read = read_attachment(data_dir_, sink_);  // a person may have been faster
  if (!read || *read != Attachment::reattached) return;
  Status written = write_attachment(data_dir_, sink_, Attachment::attached);
  if (written) known_ = Attachment::attached;
}

}  // namespace tillrace::app
