// What a check of a request's sender costs, beside a bare SHA-256 of the same bytes, and for tokens
// beside checking the signature each time.
//
//   auth_bench            about 10 seconds; from the project's folder, where tests/fuzz/corpus lies
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "auth/api_keys.h"
#include "auth/authenticator.h"
#include "auth/sha256.h"
#include "auth/token.h"
#include "base/check.h"
#include "base/files.h"

namespace tillrace::auth {
namespace {

constexpr int kKeys = 10'000;
constexpr double kSeconds = 1;

// Microseconds a call on each of `threads` threads.
template <class Call>
double measure(Clock& clock, int threads, Call call) {
  std::vector<double> took(static_cast<std::size_t>(threads));
  std::vector<std::jthread> workers;
  for (double& mine : took)
    workers.emplace_back([&] {
      auto began = clock.monotonic();
      double seconds = 0;
      std::int64_t calls = 0;
      while (seconds < kSeconds) {
        for (int i = 0; i < 100; ++i) call();
        calls += 100;
        seconds = std::chrono::duration<double>(clock.monotonic() - began).count();
      }
      mine = seconds * 1e6 / static_cast<double>(calls);
    });
  workers.clear();  // joins
  double sum = 0;
  for (double one : took) sum += one;
  return sum / threads;
}

// Its days stand still when the tokens of the corpus are in force.
class BenchClock final : public Clock {
 public:
  UtcMicros now() override { return {1'700'000'000'000'000}; }
  std::chrono::nanoseconds monotonic() override { return real_.monotonic(); }
  void sleep_for(std::chrono::nanoseconds duration) override { real_.sleep_for(duration); }

 private:
  SystemClock real_;
};

// An input of jwt_fuzz, without the byte that says what it is.
std::string from_corpus(const std::string& name) {
  auto content = read_file("tests/fuzz/corpus/jwt_fuzz/" + name);
  CHECK(content && content->size() > 1);
  return content->substr(1);
}

struct Bench {
  BenchClock clock;
  SystemRandom random;
  Metrics metrics;
  std::filesystem::path folder;
  std::string key;
  std::string jwks = from_corpus("keys_both");
  std::unique_ptr<Authenticator> authenticator;

  void open() {
    ApiKeys keys(folder / "keys.json", clock, random);
    std::vector<StoredKey> many(kKeys - 1, {"", "x", {Scope::ingest}, {}, {}, {}, {}});
    for (int i = 0; i < kKeys - 1; ++i) {
      std::string id(10, 'a');
      for (int digit = 0, rest = i; digit < 4; ++digit, rest /= 26)
        id[static_cast<std::size_t>(digit)] = static_cast<char>('a' + rest % 26);
      many[static_cast<std::size_t>(i)].id = id;
    }
    CHECK(write_file_atomically(folder / "keys.json", encode_keys(many), 0600));
    CHECK(write_file_atomically(folder / "jwks.json", jwks));
    key = keys.create({"bench", {Scope::ingest}, {}})->text;
    AuthOptions options;
    options.mode = AuthOptions::Mode::required;
    options.keys_file = folder / "keys.json";
    options.jwks = folder / "jwks.json";
    options.issuer = "https://id.example.com";
    options.audience = "tillrace";
    authenticator = std::move(*Authenticator::open(options, clock, metrics));
  }
  double check(const std::string& credential, int threads, bool taken) {
    std::string value = "Bearer " + credential;
    return measure(clock, threads, [&] {
      http::Request head;
      head.remote_address = "192.0.2.1";
      head.headers.add("Host", "127.0.0.1:8080");
      head.headers.add("Authorization", value);
      CHECK(authenticator->check(head, Scope::ingest).has_value() != taken);
    });
  }
};

void run(const std::filesystem::path& folder) {
  Bench bench;
  bench.folder = folder;
  bench.open();
  std::string rs256 = from_corpus("token_rs256");
  std::string es256 = from_corpus("token_es256");
  std::string wrong = bench.key.substr(0, 71) + (bench.key.back() == 'a' ? "b" : "a");
  KeySet keys = std::move(*KeySet::decode(bench.jwks));
  TokenRules rules{"https://id.example.com", "tillrace", false};
  auto verify = [&](const std::string& token) {
    return measure(bench.clock, 1,
                   [&] { CHECK(verify_token(token, keys, rules, bench.clock.now())); });
  };
  std::printf("%-44s %8.2f us\n", "SHA-256 of a key, for comparison",
              measure(bench.clock, 1, [&] { CHECK(sha256(bench.key) != Sha256{}); }));
  std::printf("%-44s %8.2f us\n", "API key, one of 10,000", bench.check(bench.key, 1, true));
  std::printf("%-44s %8.2f us\n", "  by two threads at once", bench.check(bench.key, 2, true));
  std::printf("%-44s %8.2f us\n", "  mistyped", bench.check(wrong, 1, false));
  std::printf("%-44s %8.2f us\n", "RS256 token, its signature checked", verify(rs256));
  std::printf("%-44s %8.2f us\n", "ES256 token, its signature checked", verify(es256));
  std::printf("%-44s %8.2f us\n", "RS256 token, seen before", bench.check(rs256, 1, true));
  std::printf("%-44s %8.2f us\n", "  by two threads at once", bench.check(rs256, 2, true));
}

}  // namespace
}  // namespace tillrace::auth

int main() {
  std::string folder = (std::filesystem::temp_directory_path() / "auth-bench-XXXXXX").string();
  CHECK(::mkdtemp(folder.data()) != nullptr);
  tillrace::auth::run(folder);
  std::filesystem::remove_all(folder);
}
