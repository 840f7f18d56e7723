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

void LakeReader::set_stop(std::stop_token stop) {
  drop_ahead();
  stop_ = std::move(stop);
}

void LakeReader::begin(Offset from, std::optional<Offset> end) {
  drop_ahead();
  position_ = from;
  given_end_ = end_ = end;
  bytes_ = 0;
  chunk_.clear();
  at_ = 0;
  if (!end) oldest_.reset();
}

Result<const lake::BronzeReader::Item*> LakeReader::next() {
  while (at_ == chunk_.size()) {
    auto end = this->end();
    if (!end) return fail(end.error());
    if (ends_here(*end)) return nullptr;
    auto chunk = next_chunk(*end);
    if (!chunk) return fail(chunk.error());
    chunk_ = std::move(chunk->items);
    bytes_ += chunk->bytes;
    position_ = chunk->next;
    at_ = 0;
  }
  return &chunk_[at_++];
}

// Asked once a reading, so that it ends however fast records come in.
Result<Offset> LakeReader::end() {
  if (end_) return *end_;
  auto end = log_.end(partition_);
  if (!end) return fail(end.error());
  end_ = *end;
  return *end_;
}

bool LakeReader::ends_here(Offset end) const {
  if (position_ >= end) return true;
  return !given_end_ && (bytes_ >= limits_.commit_bytes || stop_.stop_requested());
}

// The one that was read ahead, or what the log has; and goes on to the next behind it.
Result<LakeReader::Chunk> LakeReader::next_chunk(Offset end) {
  if (ahead_thread_.joinable()) ahead_thread_.join();
  auto ahead = std::exchange(ahead_, std::nullopt);
  auto chunk = ahead ? std::move(*ahead) : read_chunk(position_, end);
  if (!chunk || chunk->next >= end) return chunk;
  ahead_thread_ = named_thread("decode", [this, from = chunk->next, end](const std::stop_token&) {
    ahead_ = read_chunk(from, end);
  });
  return chunk;
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

// On either thread, one at a time.
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
    if (!oldest_) oldest_ = stored.record.received_at;
    chunk.items.push_back(item_of(std::move(stored), parser_));
  }
  return chunk;
}

void LakeReader::drop_ahead() {
  if (ahead_thread_.joinable()) ahead_thread_.join();
  ahead_.reset();
}

}  // namespace tillrace::processor
