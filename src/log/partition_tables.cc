#include "log/partition_tables.h"

#include <rocksdb/convenience.h>
#include <rocksdb/iterator.h>
#include <rocksdb/metadata.h>

#include <algorithm>
#include <memory>

#include "log/batch_format.h"
#include "log/rocksdb_words.h"

namespace tillrace::log {
namespace {

constexpr std::int64_t kMicrosPerHour = 3'600'000'000;
// What waits in memory goes to a table after this part of the greatest age, so that it is dropped
// by so much too late at most.
constexpr std::int64_t kFlushesPerAge = 8;
const std::string kBehindAllKeys(9, '\xff');

rocksdb::ReadOptions read_once() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  return options;
}

}  // namespace

std::vector<Table> PartitionTables::all() const {
  rocksdb::ColumnFamilyMetaData stored;
  db_.GetColumnFamilyMetaData(&family_, &stored);
  std::vector<Table> tables;
  for (const auto& level : stored.levels)
    for (const auto& file : level.files)
      tables.push_back({file.smallestkey, file.largestkey, file.size, level.level});
  std::sort(tables.begin(), tables.end(),
            [](const Table& a, const Table& b) { return a.first_key < b.first_key; });
  return tables;
}

// Of the latest record in the batch under `at`.
Result<UtcMicros> PartitionTables::received_at(const rocksdb::Iterator& at) const {
  auto base = decode_batch_key(view(at.key()), partition_);
  if (!base) return fail(base.error());
  auto batch = BatchDecoder::open(view(at.value()), {partition_, *base});
  if (!batch) return fail(batch.error());
  UtcMicros latest{std::numeric_limits<std::int64_t>::min()};
  while (batch->left() > 0) {
    auto record = batch->next();
    if (!record) return fail(record.error());
    latest = std::max(latest, record->received_at);
  }
  return latest;
}

Result<UtcMicros> PartitionTables::last_received_at(const Table& table) const {
  std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator(read_once(), &family_));
  at->Seek(table.last_key);
  if (!at->status().ok()) return rocksdb_error(at->status(), "cannot read a table's last batch");
  if (!at->Valid())
    return fail(Code::corrupt, "partition {}: a table without its last batch", partition_.value);
  return received_at(*at);
}

Result<std::vector<Table>> PartitionTables::droppable(const DropRule& rule) const {
  const auto& [flushed, retention, now] = rule;
  auto tables = all();
  std::uint64_t kept_bytes = 0;
  for (const auto& table : tables) kept_bytes += table.bytes;
  std::size_t old = 0;
  for (; old + 1 < tables.size(); ++old) {
    const Table& table = tables[old];
    auto next = decode_batch_key(tables[old + 1].first_key, partition_);
    if (!next) return fail(next.error());
    if (*next > flushed || table.level == 0) break;  // RocksDB drops nothing from level 0
    auto received = last_received_at(table);
    if (!received) return fail(received.error());
    std::int64_t age = now.value - received->value;
    if (age <= retention.safety_h * kMicrosPerHour) break;
    bool too_old = retention.max_age_h > 0 && age > retention.max_age_h * kMicrosPerHour;
    bool too_many = retention.max_bytes > 0 && kept_bytes > retention.max_bytes;
    if (!too_old && !too_many) break;
    kept_bytes -= table.bytes;
  }
  tables.resize(old);
  return tables;
}

Result<Offset> PartitionTables::drop(const Table& table) {
  rocksdb::Slice first(table.first_key), last(table.last_key);
  auto status = rocksdb::DeleteFilesInRange(&db_, &family_, &first, &last);
  if (!status.ok()) return rocksdb_error(status, "cannot drop a table");
  return decode_batch_key(all().front().first_key, partition_);
}

Status PartitionTables::flush_old(const DropRule& rule) {
  if (rule.retention.max_age_h == 0) return {};
  auto tables = all();
  std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator(read_once(), &family_));
  if (tables.empty()) {
    at->SeekToFirst();
  } else {
    at->Seek(tables.back().last_key);
    if (at->Valid()) at->Next();
  }
  if (!at->status().ok()) return rocksdb_error(at->status(), "cannot read the newest records");
  if (!at->Valid()) return {};
  auto received = received_at(*at);
  if (!received) return fail(received.error());
  std::int64_t patience = rule.retention.max_age_h * kMicrosPerHour / kFlushesPerAge;
  if (rule.now.value - received->value <= patience) return {};
  rocksdb::FlushOptions at_once;
  at_once.allow_write_stall = true;
  auto status = db_.Flush(at_once, &family_);
  if (!status.ok()) return rocksdb_error(status, "cannot write the newest records to a table");
  return {};
}

Result<std::uint64_t> PartitionTables::bytes_after(Offset from) const {
  std::string first_key = encode_batch_key(from);
  rocksdb::Range range(first_key, kBehindAllKeys);
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  std::uint64_t bytes = 0;
  auto status = db_.GetApproximateSizes(options, &family_, &range, 1, &bytes);
  if (!status.ok()) return rocksdb_error(status, "cannot tell the size of what is stored");
  return bytes;
}

}  // namespace tillrace::log
