#include "log/append_queue.h"

#include "log/batch_format.h"

namespace tillrace::log {
namespace {

Status check_batch(const std::vector<Record>& batch, std::size_t max_bytes) {
  if (batch.empty()) return fail(Code::invalid, "a batch holds at least one record");
  std::size_t bytes = 0;
  for (const auto& record : batch) {
    if (record.key.size() > kMaxKeyBytes)
      return fail(Code::invalid, "a key of {} bytes; at most {}", record.key.size(), kMaxKeyBytes);
    bytes += encoded_size(record);
  }
  if (bytes > max_bytes)
    return fail(Code::invalid, "a batch of {} bytes; at most max_batch_bytes, {}; send it in parts",
                bytes, max_bytes);
  return {};
}

}  // namespace

Result<WaitingBatch> encode_waiting(const std::vector<Record>& batch, std::int32_t partitions,
                                    std::size_t max_bytes) {
  if (Status fits = check_batch(batch, max_bytes); !fits) return fail(fits.error());
  std::vector<BatchEncoder> encoders(static_cast<std::size_t>(partitions));
  WaitingBatch waiting;
  waiting.places.reserve(batch.size());
  for (const auto& record : batch) {
    Partition partition = partition_of(record.key, partitions);
    auto& encoder = encoders[static_cast<std::size_t>(partition.value)];
    waiting.places.push_back({partition, {encoder.count()}});
    encoder.add(record);
    waiting.bytes += encoded_size(record);
  }
  for (std::int32_t i = 0; i < partitions; ++i) {
    auto& encoder = encoders[static_cast<std::size_t>(i)];
    std::uint32_t count = encoder.count();
    if (count == 0) continue;
    waiting.parts.push_back({{i}, count, encoder.take()});
  }
  return waiting;
}

Status AppendQueue::push(WaitingBatch& batch) {
  MutexLock lock(mutex_);
  if (closed_) return fail(Code::shutting_down, "the log is stopping and takes nothing more");
  if (waiting_bytes_ + batch.bytes > max_bytes_)
    return fail(Code::exhausted,
                "{} bytes wait to be written to the log already; at most max_waiting_bytes, {}",
                waiting_bytes_, max_bytes_);
  waiting_bytes_ += batch.bytes;
  batches_.push_back(std::move(batch));
  changed_.notify_one();
  return {};
}

std::vector<WaitingBatch> AppendQueue::take(std::size_t max_bytes) {
  MutexLock lock(mutex_);
  while (batches_.empty() && !closed_) lock.wait(changed_);
  std::vector<WaitingBatch> taken;
  std::size_t bytes = 0;
  while (!batches_.empty() && (taken.empty() || bytes + batches_.front().bytes <= max_bytes)) {
    bytes += batches_.front().bytes;
    taken.push_back(std::move(batches_.front()));
    batches_.pop_front();
  }
  return taken;
}

void AppendQueue::answered(std::size_t bytes) {
  MutexLock lock(mutex_);
  waiting_bytes_ -= bytes;
}

std::size_t AppendQueue::waiting_bytes() {
  MutexLock lock(mutex_);
  return waiting_bytes_;
}

void AppendQueue::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.notify_one();
}

}  // namespace tillrace::log
