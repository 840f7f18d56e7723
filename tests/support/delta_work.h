// A process that works on a Delta table until it is killed, and always says what it is at, so that
// a test knows in which phase it died. Included by delta_tables.cc alone.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>

#include "base/check.h"
#include "base/thread.h"
#include "lake/delta_compaction.h"
#include "lake/delta_table.h"
#include "lake/delta_vacuum.h"
#include "lake/store.h"

namespace tillrace::lake {

inline constexpr int kCheckpointInterval = 2;  // so that much happens in a short life

// What it is at: (o)pening, (w)riting, (c)ommitting, chec(k)pointing, c(l)eaning the log,
// co(m)pacting, (v)acuuming. In the first byte of a file, which outlives the process.
class Phase {
 public:
  explicit Phase(const std::string& path) {
    int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(file >= 0 && ::ftruncate(file, 1) == 0);
    void* mapped = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(mapped != MAP_FAILED);
    ::close(file);
    now_ = static_cast<volatile char*>(mapped);
  }

  // kill -9, `delay` after phase `fatal` begins for the `times`th time.
  void die_in(char fatal, int times, std::chrono::microseconds delay) {
    fatal_ = fatal;
    times_ = times;
    delay_ = delay;
  }
  void enter(char phase) {
    bool again = *now_ == phase && phase != 'o';
    *now_ = phase;
    if (again || phase != fatal_ || --times_ != 0) return;
    killer_ = named_thread("killer", [delay = delay_](const auto&) {
      std::this_thread::sleep_for(delay);
      ::kill(::getpid(), SIGKILL);
    });
  }
  char now() const { return *now_; }

 private:
  volatile char* now_;
  char fatal_ = 0;
  int times_ = 0;
  std::chrono::microseconds delay_{0};
  std::jthread killer_;
};

// Passes everything on, and tells by the files what a commit is at.
class PhaseStore final : public Store {
 public:
  PhaseStore(Store& store, Phase& phase) : store_(store), phase_(phase) {}

  Status put_if_absent(std::string_view path, std::string_view bytes) override {
    if (phase_.now() == 'w') phase_.enter('c');
    auto put = store_.put_if_absent(path, bytes);
    std::int64_t version = 0;
    auto name = path.substr(path.rfind('/') + 1);
    std::from_chars(name.data(), name.data() + name.size(), version);
    if (put && version > 0 && version % kCheckpointInterval == 0) phase_.enter('k');
    return put;
  }
  Status remove(std::string_view path) override {
    if (path.find("/_delta_log/") != std::string_view::npos) phase_.enter('l');
    return store_.remove(path);
  }

  Status put(std::string_view path, std::string_view bytes) override {
    return store_.put(path, bytes);
  }
  Status put_file(std::string_view path, const std::filesystem::path& local) override {
    return store_.put_file(path, local);
  }
  Result<std::string> get(std::string_view path) override { return store_.get(path); }
  Result<std::string> get_range(std::string_view path, std::uint64_t offset,
                                std::uint64_t length) override {
    return store_.get_range(path, offset, length);
  }
  Status list(std::string_view prefix, std::string_view start_after, const Visit& visit) override {
    return store_.list(prefix, start_after, visit);
  }
  Result<StoredFile> head(std::string_view path) override { return store_.head(path); }
  std::optional<std::filesystem::path> local_path(std::string_view path) const override {
    return store_.local_path(path);
  }

 private:
  Store& store_;
  Phase& phase_;
};

// Rows in order, their count as the mark, until it is killed; each mark is printed when it is
// committed. Compacts, vacuums, makes checkpoints and cleans the log on the way.
inline Status work(const LakePorts& ports, const std::string& path, const TableSpec& spec,
                   Phase& phase) {
  phase.enter('o');
  auto table = DeltaTable::open_or_create(ports, path, spec);
  if (!table) return fail(table.error());
  for (int turn = 1;; ++turn) {
    phase.enter('w');
    auto mark = table->snapshot().txn("sink");
    auto files = table->write(fmt::format("SELECT {} AS id", mark.value_or(0)));
    if (!files) return fail(files.error());
    auto transaction = table->append(std::move(*files));
    transaction.txns = {{"sink", mark, mark.value_or(0) + 1}};
    if (auto version = table->commit(transaction); !version) return fail(version.error());
    std::printf("%ld\n", static_cast<long>(mark.value_or(0) + 1));
    std::fflush(stdout);
    if (turn % 3 != 0) continue;
    phase.enter('m');
    if (auto report = compact(*table, {}); !report) return fail(report.error());
    phase.enter('v');
    auto vacuumed = vacuum(
        *table, {.retention = std::chrono::milliseconds(0), .force = true, .dry_run = false});
    if (!vacuumed) return fail(vacuumed.error());
  }
}

}  // namespace tillrace::lake
