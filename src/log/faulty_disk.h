// A disk that fails when a test says so; beneath it is the real one. Test code only.
//
// Fault model. Writes to WAL files can fail, before or after part of the bytes is written; syncs of
// WAL files can fail, with the bytes in the page cache; syncs can be held up; writes to tables can
// fail. cut_power() ends all writing, and lose_unsynced() then leaves of each file what was synced
// and, of the rest, whatever a power cut may leave: nothing, a part, or pages of zeros. Folder
// entries (creation, rename, removal) are never lost, and creating a file never fails: where it
// does while several column families are due for a flush, RocksDB 7.8 loses count of a reference
// (ScheduleFlushes; later versions do not) and its assertion ends the process when the database is
// closed.
#pragma once
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/random.h"

namespace tillrace::log {

class FaultyDisk final : public rocksdb::FileSystemWrapper {
 public:
  FaultyDisk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultyDisk"; }

  // -1: none. Otherwise so many more bytes can go to WAL files, then the disk is full.
  std::atomic<std::int64_t> wal_room_bytes{-1};
  std::atomic<bool> fail_wal_syncs{false};
  std::atomic<bool> fail_tables{false};  // .sst files, which flushes write in the background
  std::atomic<bool> fail_everything{false};
  std::atomic<std::int64_t> wal_syncs{0};
  std::atomic<std::int64_t> table_bytes{0};  // written to .sst files

  void hold_syncs(bool hold);
  void cut_power() { fail_everything = true; }
  void lose_unsynced(SeededRandom& random);

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  class File;
  void wait_while_held();

  std::mutex mutex_;
  std::condition_variable released_;
  bool held_ = false;
  std::map<std::string, std::uint64_t> synced_bytes_;  // by path, of files written in this life
};

// `disk` as RocksDB takes it; both outlive the log.
// shared: RocksDB's interface takes its file system so.
struct FaultyEnv {
  // shared: see above.
  std::shared_ptr<FaultyDisk> disk = std::make_shared<FaultyDisk>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
};

inline rocksdb::IOStatus cut_off() { return rocksdb::IOStatus::IOError("power is cut"); }

class FaultyDisk::File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, FaultyDisk& disk)
      : FSWritableFileOwnerWrapper(std::move(file)),
        path_(std::move(path)),
        disk_(disk),
        is_wal_(path_.ends_with(".log")),
        is_table_(path_.ends_with(".sst")) {}

  using FSWritableFileOwnerWrapper::Append;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    if (disk_.fail_everything) return cut_off();
    if (is_table_ && disk_.fail_tables)
      return rocksdb::IOStatus::NoSpace("the faulty disk is full");
    rocksdb::Slice fits = data;
    if (is_wal_ && disk_.wal_room_bytes >= 0) {
      auto room =
          std::min<std::int64_t>(disk_.wal_room_bytes, static_cast<std::int64_t>(data.size()));
      disk_.wal_room_bytes -= room;
      fits = rocksdb::Slice(data.data(), static_cast<std::size_t>(room));
    }
    rocksdb::IOStatus appended = target_append(fits, options, debug);
    if (!appended.ok() || fits.size() == data.size()) return appended;
    return rocksdb::IOStatus::NoSpace("the faulty disk is full");
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&,
                           rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    if (disk_.fail_everything) return cut_off();
    if (is_wal_) {
      disk_.wait_while_held();
      if (disk_.fail_wal_syncs) return rocksdb::IOStatus::IOError("the faulty disk cannot sync");
      ++disk_.wal_syncs;
    }
    std::uint64_t written = written_;
    rocksdb::IOStatus synced = FSWritableFileOwnerWrapper::Sync(options, debug);
    std::lock_guard lock(disk_.mutex_);
    if (synced.ok() && disk_.synced_bytes_.contains(path_)) disk_.synced_bytes_[path_] = written;
    return synced;
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  rocksdb::IOStatus target_append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                  rocksdb::IODebugContext* debug) {
    written_ += data.size();
    if (is_table_) disk_.table_bytes += static_cast<std::int64_t>(data.size());
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }

  const std::string path_;
  FaultyDisk& disk_;
  const bool is_wal_;
  const bool is_table_;
  std::uint64_t written_ = 0;
};

inline void FaultyDisk::hold_syncs(bool hold) {
  std::lock_guard lock(mutex_);
  held_ = hold;
  released_.notify_all();
}

inline void FaultyDisk::wait_while_held() {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [this] { return !held_; });
}

inline rocksdb::IOStatus FaultyDisk::NewWritableFile(const std::string& path,
                                                     const rocksdb::FileOptions& options,
                                                     std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                     rocksdb::IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSWritableFile> real;
  auto made = FileSystemWrapper::NewWritableFile(path, options, &real, debug);
  if (!made.ok()) return made;
  std::lock_guard lock(mutex_);
  synced_bytes_[path] = 0;
  *file = std::make_unique<File>(std::move(real), path, *this);
  return made;
}

inline rocksdb::IOStatus FaultyDisk::RenameFile(const std::string& from, const std::string& to,
                                                const rocksdb::IOOptions& options,
                                                rocksdb::IODebugContext* debug) {
  if (fail_everything) return cut_off();
  std::lock_guard lock(mutex_);
  if (auto node = synced_bytes_.extract(from)) {
    synced_bytes_.erase(to);
    node.key() = to;
    synced_bytes_.insert(std::move(node));
  }
  return FileSystemWrapper::RenameFile(from, to, options, debug);
}

inline rocksdb::IOStatus FaultyDisk::DeleteFile(const std::string& path,
                                                const rocksdb::IOOptions& options,
                                                rocksdb::IODebugContext* debug) {
  if (fail_everything) return cut_off();
  std::lock_guard lock(mutex_);
  synced_bytes_.erase(path);
  return FileSystemWrapper::DeleteFile(path, options, debug);
}

// Of the unsynced part of a file: its first bytes only, or all of it with some pages that read as
// zeros.
inline void FaultyDisk::lose_unsynced(SeededRandom& random) {
  constexpr std::uint64_t kPageBytes = 4096;
  for (const auto& [path, synced] : synced_bytes_) {
    std::error_code gone;
    std::uint64_t size = std::filesystem::file_size(path, gone);
    if (gone || size <= synced) continue;
    if (random.below(2) == 0) {
      std::filesystem::resize_file(path, synced + random.below(size - synced + 1));
      continue;
    }
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "r+"),
                                                         std::fclose);
    for (std::uint64_t at = synced; at < size; at = (at / kPageBytes + 1) * kPageBytes) {
      if (random.below(2) == 0) continue;
      std::string zeros(std::min(size, (at / kPageBytes + 1) * kPageBytes) - at, '\0');
      std::fseek(file.get(), static_cast<long>(at), SEEK_SET);
      std::fwrite(zeros.data(), 1, zeros.size(), file.get());
    }
  }
}

}  // namespace tillrace::log
