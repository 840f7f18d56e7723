#include "processor/lake_reader.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "processor/decode.h"

namespace tillrace::processor {
namespace {

constexpr std::chrono::seconds kPatience{5};  // with records that are there, and on their way

lake::BronzeItem item_of(StoredRecord stored, EventParser& parser) {
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
    : log_(log), partition_(partition), shop_(std::move(shop)), limits_(limits) {}

void LakeReader::set_stop(std::stop_token stop) {
  MutexLock lock(mutex_);
  stop_ = std::move(stop);
}

// The log is asked once where it ends, so that a reading ends however fast records come in.
Result<std::optional<UtcMicros>> LakeReader::begin(Offset from, std::optional<Offset> end) {
  MutexLock lock(mutex_);
  auto ends = end ? Result<Offset>(*end) : log_.end(partition_);
  if (!ends) return fail(ends.error());
  position_ = from;
  end_ = *ends;
  has_end_ = end.has_value();
  bytes_ = 0;
  first_.clear();
  auto first = take();
  if (!first) return fail(first.error());
  first_ = std::move(*first);
  std::optional<UtcMicros> received_at;
  if (!first_.empty()) received_at = first_.front().record.received_at;
  if (!has_end_) oldest_ = received_at;
  return received_at;
}

Result<std::vector<lake::BronzeItem>> LakeReader::next() {
  std::vector<StoredRecord> records;
  {
    MutexLock lock(mutex_);
    auto taken = first_.empty() ? take() : std::exchange(first_, {});
    if (!taken) return fail(taken.error());
    records = std::move(*taken);
  }
  std::vector<lake::BronzeItem> items;
  if (records.empty()) return items;
  items.reserve(records.size());
  EventParser parser(shop_);
  for (StoredRecord& stored : records) items.push_back(item_of(std::move(stored), parser));
  return items;
}

Offset LakeReader::position() const {
  MutexLock lock(mutex_);
  return position_;
}

std::optional<UtcMicros> LakeReader::oldest_received_at() const {
  MutexLock lock(mutex_);
  return oldest_;
}

// Where the log has offsets without records, which Kafka does, it reads on.
Result<std::vector<StoredRecord>> LakeReader::take() {
  std::vector<StoredRecord> records;
  while (records.empty() && position_ < end_) {
    if (!has_end_ && (bytes_ >= limits_.commit_bytes || stop_.stop_requested())) break;
    auto chunk = read_chunk();
    if (!chunk && !has_end_ && stop_.stop_requested()) break;
    if (!chunk) return chunk;
    records = std::move(*chunk);
  }
  return records;
}

Result<std::vector<StoredRecord>> LakeReader::read_chunk() {
  auto fetched = fetch(position_);
  if (!fetched) return fail(fetched.error());
  Offset next = std::min(fetched->next, end_);
  if (next <= position_)
    return fail(Code::unavailable, "{}/{} gives nothing from offset {} on, and ends at {}",
                log_.topic(), partition_.value, position_.value, end_.value);
  std::vector<StoredRecord>& records = fetched->records;
  while (!records.empty() && records.back().offset >= end_) records.pop_back();
  for (const StoredRecord& stored : records)
    bytes_ += stored.record.key.size() + stored.record.value.size();
  position_ = next;
  return std::move(records);
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

}  // namespace tillrace::processor
