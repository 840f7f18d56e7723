// A store that fails on demand. The fault model: before each call a script is asked, by what is
// done and to which path, and says that the call
//   works;
//   is refused: unavailable, and nothing was done;
//   loses its answer: unavailable, and it was done;
//   is the last of this process, which dies before or after doing it.
// Reading is never wrong, only refused. Included by *_test.cc alone.
#pragma once
#include <csignal>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "lake/store.h"

namespace tillrace::lake {

enum class Fault { none, refused, answer_lost, killed_before, killed_after };

class FaultyStore : public Store {
 public:
  using Script = std::function<Fault(std::string_view operation, std::string_view path)>;
  explicit FaultyStore(Store& store) : store_(store) {}
  void play(Script script) { script_ = std::move(script); }

  Status put_if_absent(std::string_view path, std::string_view bytes) override {
    return run("put_if_absent", path, [&] { return store_.put_if_absent(path, bytes); });
  }
  Status put(std::string_view path, std::string_view bytes) override {
    return run("put", path, [&] { return store_.put(path, bytes); });
  }
  Status put_file(std::string_view path, const std::filesystem::path& local) override {
    return run("put_file", path, [&] { return store_.put_file(path, local); });
  }
  Result<std::string> get(std::string_view path) override {
    auto refused = ask("get", path);
    return refused == Fault::none ? store_.get(path) : away("get", path);
  }
  Result<std::string> get_range(std::string_view path, std::uint64_t offset,
                                std::uint64_t length) override {
    return store_.get_range(path, offset, length);
  }
  Status list(std::string_view prefix, std::string_view start_after, const Visit& visit) override {
    if (ask("list", prefix) != Fault::none) return fail(away("list", prefix).error());
    return store_.list(prefix, start_after, visit);
  }
  using Store::list;
  Status remove(std::string_view path) override {
    return run("remove", path, [&] { return store_.remove(path); });
  }
  Result<StoredFile> head(std::string_view path) override { return store_.head(path); }
  std::optional<std::filesystem::path> local_path(std::string_view path) const override {
    return store_.local_path(path);
  }

 private:
  static Result<std::string> away(std::string_view operation, std::string_view path) {
    return fail(Code::unavailable, "{} {}: the store is away", operation, path);
  }
  Fault ask(std::string_view operation, std::string_view path) {
    Fault fault = script_ ? script_(operation, path) : Fault::none;
    if (fault == Fault::killed_before) ::raise(SIGKILL);
    return fault;
  }
  template <class Call>
  Status run(std::string_view operation, std::string_view path, const Call& call) {
    Fault fault = ask(operation, path);
    if (fault == Fault::refused) return fail(away(operation, path).error());
    Status done = call();
    if (fault == Fault::killed_after) ::raise(SIGKILL);
    if (fault == Fault::answer_lost) return fail(away(operation, path).error());
    return done;
  }

  Store& store_;
  Script script_;
};

}  // namespace tillrace::lake
