// The sink on a real Azurite.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "lake/azure_store.h"
#include "lake/azurite_for_tests.h"
#include "lake/delta_scan.h"
#include "processor/lake_for_tests.h"
#include "processor/processor.h"

namespace tillrace::processor {
namespace {

using std::chrono::milliseconds;

using lake::Fault;

class LakeOnAzurite : public LogToLake {
 protected:
  void SetUp() override {
    azurite_ = lake::Azurite::shared();
    if (azurite_ == nullptr) GTEST_SKIP() << "Azurite is not installed (tools/install.sh test)";
    container_ = std::make_unique<lake::AzuriteContainer>(*azurite_);
    azure_ = open(azurite_->endpoint());
    faulty_ = std::make_unique<lake::FaultyStore>(*azure_);
  }
  std::unique_ptr<lake::AzureStore> open(const std::string& endpoint,
                                         const std::stop_token& stop = {}) {
    lake::AzureOptions options = container_->options(endpoint);
    options.retry.stop = stop;
    auto opened = lake::AzureStore::open(options, world_.clock, random_, world_.metrics);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  std::unique_ptr<LakeProcess> process(LakeSinkOptions options = {}) {
    return std::make_unique<LakeProcess>(folder_.path(), *log_, *faulty_, std::move(options));
  }
  // Every offset, of both tables, sorted as text.
  std::vector<std::string> offsets() {
    std::vector<std::string> all;
    for (const char* path : {lake::kBronzeTransactions, lake::kBronzeRejected}) {
      lake::LakePorts ports = reader_.ports(*azure_);
      auto table = lake::DeltaTable::open(ports, path);
      EXPECT_TRUE(table) << table.error().message;
      auto scan = lake::Scan::of(ports, path, table->snapshot());
      EXPECT_TRUE(scan) << scan.error().message;
      for (auto& row : reader_.rows("SELECT \"offset\" FROM (" + scan->sql() + ")"))
        all.push_back(std::move(row));
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  void expect_each_offset_once(int end) {
    std::vector<std::string> wanted;
    for (int i = 0; i < end; ++i) wanted.push_back(std::to_string(i));
    std::sort(wanted.begin(), wanted.end());
    EXPECT_EQ(offsets(), wanted);
  }

  SystemRandom random_;
  lake::Azurite* azurite_ = nullptr;
  std::unique_ptr<lake::AzuriteContainer> container_;
  std::unique_ptr<lake::AzureStore> azure_;
  std::unique_ptr<lake::FaultyStore> faulty_;
};

TEST_F(LakeOnAzurite, EveryRecordIsThereOnceWhateverFails) {
  for (int n = 0; n < 6; ++n) {
    append_events(3);
    append({raw_record("no event", static_cast<std::uint64_t>(n))});
    int seen = 0;
    faulty_->play([&, n](std::string_view operation, auto) {
      if (!operation.starts_with("put") || seen++ != n) return Fault::none;
      return n % 2 == 0 ? Fault::answer_lost : Fault::refused;
    });
    process()->flush(*log_);
    faulty_->play({});
    expect_each_offset_once(4 * (n + 1));
  }
}

TEST_F(LakeOnAzurite, TwoProcessesOnOnePartitionWriteEveryRecordOnce) {
  for (int i = 0; i < 30; ++i) append_events(3);
  LakeSinkOptions options;
  options.reader.commit_bytes = 2'000;
  options.reader.chunk_records = 5;
  auto first = process(options), second = process(options);
  {
    std::jthread one([&] { first->flush(*log_, 1'000); });
    std::jthread two([&] { second->flush(*log_, 1'000); });
  }
  expect_each_offset_once(90);
}

// A port that takes connections and never answers.
class Silence {
 public:
  Silence() {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 16), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Silence() { ::close(socket_); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  std::uint16_t port() const { return port_; }

 private:
  int socket_ = -1;
  std::uint16_t port_ = 0;
};

TEST_F(LakeOnAzurite, AStopDoesNotWaitForAServiceThatDoesNotAnswer) {
  append_events(3);
  Silence silence;
  std::stop_source stop;
  auto store = open(lake::Azurite::endpoint_at(silence.port()), stop.get_token());
  LakeSinkOptions options;
  options.abandon = [&stop] { stop.request_stop(); };
  LakeProcess process(folder_.path(), *log_, *store, options);
  Processor processor({}, process.kind, *log_, log_->join("lake").value(), world_.clock,
                      world_.metrics);
  EXPECT_FALSE(processor.catch_up(milliseconds(500)));
  EXPECT_EQ(processor.marks().error().code, Code::unavailable) << "nobody has told it";
  auto began = std::chrono::steady_clock::now();
  processor.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  EXPECT_EQ(processor.lags(), (std::vector<Lag>{{Partition{0}, 3}}));
}

TEST_F(LakeOnAzurite, AProcessorBringsAllToTheLakeWhenItIsToCatchUp) {
  append_events(3);
  LakeProcess process(folder_.path(), *log_, *azure_);
  Processor processor({}, process.kind, *log_, log_->join("lake").value(), world_.clock,
                      world_.metrics);
  EXPECT_TRUE(processor.catch_up(std::chrono::seconds(30)));
  auto marks = processor.marks();
  ASSERT_TRUE(marks);
  EXPECT_EQ(*marks, std::vector<Offset>{Offset{3}});
  processor.stop();
  expect_each_offset_once(3);
}

}  // namespace
}  // namespace tillrace::processor
