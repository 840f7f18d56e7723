// A load that does not wait: so many POSTs a second, whether or not earlier ones are answered, as
// the clients of a shop send them. With rate 0 each connection sends again when it is answered.
//
//   open_loop PORT EVENTS_A_REQUEST REQUESTS_A_SECOND SECONDS CONNECTIONS
//
// One thread; requests are made beforehand. A request that finds no free connection waits for one,
// and its time runs from when it was due; p99_sent_ms is that of the times since it was sent.
// Prints one line of JSON: for each status how many and their milliseconds, and what was never
// answered.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"

namespace tillrace {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds kPatience{20};  // for the last answers

struct Plan {
  std::uint16_t port = 0;
  int events = 1;
  double rate = 0;
  double seconds = 0;
  std::size_t connections = 0;
};

// Events of about 200 bytes.
std::string request_of(int events, SeededRandom& random) {
  std::string body;
  for (int i = 0; i < events; ++i)
    body += fmt::format(
        R"({{"InvoiceNo":"{}","StockCode":"{}","Description":"WHITE HANGING HEART T-LIGHT",)"
        R"("Quantity":{},"InvoiceDate":"2010-12-01 08:26:00","UnitPrice":{}.{},"CustomerID":"{}",)"
        R"("Country":"United Kingdom","LineNo":{}}})"
        "\n",
        536'365 + random.below(25'000), 10'000 + random.below(80'000), 1 + random.below(50),
        random.below(20), 10 + random.below(90), 12'346 + random.below(6000), i + 1);
  return fmt::format(
      "POST /v1/transactions HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/x-ndjson\r\n"
      "Content-Length: {}\r\n\r\n{}",
      body.size(), body);
}

struct Outcome {
  std::vector<double> milliseconds;
  std::vector<double> since_sent_ms;
  std::int64_t in_time = 0;  // answered while the load lasted
  std::int64_t with_retry_after = 0;
};

struct Connection {
  int fd = -1;
  bool busy = false;
  bool blocked = false;  // the rest of a request waits for room in the socket
  Clock::time_point due;
  Clock::time_point sent;  // its first bytes
  std::string_view unsent;
  std::string received;
};

class Load {
 public:
  explicit Load(const Plan& plan) : plan_(plan), connections_(plan.connections) {
    SeededRandom random(1);
    for (int i = 0; i < (plan.events == 1 ? 1024 : 32); ++i)
      requests_.push_back(request_of(plan.events, random));
    for (std::size_t i = 0; i < connections_.size(); ++i) open(i);
  }

  void run();
  void print() const;

 private:
  void open(std::size_t at);
  void begin_what_is_due(Clock::time_point now);
  void begin(std::size_t at, Clock::time_point due);
  void write(std::size_t at);
  void read(std::size_t at);
  bool take_answer(std::size_t at);
  void lost(std::size_t at);
  void wait();
  void watch(std::size_t at, unsigned events, int operation);

  const Plan plan_;
  std::vector<std::string> requests_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> idle_;
  std::deque<Clock::time_point> waiting_;  // due, and without a connection
  std::size_t busy_ = 0;
  std::int64_t begun_ = 0;
  std::int64_t due_count_ = 0;
  std::int64_t lost_ = 0;
  std::size_t most_busy_ = 0;
  Clock::time_point started_;
  bool over_ = false;
  int epoll_ = ::epoll_create1(0);
  std::map<int, Outcome> outcomes_;
};

void Load::watch(std::size_t at, unsigned events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = at;
  CHECK(::epoll_ctl(epoll_, operation, connections_[at].fd, &event) == 0);
}

void Load::open(std::size_t at) {
  Connection& connection = connections_[at];
  if (connection.fd >= 0) ::close(connection.fd);
  connection = {};
  connection.fd = ::socket(AF_INET, SOCK_STREAM, 0);
  CHECK(connection.fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(plan_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  int on = 1;
  ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  CHECK(::fcntl(connection.fd, F_SETFL, O_NONBLOCK) == 0);
  watch(at, EPOLLIN, EPOLL_CTL_ADD);
  idle_.push_back(at);
}

void Load::begin_what_is_due(Clock::time_point now) {
  over_ = now >= started_ + Seconds(plan_.seconds);
  if (over_) return;
  if (plan_.rate == 0) {
    for (std::size_t i = 0; i < idle_.size(); ++i) waiting_.push_back(now);
  }
  auto due = [&] {
    auto after = Seconds(static_cast<double>(due_count_) / plan_.rate);
    return started_ + std::chrono::duration_cast<Clock::duration>(after);
  };
  for (; plan_.rate > 0 && due() <= now; ++due_count_) waiting_.push_back(due());
  while (!waiting_.empty() && !idle_.empty()) begin(idle_.back(), waiting_.front());
}

void Load::begin(std::size_t at, Clock::time_point due) {
  idle_.pop_back();
  waiting_.pop_front();
  Connection& connection = connections_[at];
  connection.busy = true;
  connection.due = due;
  connection.sent = Clock::now();
  connection.unsent = requests_[static_cast<std::size_t>(begun_++) % requests_.size()];
  most_busy_ = std::max(most_busy_, ++busy_);
  write(at);
}

void Load::write(std::size_t at) {
  Connection& connection = connections_[at];
  auto sent = ::send(connection.fd, connection.unsent.data(), connection.unsent.size(),
                     MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) connection.unsent.remove_prefix(static_cast<std::size_t>(sent));
  bool blocked = !connection.unsent.empty();
  if (blocked == connection.blocked) return;
  connection.blocked = blocked;
  watch(at, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

void Load::read(std::size_t at) {
  char bytes[16 * 1024];
  Connection& connection = connections_[at];
  auto length = ::recv(connection.fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (length < 0 && errno == EAGAIN) return;
  if (length <= 0) return lost(at);
  connection.received.append(bytes, static_cast<std::size_t>(length));
  while (connection.busy && take_answer(at)) {
  }
}

// The connection is free when the answer is there and the request is sent to its end: who refuses
// a request reads the rest of it.
bool Load::take_answer(std::size_t at) {
  Connection& connection = connections_[at];
  std::size_t head = connection.received.find("\r\n\r\n");
  std::size_t field = connection.received.find("Content-Length: ");
  if (head == std::string::npos) return false;
  std::size_t body =
      field < head ? std::stoul(connection.received.substr(field + 16, 12)) : std::size_t{0};
  if (connection.received.size() < head + 4 + body) return false;
  Outcome& outcome = outcomes_[std::stoi(connection.received.substr(9, 3))];
  auto now = Clock::now();
  outcome.milliseconds.push_back(Seconds(now - connection.due).count() * 1e3);
  outcome.since_sent_ms.push_back(Seconds(now - connection.sent).count() * 1e3);
  if (!over_) ++outcome.in_time;
  if (connection.received.find("\r\nRetry-After: ") < head) ++outcome.with_retry_after;
  connection.received.erase(0, head + 4 + body);
  connection.busy = false;
  --busy_;
  if (connection.unsent.empty()) idle_.push_back(at);
  return true;
}

// The server ended the connection: with a request that it did not answer, or without.
void Load::lost(std::size_t at) {
  if (connections_[at].busy) {
    ++lost_;
    --busy_;
  }
  std::erase(idle_, at);
  open(at);
}

void Load::wait() {
  std::chrono::nanoseconds rest = std::chrono::milliseconds(50);
  if (plan_.rate > 0 && !over_)
    rest = std::min(rest, std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / plan_.rate)));
  timespec timeout{0, rest.count()};
  epoll_event events[256];
  int count = ::epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    auto at = static_cast<std::size_t>(events[i].data.u64);
    Connection& connection = connections_[at];
    if ((events[i].events & EPOLLOUT) != 0) {
      write(at);
      if (!connection.busy && connection.unsent.empty()) idle_.push_back(at);
    }
    if ((events[i].events & ~std::uint32_t{EPOLLOUT}) != 0) read(at);
  }
}

void Load::run() {
  started_ = Clock::now();
  auto last =
      started_ + std::chrono::duration_cast<Clock::duration>(Seconds(plan_.seconds) + kPatience);
  for (auto now = started_; now < last && (!over_ || busy_ > 0); now = Clock::now()) {
    begin_what_is_due(now);
    wait();
  }
}

double at_share(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void Load::print() const {
  std::string out =
      fmt::format(R"({{"begun":{},"lost":{},"unanswered":{},"unsent":{},"most_busy":{})", begun_,
                  lost_, busy_, waiting_.size(), most_busy_);
  for (auto [status, outcome] : outcomes_) {
    auto& times = outcome.milliseconds;
    std::sort(times.begin(), times.end());
    std::sort(outcome.since_sent_ms.begin(), outcome.since_sent_ms.end());
    out += fmt::format(R"(,"{}":{{"count":{},"in_time":{},"retry_after":{},"p50_ms":{:.2f},)"
                       R"("p99_ms":{:.2f},"max_ms":{:.2f},"p99_sent_ms":{:.2f}}})",
                       status, times.size(), outcome.in_time, outcome.with_retry_after,
                       at_share(times, 0.5), at_share(times, 0.99), times.back(),
                       at_share(outcome.since_sent_ms, 0.99));
  }
  std::printf("%s}\n", out.c_str());
}

}  // namespace
}  // namespace tillrace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  tillrace::Plan plan{static_cast<std::uint16_t>(std::stoi(argv[1])), std::stoi(argv[2]),
                      std::stod(argv[3]), std::stod(argv[4]), std::stoul(argv[5])};
  tillrace::Load load(plan);
  load.run();
  load.print();
}
