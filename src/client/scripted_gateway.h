// For the tests of post(): a real HTTP server that answers by a script, and the fixture that posts
// to it.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/metrics.h"
#include "base/scratch_for_tests.h"
#include "client/post.h"
#include "http/problem.h"
#include "http/server.h"
#include "model/event_json.h"

namespace tillrace::client {

namespace fs = std::filesystem;

using Texts = std::vector<std::string>;

// How a gateway answers: called with the request's number from 1 and its events. Nothing: store
// them and say 201.
using Script = std::function<std::optional<http::Response>(int, const Texts&)>;

inline http::Response answer(int status, http::Headers headers = {}) {
  http::Response response = http::problem(status, "scripted", "Scripted", "as the script says");
  for (const auto& [name, value] : headers) response.headers.add(name, value);
  return response;
}

// 422 that names events by their index.
inline http::Response refusal(const std::vector<std::size_t>& indices) {
  return http::problem(422, "invalid-events", "Invalid events", "see errors",
                       [&](JsonWriter& json) {
                         json.key("errors").begin_array();
                         for (std::size_t index : indices)
                           json.begin_object()
                               .field("index", static_cast<std::int64_t>(index))
                               .field("field", "StockCode")
                               .field("rule", "no \"BAD\" ones")
                               .field("got", "BAD")
                               .end_object();
                         json.end_array();
                       });
}

// A real server on a free port that stores events by identity, as a gateway and what lies behind it
// do.
class Gateway {
 public:
  explicit Gateway(Script script = {}, std::uint16_t port = 0) : script_(std::move(script)) {
    http::Router router;
    router.add(http::Method::post, "/v1/transactions",
               [this](http::Request&& request, http::Reply reply) {
                 answer_to(request, std::move(reply));
               },
               {.max_body_bytes = std::size_t{8} << 20});
    http::ServerOptions options;
    options.port = port;
    server_ = http::Server::listen(options, std::move(router), metrics_).value();
  }
  std::string url() const { return "http://" + server_->address(); }
  std::uint16_t port() const { return server_->port(); }

  std::size_t stored() {
    return with_lock([this] { return events_.size(); });
  }
  int requests() {
    return with_lock([this] { return requests_; });
  }
  std::map<std::string, std::string> events() {
    return with_lock([this] { return events_; });
  }
  Texts bodies() {
    return with_lock([this] { return bodies_; });
  }
  std::vector<std::string> content_types() {
    return with_lock([this] { return content_types_; });
  }

 private:
  template <class Action>
  std::invoke_result_t<Action> with_lock(Action action) {
    std::lock_guard lock(mutex_);
    return action();
  }

  void answer_to(const http::Request& request, http::Reply reply) {
    Texts events;
    for (std::string_view line : split_lines(request.body)) events.emplace_back(line);
    int number = with_lock([&] {
      bodies_.push_back(request.body);
      content_types_.emplace_back(request.headers.find("Content-Type").value_or(""));
      return ++requests_;
    });
    auto scripted = script_ ? script_(number, events) : std::nullopt;
    if (scripted && scripted->status == kNoAnswer) {
      store(events);
      with_lock([&] { held_.push_back(std::move(reply)); });
      return;
    }
    if (!scripted) store(events);
    http::Response created;
    created.status = 201;
    reply(scripted ? std::move(*scripted) : std::move(created));
  }

  void store(const Texts& events) {
    EventParser parser{TimeZone{}};
    for (const std::string& event : events) {
      Transaction line = parser.parse(event).value();
      EventId fresh = name_based(EventId{}, fmt::format("{}", ++unidentified_));
      EventId derived = line.line_no ? derived_event_id(line.invoice_no, *line.line_no) : fresh;
      std::string key = line.invoice_no + "/" + to_string(line.event_id.value_or(derived));
      with_lock([&] { events_[key] = event; });
    }
  }

 public:
  static constexpr int kNoAnswer = 299;  // of a script: store the events, and never answer

 private:
  Metrics metrics_;
  Script script_;
  std::mutex mutex_;
  std::map<std::string, std::string> events_;
  Texts bodies_;
  std::vector<std::string> content_types_;
  std::vector<http::Reply> held_;
  int requests_ = 0;
  std::atomic<int> unidentified_ = 0;
  std::unique_ptr<http::Server> server_;  // the last: its threads use the others
};

inline http::Response no_answer() {
  http::Response response;
  response.status = Gateway::kNoAnswer;
  return response;
}

class Post : public testing::Test {
 protected:
  Post() {
    options_.input = folder_ / "sales.ndjson";
    callbacks_.warn = [this](std::string_view line) { warnings_.emplace_back(line); };
    callbacks_.status = [this](int status) { statuses_.push_back(status); };
  }

  void input(std::string_view text) { std::ofstream(options_.input, std::ios::binary) << text; }
  // `count` events with a LineNo each, the ones at `bad` with StockCode BAD.
  void input_events(int count, const std::vector<int>& bad = {}) {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += event(i, std::count(bad.begin(), bad.end(), i) > 0 ? "BAD" : "A") + "\n";
    input(text);
  }
  static std::string event(int number, std::string_view code = "A") {
    return fmt::format(
        R"({{"InvoiceNo":"{}","StockCode":"{}","Quantity":1,"InvoiceDate":"2010-12-01T08:26:00",)"
        R"("UnitPrice":2.55,"Country":"UK","LineNo":1}})",
        1000 + number, code);
  }
  static std::string without_line_no(int number) {
    std::string text = event(number);
    return text.replace(text.find(",\"LineNo\":1"), 11, "");
  }

  PostSummary run(const std::string& url) {
    options_.url = url;
    auto summary = post(options_, callbacks_, clock_, random_, stop_.get_token());
    EXPECT_TRUE(summary) << summary.error().message;
    return summary.value_or(PostSummary{});
  }
  double waited_s() { return std::chrono::duration<double>(clock_.monotonic()).count(); }
  std::string refused() {
    return read_file(folder_ / "sales.refused.ndjson").value_or("(no such file)");
  }

  const ScratchFolder scratch_;
  const fs::path folder_ = scratch_.path();
  PostOptions options_;
  PostCallbacks callbacks_;
  FakeClock clock_;  // waits cost no time
  SeededRandom random_{1};
  std::stop_source stop_;
  Texts warnings_;
  std::vector<int> statuses_;
};

}  // namespace tillrace::client
