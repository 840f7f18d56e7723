#include "log/wal_check.h"

#include <rocksdb/slice.h>

#include <charconv>
#include <cstring>
#include <vector>

#include "log/batch_format.h"

namespace tillrace::log {
namespace {

constexpr std::string_view kMarkName = "till";

std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace

void put_wal_mark(rocksdb::WriteBatch& write, std::int64_t records_before) {
  char mark[12];
  std::memcpy(mark, kMarkName.data(), kMarkName.size());
  std::memcpy(mark + kMarkName.size(), &records_before, sizeof records_before);
  write.PutLogData(rocksdb::Slice(mark, sizeof mark));
}

// What one write holds: its mark and its batches.
class WalCheck::Contents final : public rocksdb::WriteBatch::Handler {
 public:
  struct Batch {
    std::uint32_t column_family;
    std::string_view key;
    std::string_view value;
  };

  rocksdb::Status PutCF(std::uint32_t column_family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    if (column_family != 0) batches_.push_back({column_family, view(key), view(value)});
    return rocksdb::Status::OK();
  }
  void LogData(const rocksdb::Slice& mark) override {
    if (mark.size() != kMarkName.size() + 8 || !view(mark).starts_with(kMarkName)) return;
    std::int64_t records_before;
    std::memcpy(&records_before, mark.data() + kMarkName.size(), sizeof records_before);
    mark_ = records_before;
  }

  const std::vector<Batch>& batches() const { return batches_; }
  std::optional<std::int64_t> mark() const { return mark_; }

 private:
  std::vector<Batch> batches_;
  std::optional<std::int64_t> mark_;
};

void WalCheck::ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>&,
                                        const std::map<std::string, std::uint32_t>& ids) {
  for (const auto& [name, id] : ids) {
    std::int32_t partition = 0;
    if (name.starts_with('p') &&
        std::from_chars(name.data() + 1, name.data() + name.size(), partition).ec == std::errc())
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
  Contents contents;
  if (rocksdb::Status read = write.Iterate(&contents); !read.ok())
    return fail(Code::corrupt, "{}: {}", wal_name, read.ToString());
  if (contents.batches().empty()) return {};  // RocksDB's own, or the record that names the topic
  if (!contents.mark()) return fail(Code::corrupt, "{}: a write without its mark", wal_name);
  if (records_ && *records_ != *contents.mark())
    return fail(Code::corrupt,
                "{}: a hole: the log holds {} records, then a write follows that came after {}",
                wal_name, *records_, *contents.mark());
  records_ = contents.mark();
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

}  // namespace tillrace::log
