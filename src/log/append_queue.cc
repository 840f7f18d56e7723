#include "log/append_queue.h"

#include "log/batch_format.h"

namespace tillrace::log {
namespace {

// The bytes of all records.
Result<std::size_t> check_batch(const std::vector<Record>& batch, std::size_t max_bytes) {
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
  return bytes;
}

// Each part is measured before it is written, so that its bytes are allocated once.
void place_records(const std::vector<Record>& batch, std::int32_t partitions,
                   WaitingBatch& waiting) {
  std::vector<WaitingBatch::Part> parts(static_cast<std::size_t>(partitions));
  std::vector<std::size_t> bytes(parts.size());
  waiting.places.reserve(batch.size());
  for (const auto& record : batch) {
    Partition partition = partition_of(record.key, partitions);
    auto at = static_cast<std::size_t>(partition.value);
    waiting.places.push_back({partition, {parts[at].count++}});
    bytes[at] += encoded_size(record);
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i].partition.value = static_cast<std::int32_t>(i);
    parts[i].records.reserve(bytes[i]);
  }
  for (std::size_t i = 0; i < batch.size(); ++i)
    append_record(parts[static_cast<std::size_t>(waiting.places[i].partition.value)].records,
                  batch[i]);
  std::erase_if(parts, [](const auto& part) { return part.count == 0; });
  waiting.parts = std::move(parts);
}

}  // namespace

Status check_receipt(const Receipt& receipt) {
  if (receipt.key.empty() || receipt.key.size() > kMaxReceiptKeyBytes)
    return fail(Code::invalid, "a receipt's key of {} bytes; 1 to {}", receipt.key.size(),
                kMaxReceiptKeyBytes);
  if (receipt.note.size() > kMaxReceiptNoteBytes)
    return fail(Code::invalid, "a receipt's note of {} bytes; at most {}", receipt.note.size(),
                kMaxReceiptNoteBytes);
  return {};
}

Result<WaitingBatch> encode_waiting(const std::vector<Record>& batch,
                                    std::optional<Receipt> receipt, std::int32_t partitions,
                                    std::size_t max_bytes) {
  auto bytes = check_batch(batch, max_bytes);
  if (!bytes) return fail(bytes.error());
  if (receipt)
    if (Status fits = check_receipt(*receipt); !fits) return fail(fits.error());
  WaitingBatch waiting;
  waiting.bytes = *bytes;
  place_records(batch, partitions, waiting);
  if (receipt) waiting.bytes += receipt->key.size() + receipt->note.size();
  waiting.receipt = std::move(receipt);
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

void AppendQueue::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.notify_one();
}

}  // namespace tillrace::log
