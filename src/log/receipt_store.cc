#include "log/receipt_store.h"

#include <rocksdb/write_batch.h>

#include <mutex>

#include "base/check.h"
#include "base/files.h"
#include "log/database_options.h"
#include "log/rocksdb_words.h"

namespace tillrace::log {

Result<std::unique_ptr<ReceiptStore>> ReceiptStore::open(const std::filesystem::path& folder,
                                                         const ReceiptLimits& limits) {
  if (Status made = make_folders(folder); !made) return fail(made.error());
  auto store = std::make_unique<ReceiptStore>(folder, limits);
  if (Status opened = store->reopen(); !opened) return fail(opened.error());
  return store;
}

Status ReceiptStore::reopen() {
  std::unique_lock lock(replacing_);
  receipts_.reset();
  db_.reset();
  rocksdb::Options base =
      database_options({}, rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords);
  rocksdb::Options options(base, receipts_options(base));
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::Open(options, folder_, &db);
  db_.reset(db);
  if (!status.ok())
    return rocksdb_error(status, fmt::format("cannot open the receipts in {}", folder_.string()));
  auto opened = Receipts::open(*db_, *db_->DefaultColumnFamily(), limits_);
  if (!opened) return fail(opened.error());
  receipts_.emplace(*opened);
  failed_ = false;
  return {};
}

Result<std::optional<StoredReceipt>> ReceiptStore::find(std::string_view key, UtcMicros now) const {
  std::shared_lock lock(replacing_);
  if (!receipts_) return fail(Code::unavailable, "the receipts are not open");
  auto found = receipts_->find(key);
  if (!found) return fail(found.error());
  if (!*found || receipts_->is_too_old((*found)->receipt.stored_at, now)) return std::nullopt;
  return std::move((*found)->receipt);
}

Status ReceiptStore::put(std::vector<NewReceipt> receipts, UtcMicros now) {
  if (failed_ || !receipts_)
    if (Status opened = reopen(); !opened) return opened;
  for (NewReceipt& receipt : receipts) {
    auto old = receipts_->find(receipt.key);
    if (!old) return fail(old.error());
    if (*old) receipt.replaces = (*old)->number;
  }
  rocksdb::WriteBatch write;
  if (Status added = receipts_->add(write, receipts, now); !added) return added;
  rocksdb::WriteOptions synced;
  synced.sync = true;
  auto status = db_->Write(synced, &write);
  failed_ = !status.ok();
  if (failed_) return rocksdb_error(status, "cannot write receipts");
  return {};
}

}  // namespace tillrace::log
