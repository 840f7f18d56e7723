// Internal to the room; includes RocksDB. Receipts in a database of their own, for a log whose
// records lie elsewhere.
#pragma once
#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string_view>
#include <vector>

#include "log/receipts.h"

namespace tillrace::log {

// find() may be called by any thread, put() by one. One owner: RocksDB refuses a second, with
// unavailable.
class ReceiptStore {
 public:
  // Made where there is none.
  static Result<std::unique_ptr<ReceiptStore>> open(const std::filesystem::path& folder,
                                                    const ReceiptLimits& limits);
  ReceiptStore(std::filesystem::path folder, const ReceiptLimits& limits)  // for open()
      : folder_(std::move(folder)), limits_(limits) {}

  // Nothing when there is none, or it is too old at `now`.
  Result<std::optional<StoredReceipt>> find(std::string_view key, UtcMicros now) const;
  // All of them or none, durable when it returns. Their keys are free. After a failure the next
  // call opens the database anew.
  Status put(std::vector<NewReceipt> receipts, UtcMicros now);

 private:
  Status reopen();

  const std::filesystem::path folder_;
  const ReceiptLimits limits_;
  mutable std::shared_mutex replacing_;  // shared to look something up, exclusive to open anew
  std::unique_ptr<rocksdb::DB> db_;
  std::optional<Receipts> receipts_;
  bool failed_ = false;  // put()'s
};

}  // namespace tillrace::log
