// A writer's process that is stopped (SIGSTOP) at any moment holds up no other writer.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <future>

#include "base/random.h"
#include "warehouse/batch_for_tests.h"

namespace tillrace::warehouse {
namespace {

// Brings the nth country, customer and product, so whoever writes it wants the same rows.
std::vector<Sale> nth_sales(int n, const std::string& invoice_no) {
  std::string name = std::to_string(n);
  return {Sale{.invoice_no = invoice_no,
               .stock_code = "P" + name,
               .customer = "C" + name,
               .country = "Land " + name}};
}

// Ends with its test.
class OtherProcess {
 public:
  // Writes one batch after the other into partition 1, for ever.
  explicit OtherProcess(const std::string& url) : pid_(::fork()) {
    if (pid_ != 0) return;
    BatchWriter writer(url);
    TestSource source(1);
    for (int n = 0; writer.apply(source.batch(nth_sales(n, std::to_string(n)), {"bad"})); ++n) {
    }
    ::_exit(1);
  }
  ~OtherProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  void stop() const { ::kill(pid_, SIGSTOP); }
  void go_on() const { ::kill(pid_, SIGCONT); }

 private:
  pid_t pid_;
};

class BatchWriterStoppedTest : public BatchTest {
 protected:
  int batches_of_other() {
    std::string n =
        ask("select coalesce((select batch_no from stream.checkpoint where partition = 1), 0)");
    return std::stoi(n);
  }
};

TEST_F(BatchWriterStoppedTest, HoldsUpNobody) {
  OtherProcess other(database_.url());
  ASSERT_TRUE(eventually([&] { return batches_of_other() > 3; }));
  SeededRandom random(20261125);
  int invoice = 0;
  for (int round = 0; round < 60; ++round) {
    pause_ms(static_cast<int>(random.below(20)));
    other.stop();
    pause_ms(5);
    int next = batches_of_other();
    auto written = std::async(std::launch::async, [&] {
      for (int n = next - 1; n <= next + 1; ++n) {
        auto batch = source_.batch(nth_sales(n, fmt::format("A{}", invoice++)));
        EXPECT_EQ(told(writer_.apply(batch)), "1 0 0 0");
      }
    });
    auto waited = written.wait_for(std::chrono::seconds(5));
    other.go_on();
    ASSERT_EQ(waited, std::future_status::ready) << "in round " << round;
  }
}

}  // namespace
}  // namespace tillrace::warehouse
