// Internal to the room; includes RocksDB. A database that can be closed and recovered under its
// readers.
#pragma once
#include <filesystem>
#include <memory>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "log/database.h"

namespace tillrace::log {

// One thread, the owner, opens and writes; any thread borrows the database to read. After a failed
// write the owner must reopen() before the next one: RocksDB 7.8 cannot go on in place safely
// (database_options.cc says why).
class DatabaseSlot {
 public:
  DatabaseSlot(std::filesystem::path path, DatabaseOptions options)
      : path_(std::move(path)), options_(options) {}

  // Opens the database, or closes it and recovers it from disk. Waits for those who have
  // borrowed it.
  // unavailable, and the old database goes on answering reads, while the disk lacks the room that
  // recovery needs. After another failure there is no database: reads fail too.
  Status reopen();
  bool needs_reopen() const { return database_ == nullptr || failed_; }
  // For the owner, when reopen() has succeeded.
  Status write(const NewGroup& group);
  const Receipts& receipts() const { return database_->receipts(); }
  Result<std::vector<PartitionRange>> ranges() { return database_->ranges(); }
  const TopicInfo& info() const { return database_->info(); }
  // Closes the database for good.
  void close();

  // For all threads: the database, which is not replaced meanwhile. unavailable when there is none.
  class Lent {
   public:
    Lent(std::shared_lock<std::shared_mutex> lock, Database& database)
        : lock_(std::move(lock)), database_(&database) {}
    Database* operator->() const { return database_; }

   private:
    std::shared_lock<std::shared_mutex> lock_;
    Database* database_;
  };
  Result<Lent> lend();

 private:
  Status check_room() const;

  const std::filesystem::path path_;
  const DatabaseOptions options_;
  std::shared_mutex lent_;  // shared while database_ is lent, exclusive to replace it
  std::unique_ptr<Database> database_;
  bool failed_ = false;  // the owner's
};

}  // namespace tillrace::log
