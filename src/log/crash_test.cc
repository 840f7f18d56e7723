// kill -9 at random moments, for real: this program starts itself as the victim.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include <charconv>
#include <csignal>
#include <sstream>

#include "log/log_testing.h"

namespace tillrace::log {
namespace {

constexpr std::int32_t kPartitions = 3;
constexpr std::string_view kVictim = "--append-until-killed";

EmbeddedLogOptions victim_options(const std::filesystem::path& folder) {
  auto options = options_in(folder, kPartitions);
  options.write_buffer_bytes = 64 << 10;  // so that flushes and WAL changes are among the moments
  options.all_write_buffers_bytes = 256 << 10;
  return options;
}

// A batch's records carry its name and size: "<life>.<thread>.<number> <size> <index> xxx".
std::vector<Record> victim_batch(const std::string& name, SeededRandom& random) {
  std::vector<Record> batch;
  std::uint64_t size = random.below(6) + 1;
  for (std::uint64_t i = 0; i < size; ++i)
    batch.push_back(
        record(std::to_string(random.below(100)),
               fmt::format("{} {} {} x{}", name, size, i, std::string(random.below(2000), 'x'))));
  return batch;
}

// Appends from several threads; each acknowledged record becomes a line on stdout: partition,
// offset, value's start.
[[noreturn]] void append_until_killed(const std::string& folder, const std::string& life) {
  World world;
  auto log = world.open(victim_options(folder));
  if (!log) std::_Exit(1);
  auto body = [&](int thread) {
    SeededRandom random(std::stoull(life) * 10 + static_cast<std::uint64_t>(thread));
    for (int number = 0;; ++number) {
      std::string name = fmt::format("{}.{}.{}", life, thread, number);
      auto batch = victim_batch(name, random);
      auto places = log->append_and_wait(batch, Receipt{name, ""});
      if (!places) std::_Exit(1);
      std::string lines;
      for (std::size_t i = 0; i < batch.size(); ++i)
        lines += fmt::format("{} {} {}\n", (*places)[i].partition.value, (*places)[i].offset.value,
                             batch[i].value.substr(0, batch[i].value.find(" x")));
      if (::write(STDOUT_FILENO, lines.data(), lines.size()) < 0)
        std::_Exit(1);  // below PIPE_BUF: in one piece
    }
  };
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) threads.emplace_back(body, thread);
  threads.clear();
  std::_Exit(1);
}

class Victim {
 public:
  Victim(const std::filesystem::path& folder, int life) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::string program = "/proc/self/exe", flag(kVictim), path = folder,
                number = std::to_string(life);
    char* arguments[] = {program.data(), flag.data(), path.data(), number.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Victim() { ::close(out_); }

  // Lets it work for so long after its first acknowledgement, kills it, and returns all that it
  // wrote.
  std::string kill_after(std::chrono::microseconds delay) {
    std::string lines;
    read_more(lines);
    auto deadline = std::chrono::steady_clock::now() + delay;
    pollfd waiting{out_, POLLIN, 0};
    while (std::chrono::steady_clock::now() < deadline)
      if (::poll(&waiting, 1, 0) > 0 && !read_more(lines)) break;
    ::kill(pid_, SIGKILL);
    while (read_more(lines)) {
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself, with " << WEXITSTATUS(status);
    return lines;
  }

 private:
  bool read_more(std::string& lines) {
    char buffer[65'536];
    ssize_t size = ::read(out_, buffer, sizeof buffer);
    if (size > 0) lines.append(buffer, static_cast<std::size_t>(size));
    return size > 0;
  }

  pid_t pid_ = -1;
  int out_ = -1;
};

using Contents = std::map<std::pair<Partition, Offset>, std::string>;

void take_lines(const std::string& text, Contents& acknowledged) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    Partition partition;
    Offset offset;
    fields >> partition.value >> offset.value;
    std::string value;
    std::getline(fields >> std::ws, value);
    ASSERT_TRUE(acknowledged.emplace(std::pair(partition, offset), value).second)
        << "twice: " << line;
  }
}

Contents contents_of(Log& log) {
  Contents contents;
  for (std::int32_t i = 0; i < kPartitions; ++i) {
    Offset expected{0};
    for (const auto& [offset, kept, _] : read_all(log, {i})) {
      EXPECT_EQ(offset, expected) << "a hole";
      ++expected.value;
      contents[{{i}, offset}] = kept.value.substr(0, kept.value.find(" x"));
    }
    EXPECT_EQ(log.end({i}).value(), expected);
  }
  return contents;
}

std::string next_of(const std::string& name) {
  std::size_t number_at = name.rfind('.') + 1;
  return name.substr(0, number_at) + std::to_string(std::stoi(name.substr(number_at)) + 1);
}

// Each thread numbers its batches without gaps: those that are stored have their receipt, the next
// one has none.
void expect_receipts_of_stored_batches_only(Log& log, const Contents& contents) {
  std::set<std::string> names;
  for (const auto& [place, value] : contents) names.insert(value.substr(0, value.find(' ')));
  for (const auto& name : names) {
    EXPECT_TRUE(log.find_receipt(name).value()) << name;
    if (!names.contains(next_of(name))) {
      EXPECT_FALSE(log.find_receipt(next_of(name)).value()) << name;
    }
  }
}

// Every record once; every batch whole.
void expect_whole_batches(const Contents& contents) {
  std::map<std::string, std::set<std::string>> batches;  // "name size" -> indexes
  for (const auto& [place, value] : contents) {
    std::size_t index_at = value.rfind(' ');
    EXPECT_TRUE(batches[value.substr(0, index_at)].insert(value.substr(index_at)).second)
        << "twice: " << value;
  }
  for (const auto& [batch, indexes] : batches)
    EXPECT_EQ(indexes.size(), std::stoul(batch.substr(batch.find(' ')))) << "in part: " << batch;
}

TEST(Crash, KillsAtAnyMomentLoseNothingAcknowledgedDoubleNothingAndTearNoBatch) {
  constexpr int kKills = 20;
  ScratchFolder folder;
  World world;
  SeededRandom random(42);
  Contents acknowledged;
  for (int life = 0; life < kKills; ++life) {
    Victim victim(folder.path(), life);
    take_lines(victim.kill_after(std::chrono::microseconds(random.below(60'000))), acknowledged);
    if (life % 4 != 3) continue;  // the other lives start on what the kill left
    auto log = world.open(victim_options(folder.path()));
    ASSERT_TRUE(log) << "life " << life;
    Contents stored = contents_of(*log);
    for (const auto& [place, value] : acknowledged)
      ASSERT_EQ(stored[place], value) << "life " << life << ", offset " << place.second.value;
    expect_whole_batches(stored);
    expect_receipts_of_stored_batches_only(*log, stored);
  }
  EXPECT_GT(acknowledged.size(), std::size_t{kKills});
}

}  // namespace
}  // namespace tillrace::log

int main(int argc, char** argv) {
  if (argc == 4 && argv[1] == tillrace::log::kVictim)
    tillrace::log::append_until_killed(argv[2], argv[3]);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
