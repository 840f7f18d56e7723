#include "log/wal_check.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "log/batch_format.h"
#include "log/database_options.h"
#include "log/receipt_format.h"
#include "log/rocksdb_words.h"

namespace tillrace::log {
namespace {

constexpr std::string_view kMarkName = "till";

}  // namespace

void put_wal_mark(rocksdb::WriteBatch& write, std::int64_t records_before) {
  char mark[12];
  std::memcpy(mark, kMarkName.data(), kMarkName.size());
  std::memcpy(mark + kMarkName.size(), &records_before, sizeof records_before);
  write.PutLogData(rocksdb::Slice(mark, sizeof mark));
}

// What one write holds: its mark, its batches, and the numbers of the receipts that it stores and
// removes.
class WalCheck::Contents final : public rocksdb::WriteBatch::Handler {
 public:
  struct Batch {
    std::uint32_t column_family;
    std::string_view key;
    std::string_view value;
  };

  explicit Contents(std::optional<std::uint32_t> receipts_family)
      : receipts_family_(receipts_family) {}

  rocksdb::Status PutCF(std::uint32_t column_family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    if (column_family == receipts_family_)
      take_number(key, stored_);
    else if (column_family != 0)
      batches_.push_back({column_family, view(key), view(value)});
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(std::uint32_t column_family, const rocksdb::Slice& key) override {
    if (column_family != receipts_family_)
      return rocksdb::Status::Corruption("a removal from other than the receipts");
    take_number(key, removed_);
    return rocksdb::Status::OK();
  }
  void LogData(const rocksdb::Slice& mark) override {
    if (mark.size() != kMarkName.size() + 8 || !view(mark).starts_with(kMarkName)) return;
    std::int64_t records_before;
    std::memcpy(&records_before, mark.data() + kMarkName.size(), sizeof records_before);
    mark_ = records_before;
  }

  const std::vector<Batch>& batches() const { return batches_; }
  const std::vector<std::uint64_t>& stored_receipts() const { return stored_; }
  bool removes(std::uint64_t receipt) const {
    return std::find(removed_.begin(), removed_.end(), receipt) != removed_.end();
  }
  std::optional<std::int64_t> mark() const { return mark_; }

 private:
  static void take_number(const rocksdb::Slice& key, std::vector<std::uint64_t>& numbers) {
    if (auto number = decode_order_key(view(key))) numbers.push_back(*number);
  }

  const std::optional<std::uint32_t> receipts_family_;
  std::vector<Batch> batches_;
  std::vector<std::uint64_t> stored_;
  std::vector<std::uint64_t> removed_;
  std::optional<std::int64_t> mark_;
};

void WalCheck::ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>&,
                                        const std::map<std::string, std::uint32_t>& ids) {
  for (const auto& [name, id] : ids) {
    std::int32_t partition = 0;
    if (name == kReceiptsFamily)
      receipts_family_ = id;
    else if (name.starts_with('p') &&
             std::from_chars(name.data() + 1, name.data() + name.size(), partition).ec ==
                 std::errc())
      partitions_[id] = {partition};
  }
}

rocksdb::WalFilter::WalProcessingOption WalCheck::LogRecordFound(unsigned long long,
                                                                 const std::string& wal_name,
                                                                 const rocksdb::WriteBatch& write,
                                                                 rocksdb::WriteBatch*, bool*) {
  if (Status taken = take(write, wal_name); !taken) {
    problem_ = taken.error();
    return WalProcessingOption::kCorruptedRecord;
  }
  return WalProcessingOption::kContinueProcessing;
}

Status WalCheck::take(const rocksdb::WriteBatch& write, const std::string& wal_name) {
  Contents contents(receipts_family_);
  if (rocksdb::Status read = write.Iterate(&contents); !read.ok())
    return fail(Code::corrupt, "{}: {}", wal_name, read.ToString());
  if (contents.batches().empty()) return {};  // RocksDB's own, or the record that names the topic
  if (!contents.mark()) return fail(Code::corrupt, "{}: a write without its mark", wal_name);
  if (records_ && *records_ != *contents.mark())
    return fail(Code::corrupt,
                "{}: a hole: the log holds {} records, then a write follows that came after {}",
                wal_name, *records_, *contents.mark());
  records_ = contents.mark();
  if (Status taken = take_batches(contents, wal_name); !taken) return taken;
  return take_receipts(contents, wal_name);
}

Status WalCheck::take_batches(const Contents& contents, const std::string& wal_name) {
  for (const auto& batch : contents.batches()) {
    auto partition = partitions_.find(batch.column_family);
    if (partition == partitions_.end())
      return fail(Code::corrupt, "{}: a write to an unknown column family {}", wal_name,
                  batch.column_family);
    auto base = decode_batch_key(batch.key, partition->second);
    if (!base) return fail(base.error(), wal_name);
    auto decoder = BatchDecoder::open(batch.value, {partition->second, *base});
    if (!decoder) return fail(decoder.error(), wal_name);
    auto [known, fresh] = replayed_.try_emplace(partition->second, Replayed{*base, *base});
    if (known->second.end != *base)
      return fail(Code::corrupt,
                  "{}: a hole: partition {} ends at offset {}, then a batch follows at {}",
                  wal_name, partition->second.value, known->second.end.value, base->value);
    known->second.end.value += decoder->count();
    *records_ += decoder->count();
  }
  return {};
}

// A receipt's number follows from the one before it; the first one's must be stored, or be removed
// by some write.
Status WalCheck::take_receipts(const Contents& contents, const std::string& wal_name) {
  for (std::uint64_t number : contents.stored_receipts()) {
    if (next_receipt_ && *next_receipt_ != number)
      return fail(Code::corrupt, "{}: a hole: receipt {} is wanted, then {} follows", wal_name,
                  *next_receipt_, number);
    if (!next_receipt_ && number > 0) first_joining_receipt_ = number;
    next_receipt_ = number + 1;
  }
  if (first_joining_receipt_ && contents.removes(*first_joining_receipt_ - 1))
    first_joining_receipt_.reset();
  return {};
}

}  // namespace tillrace::log
