#include "log/receipts.h"

#include <rocksdb/iterator.h>

#include <limits>
#include <memory>

#include "base/check.h"
#include "log/rocksdb_words.h"

namespace tillrace::log {
namespace {

constexpr std::int64_t kMicrosPerHour = 3'600'000'000;
constexpr std::size_t kRemovedPerNew = 2;
constexpr std::string_view kReading = "cannot read the receipts";

}  // namespace

Result<Receipts> Receipts::open(rocksdb::DB& db, rocksdb::ColumnFamilyHandle& family,
                                const ReceiptLimits& limits) {
  Receipts receipts(db, family, limits);
  if (Status read = receipts.read_numbers(); !read) return fail(read.error());
  return receipts;
}

// The newest receipt is never removed but by a newer one, so that the numbers go on after a start.
Status Receipts::read_numbers() {
  std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator({}, &family_));
  auto number_at = [&]() -> Result<std::uint64_t> {
    auto order = decode_order(view(at->key()), view(at->value()));
    return order.map([](const ReceiptOrder& read) { return read.number; });
  };
  at->SeekToLast();
  if (!at->status().ok()) return rocksdb_error(at->status(), kReading);
  if (!at->Valid()) return {};
  auto last = number_at();
  if (!last) return fail(last.error());
  next_ = *last + 1;
  at->Seek(encode_order_key(0));
  if (!at->status().ok()) return rocksdb_error(at->status(), kReading);
  auto first = number_at();
  if (!first) return fail(first.error());
  first_ = *first;
  return {};
}

Result<std::optional<ReceiptEntry>> Receipts::find(std::string_view key) const {
  rocksdb::PinnableSlice value;
  auto status = db_.Get({}, &family_, encode_receipt_key(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return rocksdb_error(status, kReading);
  auto entry = decode_receipt(view(value));
  if (!entry) return fail(entry.error());
  return std::move(*entry);
}

bool Receipts::is_too_old(UtcMicros stored_at, UtcMicros now) const {
  return now.value - stored_at.value > limits_.max_age_h * kMicrosPerHour;
}

Status Receipts::add(rocksdb::WriteBatch& write, const std::vector<NewReceipt>& receipts,
                     UtcMicros now) {
  if (receipts.empty()) return {};
  if (Status removed = remove_old(write, receipts.size(), now); !removed) return removed;
  for (const auto& receipt : receipts) put(write, receipt, now);
  return {};
}

Status Receipts::remove_old(rocksdb::WriteBatch& write, std::size_t fresh, UtcMicros now) {
  std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator({}, &family_));
  at->Seek(encode_order_key(first_));
  for (std::size_t left = fresh * kRemovedPerNew; left > 0 && at->Valid(); --left, at->Next()) {
    auto order = decode_order(view(at->key()), view(at->value()));
    if (!order) return fail(order.error());
    bool too_many = next_ + fresh - order->number > limits_.max_count;
    if (!too_many && !is_too_old(order->stored_at, now)) break;
    CHECK(write.Delete(&family_, encode_receipt_key(order->key)).ok());
    CHECK(write.Delete(&family_, at->key()).ok());
    first_ = order->number + 1;
  }
  if (!at->status().ok()) return rocksdb_error(at->status(), kReading);
  return {};
}

void Receipts::put(rocksdb::WriteBatch& write, const NewReceipt& receipt, UtcMicros now) {
  if (receipt.replaces) CHECK(write.Delete(&family_, encode_order_key(*receipt.replaces)).ok());
  ReceiptEntry entry{next_++, {std::string(receipt.note), now, receipt.ranges}};
  CHECK(write.Put(&family_, encode_receipt_key(receipt.key), encode_receipt(entry)).ok());
  CHECK(write.Put(&family_, encode_order_key(entry.number), encode_order(now, receipt.key)).ok());
}

}  // namespace tillrace::log
