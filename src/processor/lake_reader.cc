#include "processor/lake_reader.h"

#include <algorithm>
#include <utility>

#include "base/thread.h"
#include "processor/decode.h"

namespace tillrace::processor {
namespace {

constexpr std::chrono::seconds kPatience{5};  // with records that are there, and on their way

lake::BronzeReader::Item item_of(StoredRecord stored, EventParser& parser) {
  auto decoded = decode(stored, parser);
  if (decoded) return lake::BronzeEvent{decoded->id, std::move(decoded->event), std::move(stored)};
  warehouse::RejectedRecord& why = decoded.error();
  Record record{std::move(why.key), std::move(why.value), why.event_id, why.received_at};
  return lake::BronzeRejected{{why.offset, std::move(record)},
                              std::string(name(why.kind)),
                              std::move(why.field),
                              std::move(why.reason)};
}

}  // namespace

LakeReader::LakeReader(log::Log& log, Partition partition, TimeZone shop, LakeReaderLimits limits)
    : log_(log), partition_(partition), limits_(limits), parser_(std::move(shop)) {}

LakeReader::~LakeReader() { end_reading(); }

void LakeReader::set_stop(std::stop_token stop) {
  end_reading();
  stop_ = std::move(stop);
}

void LakeReader::begin(Offset from, std::optional<Offset> end) {
  end_reading();
  position_ = from;
  chunk_.clear();
  at_ = 0;
  has_end_ = end.has_value();
  if (!has_end_) oldest_.reset();
  {
    MutexLock lock(mutex_);
    is_over_ = is_unwanted_ = false;
  }
  thread_ = named_thread("decode", [this, from, end](const std::stop_token&) {
    read(from, end);
    MutexLock lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  });
}

void LakeReader::end_reading() {
  {
    MutexLock lock(mutex_);
    is_unwanted_ = true;
    changed_.notify_all();
  }
  thread_ = {};
  MutexLock lock(mutex_);
  ahead_.clear();
  spent_.clear();
}

Result<const lake::BronzeReader::Item*> LakeReader::next() {
  while (at_ == chunk_.size()) {
    auto chunk = take();
    if (!chunk) return nullptr;
    if (!*chunk) return fail(chunk->error());
    chunk_ = std::move((*chunk)->items);
    position_ = (*chunk)->next;
    at_ = 0;
    if (!has_end_ && !oldest_) note_oldest();
  }
  return &chunk_[at_++];
}

void LakeReader::note_oldest() {
  if (chunk_.empty()) return;
  oldest_ =
      std::visit([](const auto& item) { return item.stored.record.received_at; }, chunk_.front());
}

std::optional<Result<LakeReader::Chunk>> LakeReader::take() {
  MutexLock lock(mutex_);
  while (ahead_.empty() && !is_over_) lock.wait(changed_);
  if (ahead_.empty()) return std::nullopt;
  auto chunk = std::move(ahead_.front());
  ahead_.pop_front();
  spent_.push_back(std::move(chunk_));
  changed_.notify_all();
  return chunk;
}

bool LakeReader::put(Result<Chunk> chunk) {
  MutexLock lock(mutex_);
  while (ahead_.size() >= limits_.chunks_ahead && !is_unwanted_) lock.wait(changed_);
  if (is_unwanted_) return false;
  ahead_.push_back(std::move(chunk));
  changed_.notify_all();
  return true;
}

void LakeReader::free_spent() {
  std::vector<std::vector<Item>> spent;
  MutexLock lock(mutex_);
  spent.swap(spent_);
}

// The log is asked once where it ends, so that a reading ends however fast records come in.
void LakeReader::read(Offset from, std::optional<Offset> given_end) {
  Result<Offset> end = given_end ? Result<Offset>(*given_end) : log_.end(partition_);
  if (!end) return static_cast<void>(put(fail(end.error())));
  for (std::size_t bytes = 0; from < *end;) {
    if (!given_end && (bytes >= limits_.commit_bytes || stop_.stop_requested())) return;
    auto chunk = read_chunk(from, *end);
    if (!chunk) return static_cast<void>(put(std::move(chunk)));
    from = chunk->next;
    bytes += chunk->bytes;
    if (!put(std::move(chunk))) return;
    free_spent();
  }
}

// Kafka may be asked for what it has not fetched yet.
Result<log::Fetched> LakeReader::fetch(Offset from) {
  const log::ReadLimits limits{limits_.chunk_records, limits_.chunk_bytes};
  auto fetched = log_.read(partition_, from, limits);
  if (!fetched || fetched->next > from) return fetched;
  auto there = log_.wait_for(partition_, from, kPatience, stop_);
  if (!there) return fail(there.error());
  return log_.read(partition_, from, limits);
}

Result<LakeReader::Chunk> LakeReader::read_chunk(Offset from, Offset end) {
  auto fetched = fetch(from);
  if (!fetched) return fail(fetched.error());
  Chunk chunk;
  chunk.next = std::min(fetched->next, end);
  if (chunk.next <= from)
    return fail(Code::unavailable, "{}/{} gives nothing from offset {} on, and ends at {}",
                log_.topic(), partition_.value, from.value, end.value);
  chunk.items.reserve(fetched->records.size());
  for (StoredRecord& stored : fetched->records) {
    if (stored.offset >= end) break;
    chunk.bytes += stored.record.key.size() + stored.record.value.size();
    chunk.items.push_back(item_of(std::move(stored), parser_));
  }
  return chunk;
}

}  // namespace tillrace::processor
