#include "log/receipt_gate.h"

#include <algorithm>

namespace tillrace::log {
namespace {

std::vector<AppendedRange> ranges_of(std::vector<Appended> places) {
  std::sort(places.begin(), places.end());
  std::vector<AppendedRange> ranges;
  for (const Appended& place : places) {
    if (ranges.empty() || ranges.back().partition != place.partition)
      ranges.push_back({place.partition, place.offset, place.offset, 0});
    ranges.back().last = place.offset;
    ++ranges.back().count;
  }
  return ranges;
}

}  // namespace

Result<std::unique_ptr<KafkaBatch>> ReceiptGate::enter(std::unique_ptr<KafkaBatch>& batch) {
  const std::string& key = batch->receipt->key;
  MutexLock lock(mutex_);
  if (auto first = waiting_.find(key); first != waiting_.end()) {
    first->second.push_back(std::move(batch));
    return nullptr;
  }
  auto stored = store_.find(key, clock_.now());
  if (!stored) return fail(stored.error());
  if (*stored) return fail(Code::conflict, "a receipt with this key is stored already");
  waiting_[key];
  return std::move(batch);
}

void ReceiptGate::keep(const SettledBatches& delivered) {
  std::vector<NewReceipt> receipts;
  for (const auto& batch : delivered)
    if (batch->receipt && !batch->failure())
      receipts.push_back({batch->receipt->key, batch->receipt->note, ranges_of(batch->places), {}});
  if (receipts.empty()) return;
  Status kept = store_.put(std::move(receipts), clock_.now());
  if (kept) return;
  for (const auto& batch : delivered)
    if (batch->receipt) batch->fail_with({Code::unavailable, kept.error().message});
}

std::deque<std::unique_ptr<KafkaBatch>> ReceiptGate::leave(const std::string& key,
                                                           bool was_stored) {
  MutexLock lock(mutex_);
  auto at = waiting_.find(key);
  std::deque<std::unique_ptr<KafkaBatch>> free = std::move(at->second);
  if (was_stored || free.empty()) {
    waiting_.erase(at);
    return free;
  }
  at->second.assign(std::make_move_iterator(free.begin() + 1), std::make_move_iterator(free.end()));
  free.resize(1);
  return free;
}

}  // namespace tillrace::log
