#include "log/database.h"

#include <rocksdb/convenience.h>
#include <rocksdb/iterator.h>

#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "log/batch_format.h"
#include "log/database_options.h"
#include "log/rocksdb_words.h"
#include "log/topic_info.h"
#include "log/wal_tail.h"

namespace tillrace::log {
namespace {

constexpr auto kCutTailOnly = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
constexpr auto kUpToDamage = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
constexpr int kFollowAttempts = 5;

std::string opening(const std::filesystem::path& path) {
  return fmt::format("cannot open the log in {}", path.string());
}

std::string family_name(std::size_t partition) { return fmt::format("p{}", partition); }

// The column families, and their order in Database.
std::vector<rocksdb::ColumnFamilyDescriptor> families_of(std::size_t partitions, bool has_receipts,
                                                         const rocksdb::Options& options) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, options);
  for (std::size_t i = 0; i < partitions; ++i) families.emplace_back(family_name(i), options);
  if (has_receipts) families.emplace_back(std::string(kReceiptsFamily), receipts_options(options));
  return families;
}

// Those that the database has.
Result<std::vector<rocksdb::ColumnFamilyDescriptor>> stored_families(
    const std::filesystem::path& path, const rocksdb::Options& options) {
  std::vector<std::string> names;
  if (auto listed = rocksdb::DB::ListColumnFamilies(options, path, &names); !listed.ok())
    return rocksdb_error(listed, opening(path));
  std::size_t receipts =
      static_cast<std::size_t>(std::count(names.begin(), names.end(), kReceiptsFamily));
  return families_of(names.size() - 1 - receipts, receipts > 0, options);
}

// A batch under an iterator.
struct StoredBatch {
  Offset base;
  BatchDecoder decoder;
  Offset end() const { return {base.value + decoder.count()}; }
};

Result<StoredBatch> batch_at(const rocksdb::Iterator& at, Partition partition) {
  auto base = decode_batch_key(view(at.key()), partition);
  if (!base) return fail(base.error());
  auto decoder = BatchDecoder::open(view(at.value()), {partition, *base});
  if (!decoder) return fail(decoder.error());
  return StoredBatch{*base, *decoder};
}

// The error that ended an iteration, if it was one.
Status ended_well(const rocksdb::Iterator& at, Partition partition) {
  if (at.status().ok()) return {};
  return rocksdb_error(at.status(), fmt::format("cannot read partition {}", partition.value));
}

bool is_full(const Fetched& fetched, std::size_t bytes, std::size_t next_bytes,
             const ReadLimits& limits) {
  if (fetched.records.empty()) return false;
  return fetched.records.size() >= limits.max_records || bytes + next_bytes > limits.max_bytes;
}

// Moves the batch's records from fetched.next on over to `fetched`; false when a limit ended it.
Result<bool> take_records(StoredBatch batch, const ReadLimits& limits, std::size_t& bytes,
                          Fetched& fetched) {
  for (Offset offset = batch.base; offset < batch.end(); ++offset.value) {
    auto record = batch.decoder.next();
    if (!record) return fail(record.error());
    if (offset < fetched.next) continue;
    std::size_t record_bytes = record->key.size() + record->value.size();
    if (is_full(fetched, bytes, record_bytes, limits)) return false;
    bytes += record_bytes;
    fetched.records.push_back({offset, Record{std::string(record->key), std::string(record->value),
                                              record->event_id, record->received_at}});
    ++fetched.next.value;
  }
  return true;
}

// Gathers the pieces without a copy in between.
void put_batch(rocksdb::WriteBatch& write, rocksdb::ColumnFamilyHandle& family,
               const NewBatch& batch) {
  std::string base = encode_batch_key(batch.base), header = encode_batch_header(batch.count);
  std::vector<rocksdb::Slice> pieces{header};
  for (std::string_view records : batch.records) pieces.push_back(slice(records));
  rocksdb::Slice key(base);
  auto status = write.Put(&family, rocksdb::SliceParts(&key, 1),
                          rocksdb::SliceParts(pieces.data(), static_cast<int>(pieces.size())));
  CHECK(status.ok());
}

}  // namespace

std::filesystem::path topic_folder(const std::filesystem::path& folder, std::string_view topic) {
  return folder / topic;
}

std::filesystem::path database_folder(const std::filesystem::path& folder, std::string_view topic) {
  return topic_folder(folder, topic) / "db";
}

Status Database::create(const std::filesystem::path& path, const TopicInfo& info) {
  rocksdb::Options options = database_options({}, kCutTailOnly);
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.error_if_exists = true;
  Database made;
  rocksdb::DB* db = nullptr;
  auto families = families_of(static_cast<std::size_t>(info.partitions), true, options);
  auto status = rocksdb::DB::Open(options, path, families, &made.families_, &db);
  made.db_.reset(db);
  if (status.ok())
    status = db->Put({}, made.families_[0], slice(kTopicInfoKey), encode_topic_info(info));
  if (status.ok()) status = db->Flush({}, made.families_[0]);
  if (!status.ok())
    return rocksdb_error(status, fmt::format("cannot make a log in {}", path.string()));
  return {};
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& path,
                                                 const DatabaseOptions& options) {
  auto mode = kCutTailOnly;
  Status whole = check(path, options, mode);
  if (!whole && whole.error().code == Code::corrupt) {
    auto wal = check_wal_files(path);
    if (wal && *wal == WalState::torn_tail) whole = check(path, options, mode = kUpToDamage);
  }
  if (!whole) return fail(whole.error());
  return open_checked(path, options, mode);
}

// Replays the WAL into memory only: opening for writing would make what it finds final.
Status Database::check(const std::filesystem::path& path, const DatabaseOptions& options,
                       rocksdb::WALRecoveryMode mode) {
  WalCheck wal;
  rocksdb::Options set = database_options(options, mode);
  set.wal_filter = &wal;
  auto families = stored_families(path, set);
  if (!families) return fail(families.error());
  Database database;
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::OpenForReadOnly(set, path, *families, &database.families_, &db);
  database.db_.reset(db);
  std::string doing = opening(path);
  if (!status.ok() && wal.problem()) return fail(*wal.problem(), doing);
  if (!status.ok()) return rocksdb_error(status, doing);
  if (Status read = database.read_info(); !read) return fail(read.error(), doing);
  if (Status whole = database.check_recovered(wal); !whole) return fail(whole.error(), doing);
  return {};
}

Result<std::unique_ptr<Database>> Database::open_checked(const std::filesystem::path& path,
                                                         const DatabaseOptions& options,
                                                         rocksdb::WALRecoveryMode mode) {
  rocksdb::Options set = database_options(options, mode);
  set.create_missing_column_families =
      true;  // receipts, where an earlier version made the database
  auto families = stored_families(path, set);
  if (!families) return fail(families.error());
  if (families->back().name != kReceiptsFamily)
    families->emplace_back(std::string(kReceiptsFamily), receipts_options(set));
  auto database = std::make_unique<Database>();
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::Open(set, path, *families, &database->families_, &db);
  database->db_.reset(db);
  if (!status.ok()) return rocksdb_error(status, opening(path));
  if (Status read = database->read_info(); !read) return fail(read.error(), opening(path));
  if (Status read = database->open_receipts(options.receipts); !read)
    return fail(read.error(), opening(path));
  return database;
}

// The owner may remove a file between our reading its name and opening it; a second look then finds
// the file that took its place.
Result<std::unique_ptr<Database>> Database::follow(const std::filesystem::path& path) {
  auto followed = follow_once(path);
  for (int i = 1; i < kFollowAttempts && !followed; ++i) followed = follow_once(path);
  return followed;
}

Result<std::unique_ptr<Database>> Database::follow_once(const std::filesystem::path& path) {
  rocksdb::Options set = follower_options();
  auto families = stored_families(path, set);
  if (!families) return fail(families.error());
  auto database = std::make_unique<Database>();
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::OpenAsSecondary(set, path, path, *families, &database->families_, &db);
  database->db_.reset(db);
  if (!status.ok()) return rocksdb_error(status, opening(path));
  if (Status read = database->read_info(); !read) return fail(read.error(), opening(path));
  return database;
}

Database::~Database() {
  if (!db_) return;
  for (auto* handle : families_) db_->DestroyColumnFamilyHandle(handle);
}

rocksdb::ColumnFamilyHandle* Database::family(Partition partition) {
  CHECK(partition.value >= 0 && partition.value < info_.partitions);
  return families_[static_cast<std::size_t>(partition.value) + 1];
}

Status Database::read_info() {
  std::string text;
  auto status = db_->Get({}, families_[0], slice(kTopicInfoKey), &text);
  if (!status.ok()) return rocksdb_error(status, "which topic it is");
  auto info = decode_topic_info(text);
  if (!info) return fail(info.error());
  std::size_t receipts = families_.back()->GetName() == kReceiptsFamily ? 1 : 0;
  if (static_cast<std::size_t>(info->partitions) + 1 + receipts != families_.size())
    return fail(Code::corrupt, "{} partitions, but {} column families", info->partitions,
                families_.size() - receipts);
  info_ = *info;
  return {};
}

Status Database::open_receipts(const ReceiptLimits& limits) {
  auto opened = Receipts::open(*db_, *families_.back(), limits);
  if (!opened) return fail(opened.error());
  receipts_.emplace(*opened);
  return {};
}

// That the WAL joins on to the files without a hole, and that nothing of what it counts is missing.
Status Database::check_recovered(const WalCheck& wal) {
  for (const auto& [partition, replayed] : wal.replayed())
    if (Status joined = check_joined(partition, replayed.first); !joined) return joined;
  if (auto first = wal.first_joining_receipt())
    if (Status joined = check_receipts_joined(*first); !joined) return joined;
  auto stored = ranges();
  if (!stored) return fail(stored.error());
  std::int64_t records = 0;
  for (const auto& range : *stored) records += range.end.value;
  if (wal.records() && *wal.records() != records)
    return fail(Code::corrupt, "a hole: the log holds {} records where its last write counted {}",
                records, *wal.records());
  return {};
}

// The WAL may begin with batches that are in tables too, and even with some whose table was dropped
// since: the tables then begin where the WAL does, or later.
Status Database::check_joined(Partition partition, Offset first_replayed) {
  if (first_replayed.value == 0) return {};
  auto in_tables = tables(partition).all();
  if (!in_tables.empty() && in_tables.front().first_key >= encode_batch_key(first_replayed))
    return {};
  Offset before{first_replayed.value - 1};
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, family(partition)));
  at->SeekForPrev(encode_batch_key(before));
  if (Status read = ended_well(*at, partition); !read) return read;
  Offset end;
  if (at->Valid()) {
    auto batch = batch_at(*at, partition);
    if (!batch) return fail(batch.error());
    end = batch->end();
  }
  if (end != first_replayed)
    return fail(Code::corrupt, "a hole: partition {} ends at offset {}, then a batch follows at {}",
                partition.value, end.value, first_replayed.value);
  return {};
}

Status Database::check_receipts_joined(std::uint64_t first_replayed) {
  if (first_replayed == 0) return {};
  std::string before;
  auto status = db_->Get({}, families_.back(), encode_order_key(first_replayed - 1), &before);
  if (status.IsNotFound())
    return fail(Code::corrupt, "a hole: receipt {} is missing before {}", first_replayed - 1,
                first_replayed);
  if (!status.ok()) return rocksdb_error(status, "cannot read the receipts");
  return {};
}

Result<PartitionRange> Database::range(Partition partition) {
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, family(partition)));
  PartitionRange range{partition, {}, {}};
  at->SeekToFirst();
  if (Status read = ended_well(*at, partition); !read) return fail(read.error());
  if (!at->Valid()) return range;
  auto base = decode_batch_key(view(at->key()), partition);
  if (!base) return fail(base.error());
  range.first = *base;
  at->SeekToLast();
  if (Status read = ended_well(*at, partition); !read) return fail(read.error());
  auto last = batch_at(*at, partition);
  if (!last) return fail(last.error());
  range.end = last->end();
  return range;
}

Result<std::vector<PartitionRange>> Database::ranges() {
  std::vector<PartitionRange> ranges;
  for (std::int32_t i = 0; i < info_.partitions; ++i) {
    auto of_partition = range({i});
    if (!of_partition) return fail(of_partition.error());
    ranges.push_back(*of_partition);
  }
  return ranges;
}

Result<Fetched> Database::read(const PartitionRange& range, Offset from, const ReadLimits& limits) {
  auto [partition, first, end] = range;
  if (Status inside = check_inside(range, from); !inside) return fail(inside.error());
  Fetched fetched{{}, from};
  if (from == end) return fetched;
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, family(partition)));
  std::size_t bytes = 0;
  for (at->SeekForPrev(encode_batch_key(from)); fetched.next < end; at->Next()) {
    if (Status read = ended_well(*at, partition); !read) return fail(read.error());
    if (!at->Valid())
      return fail(Code::corrupt, "partition {}: nothing is stored at offset {}", partition.value,
                  fetched.next.value);
    auto batch = batch_at(*at, partition);
    if (!batch) return fail(batch.error());
    if (batch->base > fetched.next || batch->end() <= fetched.next)
      return fail(Code::corrupt,
                  "partition {}: nothing is stored at offset {}; a batch lies at {} to {}",
                  partition.value, fetched.next.value, batch->base.value, batch->end().value - 1);
    auto went_on = take_records(*batch, limits, bytes, fetched);
    if (!went_on) return fail(went_on.error());
    if (!*went_on) break;
  }
  return fetched;
}

Status Database::write(const NewGroup& group) {
  std::size_t bytes = 0;
  for (const auto& batch : group.batches) bytes += batch.bytes + 64;
  rocksdb::WriteBatch write(bytes);
  put_wal_mark(write, group.records_before);
  for (const auto& batch : group.batches) put_batch(write, *family(batch.partition), batch);
  if (Status added = receipts_->add(write, group.receipts, group.now); !added) return added;
  rocksdb::WriteOptions synced;
  synced.sync = true;
  auto status = db_->Write(synced, &write);
  if (!status.ok()) return rocksdb_error(status, "cannot write to the log");
  return {};
}

Status Database::catch_up() {
  auto status = db_->TryCatchUpWithPrimary();
  if (!status.ok()) return rocksdb_error(status, "cannot follow the log");
  return {};
}

std::uint64_t Database::unflushed_bytes() {
  std::uint64_t bytes = 0;
  db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kSizeAllMemTables, &bytes);
  return bytes;
}

Result<std::uint64_t> bytes_of_folder(const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (Walk at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    auto size = at->is_regular_file(gone) ? at->file_size(gone) : 0;
    if (!gone) bytes += size;
  }
  if (error) return fail(Code::unavailable, "cannot list {}: {}", folder.string(), error.message());
  return bytes;
}

}  // namespace tillrace::log
