#include "http/request_log.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace tillrace::http {
namespace {

constexpr int kMaxLinesPerSecond = 20;
constexpr std::size_t kMaxTextBytes = 128;

using Outcome = RequestLog::Outcome;

logging::Level level_of(Outcome outcome, int status) {
  if (status >= 500) return logging::Level::warning;
  bool refused = status >= 400 || outcome != Outcome::answered;
  return refused ? logging::Level::info : logging::Level::debug;
}

std::string_view message(Outcome outcome) {
  switch (outcome) {
    case Outcome::answered: return "http: answered";
    case Outcome::broken_off: return "http: answer broken off";
    case Outcome::client_gone: return "http: client gone before its answer's end";
  }
  return "";
}

double milliseconds(std::chrono::nanoseconds duration) {
  return std::round(std::chrono::duration<double, std::micro>(duration).count()) / 1000;
}

}  // namespace

std::string loggable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    bool plain = c > ' ' && c <= '~' && c != '"' && c != '\'' && c != '=' && c != '\\' && c != '%';
    if (out.size() + (plain ? 1 : 3) > kMaxTextBytes) break;
    auto byte = static_cast<unsigned char>(c);
    if (plain) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

// At every request: what it costs is a copy, and no memory.
void RequestFacts::note(const Request& request, std::chrono::nanoseconds now) {
  path.assign(request.path, 0, kMaxTextBytes);
  client.assign(request.client, 0, kMaxTextBytes);
  method = request.method;
  begun = now;
  known = true;
}

void RequestFacts::clear() {
  id.clear();
  known = false;
}

void RequestLog::write(Outcome outcome, const RequestFacts& facts, int status,
                       std::uint64_t body_bytes, Nanos now) {
  auto level = level_of(outcome, status);
  if (!logging::enabled(level)) return;
  if (level != logging::Level::debug && !admit_refusal(level, now)) return;
  std::string path = loggable(facts.path);
  std::string client = loggable(facts.client);
  std::vector<logging::Field> fields = {{"request_id", facts.id}};
  if (facts.known) {
    fields.push_back({"method", name(facts.method)});
    fields.push_back({"path", path});
  }
  fields.push_back({"status", std::int64_t{status}});
  if (facts.known) fields.push_back({"duration_ms", milliseconds(now - facts.begun)});
  fields.push_back({"bytes", static_cast<std::int64_t>(body_bytes)});
  fields.push_back({"client", client});
  logging::write(level, message(outcome), fields);
}

bool RequestLog::admit_refusal(logging::Level level, Nanos now) {
  tick(now);
  if (written_ < kMaxLinesPerSecond) {
    ++written_;
    return true;
  }
  ++left_out_;
  left_out_level_ = std::max(left_out_level_, level);
  return false;
}

void RequestLog::tick(Nanos now) {
  if (now - second_began_ < std::chrono::seconds(1)) return;
  if (left_out_ > 0) {
    const std::array fields = {logging::Field{"requests", left_out_}};
    logging::write(left_out_level_, "http: further refusals without a line", fields);
  }
  second_began_ = now;
  written_ = 0;
  left_out_ = 0;
  left_out_level_ = logging::Level::info;
}

}  // namespace tillrace::http
