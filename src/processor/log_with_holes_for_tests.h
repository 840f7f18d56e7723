// A log as Kafka's transactions leave it. Included by *_test.cc alone.
//
// Fault model: behind the last record lie offsets that hold no record, as Kafka's control records
// do; a read there finds nothing and goes on behind them.
#pragma once
#include <atomic>

#include "log/log.h"

namespace tillrace::processor {

// Hands everything on to another log.
class LogOnLog : public log::Log {
 public:
  explicit LogOnLog(log::Log& log) : log_(log) {}

  using Log::append;
  void append(std::vector<Record> batch, std::optional<log::Receipt> receipt,
              log::AppendDone done) override {
    log_.append(std::move(batch), std::move(receipt), std::move(done));
  }
  Result<std::optional<log::StoredReceipt>> find_receipt(std::string_view key) override {
    return log_.find_receipt(key);
  }
  Result<log::Fetched> read(Partition partition, Offset from,
                            const log::ReadLimits& limits) override {
    return log_.read(partition, from, limits);
  }
  Result<bool> wait_for(Partition partition, Offset offset, std::chrono::nanoseconds timeout,
                        const std::stop_token& stop) override {
    return log_.wait_for(partition, offset, timeout, stop);
  }
  Result<Offset> first(Partition partition) override { return log_.first(partition); }
  Result<Offset> end(Partition partition) override { return log_.end(partition); }
  Result<std::unique_ptr<log::Membership>> join(std::string_view group) override {
    return log_.join(group);
  }
  std::int32_t partitions() const override { return log_.partitions(); }
  const std::string& topic() const override { return log_.topic(); }
  const std::string& id() const override { return log_.id(); }
  Result<std::uint64_t> bytes_on_disk() override { return log_.bytes_on_disk(); }
  Status last_write() override { return log_.last_write(); }
  Result<std::uint64_t> bytes_after(Partition partition, Offset from) override {
    return log_.bytes_after(partition, from);
  }
  Status retain(Partition partition, Offset flushed, const log::Retention& retention) override {
    return log_.retain(partition, flushed, retention);
  }
  void stop() override { log_.stop(); }

 protected:
  log::Log& log_;
};

class LogWithHoles final : public LogOnLog {
 public:
  LogWithHoles(log::Log& log, std::int64_t holes) : LogOnLog(log), holes_(holes) {}

  Result<log::Fetched> read(Partition partition, Offset from,
                            const log::ReadLimits& limits) override {
    auto end = log_.end(partition);
    if (!end) return fail(end.error());
    if (from < *end) return log_.read(partition, from, limits);
    return log::Fetched{{}, {end->value + holes_}};
  }
  Result<Offset> end(Partition partition) override {
    auto end = log_.end(partition);
    if (!end) return end;
    return Offset{end->value + holes_};
  }

 private:
  const std::int64_t holes_;
};

// One whose last records can be hidden, as an election of the wrong leader loses them.
class LogWithoutEnd final : public LogOnLog {
 public:
  LogWithoutEnd(log::Log& log, Offset end) : LogOnLog(log), end_(end) {}
  void show_all(bool all) { shows_all_ = all; }

  Result<Offset> end(Partition partition) override {
    return shows_all_ ? log_.end(partition) : Result<Offset>(end_);
  }

 private:
  const Offset end_;
  std::atomic<bool> shows_all_ = false;
};

}  // namespace tillrace::processor
