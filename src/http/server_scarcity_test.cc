// Room that slow senders hold while others want it: of bytes in flight, and of connections.
#include <atomic>

#include "http/server_for_tests.h"

namespace tillrace::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::HasSubstr;

// Generous: the sweep comes once a second.
constexpr auto kWithin = 8s;

class ServerScarcityTest : public ServerTest {
 protected:
  void add_routes(Router& router) override {
    auto nobody = [](Request&) { return problem(401, "unauthorized", "No key", "say who"); };
    router.add(Method::post, "/locked", [](Request&&, Reply reply) { reply(text(201, "")); },
               {.admit = nobody});
    auto silent = [this](const Request&) { return std::make_unique<Silent>(held_); };
    router.add(Method::post, "/stream", [](Request&&, Reply reply) { reply(text(201, "")); },
               {.stream = silent, .part_bytes = 10'000});
  }
  // Until a fresh connection's event is taken; how long that took.
  steady_clock::duration time_until_served() {
    auto began = steady_clock::now();
    while (steady_clock::now() < began + kWithin) {
      Peer peer = connect();
      peer.send(post_length("/echo", 400, std::string(400, 'b')));
      if (peer.read_answer().starts_with("HTTP/1.1 201 ")) break;
      std::this_thread::sleep_for(20ms);
    }
    return steady_clock::now() - began;
  }
  // So many that no other is let in, each with `request` on it.
  std::vector<Peer> take_all_connections(std::string_view request) {
    ServerOptions options;
    options.max_connections = 4;
    options.threads = 1;
    start(options);
    std::vector<Peer> peers;
    for (std::size_t i = 0; i < options.max_connections; ++i) {
      peers.push_back(connect());
      peers.back().send(request);
    }
    return peers;
  }
};

ServerOptions room_for(std::size_t bytes) {
  ServerOptions options;
  options.max_in_flight_bytes = options.max_body_bytes = bytes;
  return options;
}

TEST_F(ServerScarcityTest, AHeadWhoseBodyDoesNotComeGivesItsRoomBack) {
  start(room_for(20'000));
  Peer silent = connect();
  silent.send(post_length("/echo", 19'900));
  ASSERT_TRUE(comes_to_show("tillrace_http_in_flight_bytes 19900\n"));
  EXPECT_LT(time_until_served(), kWithin);
  EXPECT_THAT(silent.read_answer(), HasSubstr("many send at once"));
}

TEST_F(ServerScarcityTest, ABodyThatDripsGivesItsRoomBack) {
  start(room_for(10'000));
  Peer dripping = connect();
  dripping.send(post_length("/echo", 9'900, "b"));
  ASSERT_TRUE(comes_to_show("tillrace_http_in_flight_bytes 9900\n"));
  std::atomic<bool> over = false;
  auto dripper = named_thread("dripper", [&](std::stop_token) {
    for (; !over; std::this_thread::sleep_for(200ms))
      if (!dripping.send("b")) return;
  });
  EXPECT_LT(time_until_served(), kWithin);
  over = true;
}

TEST_F(ServerScarcityTest, AStreamThatPausesGivesItsPartBack) {
  start(room_for(10'000));
  Peer slow = connect();
  slow.send("POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  ASSERT_TRUE(comes_to_show("tillrace_http_in_flight_bytes 10000\n"));
  EXPECT_LT(time_until_served(), kWithin);
  EXPECT_THAT(slow.read_answer(), IsProblem(408, "request-timeout"));
}

TEST_F(ServerScarcityTest, ABodyMayPauseWhileThereIsRoom) {
  start(room_for(100'000));
  Peer slow = connect();
  slow.send(post_length("/echo", 4, "ab"));
  std::this_thread::sleep_for(2500ms);
  slow.send("cd");
  EXPECT_THAT(slow.read_answer(), HasStatus(201));
}

TEST_F(ServerScarcityTest, BodiesThatPauseGiveTheirConnectionsToOthers) {
  auto slow = take_all_connections(post_length("/echo", 100, "a"));
  EXPECT_LT(time_until_served(), kWithin);
}

TEST_F(ServerScarcityTest, RefusedBodiesThatDoNotComeGiveTheirConnectionsToOthers) {
  auto refused = take_all_connections(post_length("/locked", 1000));
  for (Peer& peer : refused) EXPECT_THAT(peer.read_answer(), HasStatus(401));
  EXPECT_LT(time_until_served(), kWithin);
}

TEST_F(ServerScarcityTest, ABrokenBodyThatHasComeDoesNotHoldUpTheDrain) {
  start();
  Peer peer = connect();
  std::string body = "no gzip";
  peer.send(post(
      "/echo", fmt::format("Content-Encoding: gzip\r\nContent-Length: {}\r\n", body.size()), body));
  EXPECT_THAT(peer.read_answer(), HasStatus(400));
  auto began = steady_clock::now();
  EXPECT_TRUE(server_->drain(5s));
  EXPECT_LT(steady_clock::now() - began, 2s);
}

TEST_F(ServerScarcityTest, ARefusedBodyThatDoesNotComeDoesNotHoldUpTheDrain) {
  start();
  Peer peer = connect();
  peer.send(post_length("/locked", 1000));
  EXPECT_THAT(peer.read_answer(), HasStatus(401));
  auto began = steady_clock::now();
  EXPECT_TRUE(server_->drain(8s));
  EXPECT_LT(steady_clock::now() - began, 5s) << "two seconds are left to read the answer";
}

TEST_F(ServerScarcityTest, RequestsThatWereSentTogetherAreAllAnsweredInADrain) {
  start();
  Peer peer = connect();
  std::string held = "GET /held HTTP/1.1\r\nHost: x\r\n\r\n";
  peer.send(held + post_length("/echo", 3, "two") + post_length("/echo", 5, "three"));
  auto reply = held_.take();
  bool drained = false;
  auto drainer = named_thread("drainer", [&](std::stop_token) { drained = server_->drain(5s); });
  std::this_thread::sleep_for(100ms);
  reply(text(200, "one"));
  EXPECT_THAT(peer.read_answer(), HasSubstr("one"));
  EXPECT_THAT(peer.read_answer(), HasSubstr("two"));
  auto last = peer.read_answer();
  EXPECT_THAT(last, HasSubstr("three"));
  EXPECT_THAT(last, HasSubstr("\r\nConnection: close\r\n"));
  drainer.join();
  EXPECT_TRUE(drained);
}

}  // namespace
}  // namespace tillrace::http
