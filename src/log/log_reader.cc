#include "log/log_reader.h"

#include "log/database.h"

namespace tillrace::log {

namespace {
constexpr int kAttempts = 5;
}

struct LogReader::Impl {
  std::filesystem::path path;
  std::unique_ptr<Database> database;
  std::vector<PartitionRange> ranges;

  Status open() {
    auto opened = Database::follow(path);
    if (!opened) return fail(opened.error());
    database = std::move(*opened);
    return take_ranges();
  }

  Status take_ranges() {
    auto now = database->ranges();
    if (!now) return fail(now.error());
    ranges = std::move(*now);
    return {};
  }

  Result<PartitionRange> range(Partition partition) const {
    if (partition.value < 0 || static_cast<std::size_t>(partition.value) >= ranges.size())
      return fail(Code::not_found, "topic {} has no partition {}; 0 to {}", database->info().name,
                  partition.value, ranges.size() - 1);
    return ranges[static_cast<std::size_t>(partition.value)];
  }
};

LogReader::LogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogReader::~LogReader() = default;

Result<std::unique_ptr<LogReader>> LogReader::open(const std::filesystem::path& folder,
                                                   const std::string& topic) {
  if (Status name = check_topic_name(topic); !name) return fail(name.error());
  auto impl = std::make_unique<Impl>();
  impl->path = database_folder(folder, topic);
  if (!std::filesystem::exists(impl->path))
    return fail(Code::not_found, "no topic {} in {}", topic, folder.string());
  if (Status opened = impl->open(); !opened) return fail(opened.error());
  return std::make_unique<LogReader>(std::move(impl));
}

// A follower cannot follow everything, such as its owner's recovery after a crash; then it starts
// anew.
Status LogReader::refresh() {
  if (impl_->database->catch_up() && impl_->take_ranges()) return {};
  return impl_->open();
}

// RocksDB's secondary instance reads the owner's list of tables first and the WAL files then. What
// the owner moves from the one to the other in between is in neither; a second look finds it. Real
// damage stays.
Result<Fetched> LogReader::read(Partition partition, Offset from, const ReadLimits& limits) {
  auto known = impl_->range(partition);
  if (!known) return fail(known.error());
  auto fetched = impl_->database->read(*known, from, limits);
  for (int i = 1; i < kAttempts && !fetched && fetched.error().code == Code::corrupt; ++i) {
    if (Status again = impl_->open(); !again) return fail(again.error());
    fetched = impl_->database->read(impl_->ranges[static_cast<std::size_t>(partition.value)], from,
                                    limits);
  }
  return fetched;
}

Result<Offset> LogReader::first(Partition partition) const {
  return impl_->range(partition).map([](const PartitionRange& known) { return known.first; });
}

Result<Offset> LogReader::end(Partition partition) const {
  return impl_->range(partition).map([](const PartitionRange& known) { return known.end; });
}

const TopicInfo& LogReader::info() const { return impl_->database->info(); }

}  // namespace tillrace::log
