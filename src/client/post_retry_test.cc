// What post() does when a server does not answer as one wishes.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>

#include "base/thread.h"
#include "client/scripted_gateway.h"

namespace tillrace::client {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

TEST_F(Post, WaitsAsLongAsTheServerSays) {
  input_events(10);
  Gateway gateway([](int number, const Texts&) -> std::optional<http::Response> {
    if (number == 1) return answer(429, {{"Retry-After", "7"}});
    if (number == 2) return answer(503, {{"Retry-After", "20"}});
    return std::nullopt;
  });
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.accepted, 10u);
  EXPECT_EQ(summary.retried_requests, 2u);
  EXPECT_EQ(summary.requests, 3u);
  EXPECT_NEAR(waited_s(), 27.0, 0.01);
  EXPECT_THAT(
      warnings_,
      ElementsAre("the server answers 429: as the script says; trying again for up to 300 s"));
}

TEST_F(Post, BacksOffLongerAndLongerWhenItSaysNothing) {
  input_events(1);
  Gateway gateway([](int number, const Texts&) -> std::optional<http::Response> {
    constexpr std::array<int, 5> kPassing = {500, 502, 503, 504, 429};
    if (number <= 5) return answer(kPassing[static_cast<std::size_t>(number - 1)]);
    return std::nullopt;
  });
  EXPECT_EQ(run(gateway.url()).accepted, 1u);
  double full = 0.2 + 0.4 + 0.8 + 1.6 + 3.2;
  EXPECT_LE(waited_s(), full);
  EXPECT_GE(waited_s(), full / 2);
}

TEST_F(Post, GivesUpWhenItsTimeIsUp) {
  input_events(25);
  options_.concurrency = 1;
  options_.batch = 10;
  options_.retry_for_s = 60;
  Gateway gateway([](int number, const Texts&) -> std::optional<http::Response> {
    if (number == 1) return std::nullopt;
    return answer(503, {{"Retry-After", "3600"}});
  });
  PostSummary summary = run(gateway.url());
  ASSERT_TRUE(summary.failure);
  EXPECT_EQ(summary.failure->code, Code::unavailable);
  EXPECT_EQ(summary.failure->message,
            "gave up after 2 tries in 60 s: the server answers 503: as the script says");
  EXPECT_EQ(summary.accepted, 10u);
  EXPECT_EQ(summary.read, 25u);
  EXPECT_EQ(summary.open(), 15u);
  EXPECT_NEAR(waited_s(), 60.0, 0.01);
}

TEST_F(Post, SendsAgainWhenTheAnswerIsLostAndStoresOnce) {
  std::string text;
  for (int i = 0; i < 20; ++i) text += without_line_no(i) + "\n";
  input(text);
  options_.request_timeout_ms = 150;
  Gateway gateway([](int number, const Texts&) -> std::optional<http::Response> {
    if (number <= 2) return no_answer();
    return std::nullopt;
  });
  PostSummary summary = run(gateway.url());
  EXPECT_EQ(summary.accepted, 20u);
  EXPECT_EQ(summary.retried_requests, 2u);
  EXPECT_EQ(gateway.stored(), 20u);
}

// Accepts connections and closes them as soon as something is said.
class Closer {
 public:
  Closer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    int yes = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  ~Closer() { ::close(fd_); }
  std::uint16_t port() const { return port_; }
  void close_next() const {
    int connection = ::accept(fd_, nullptr, nullptr);
    char byte = 0;
    EXPECT_EQ(::recv(connection, &byte, 1, 0), 1);
    ::close(connection);
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

TEST_F(Post, GoesOnWhenAServerThatClosedItsConnectionsComesBack) {
  input_events(50);
  options_.concurrency = 2;
  options_.batch = 10;
  options_.retry_for_s = 1'000'000;  // of a clock that runs ahead with every wait
  std::promise<std::uint16_t> port;
  std::unique_ptr<Gateway> gateway;
  auto server = named_thread("comes-back", [&](const std::stop_token&) {
    std::uint16_t taken = 0;
    {
      Closer closer;
      taken = closer.port();
      port.set_value(taken);
      for (int i = 0; i < 3; ++i) closer.close_next();
    }  // and then nobody listens for a moment
    gateway = std::make_unique<Gateway>(Script{}, taken);
  });
  PostSummary summary = run(fmt::format("http://127.0.0.1:{}", port.get_future().get()));
  server.join();
  EXPECT_FALSE(summary.failure) << summary.failure->message;
  EXPECT_EQ(summary.accepted, 50u);
  EXPECT_GE(summary.retried_requests, 1u);
  EXPECT_EQ(gateway->stored(), 50u);
}

TEST_F(Post, StopsAtAnAnswerThatSendingAgainWouldNotChange) {
  input_events(10);
  for (int status : {200, 202, 301, 400, 401, 403, 404, 405, 415, 501}) {
    Gateway gateway([status](int, const Texts&) { return answer(status); });
    PostSummary summary = run(gateway.url());
    ASSERT_TRUE(summary.failure) << status;
    EXPECT_EQ(summary.failure->code, Code::invalid);
    EXPECT_THAT(summary.failure->message,
                StartsWith(fmt::format("the server answers {}: as the script says", status)));
    EXPECT_EQ(summary.accepted, 0u);
    EXPECT_EQ(summary.open(), 10u);
    EXPECT_EQ(gateway.requests(), 1);
  }
}

TEST_F(Post, FinishesWhatIsInFlightWhenStoppedAndCanBeTakenUpAgain) {
  input_events(200);
  options_.batch = 10;
  Gateway gateway([this](int number, const Texts&) -> std::optional<http::Response> {
    if (number == 5) stop_.request_stop();
    return std::nullopt;
  });
  PostSummary summary = run(gateway.url());
  EXPECT_TRUE(summary.stopped);
  EXPECT_FALSE(summary.failure);
  EXPECT_GE(summary.accepted, 50u);
  EXPECT_LE(summary.accepted, 80u);  // 4 connections had one request each at most
  EXPECT_EQ(summary.accepted, gateway.stored());
  stop_ = {};
  EXPECT_EQ(run(gateway.url()).accepted, 200u);
  EXPECT_EQ(gateway.stored(), 200u);
}

TEST_F(Post, StopsDuringALongWait) {
  input_events(1);
  Gateway gateway([this](int, const Texts&) {
    stop_.request_stop();
    return answer(503, {{"Retry-After", "200"}});
  });
  PostSummary summary = run(gateway.url());
  EXPECT_TRUE(summary.stopped);
  EXPECT_EQ(summary.open(), 1u);
  EXPECT_LT(waited_s(), 1.0);
}

}  // namespace
}  // namespace tillrace::client
