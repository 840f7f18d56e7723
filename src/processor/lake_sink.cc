#include "processor/lake_sink.h"

#include <optional>
#include <system_error>
#include <utility>

#include "base/thread.h"
#include "processor/lake_loop.h"

namespace tillrace::processor {
namespace {

void empty(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

// The engine's own threads stand where the one stands that opens it.
Result<lake::Duck> open_behind(const lake::DuckOptions& options) {
  std::optional<Result<lake::Duck>> duck;
  named_thread("duckdb", [&](const std::stop_token&) {
    put_this_thread_behind();
    duck.emplace(lake::Duck::open(options));
  }).join();
  return std::move(*duck);
}

}  // namespace

Result<std::unique_ptr<LakeSink>> LakeSink::open(LakeSinkOptions options, lake::Store& store,
                                                 log::Log& log, Clock& clock, Random& random,
                                                 Metrics& metrics) {
  auto duck = open_behind(options.engine);
  if (!duck) return fail(duck.error());
  empty(options.spool_folder);
  return std::make_unique<LakeSink>(std::move(options), store, log, clock, random, metrics,
                                    std::move(*duck));
}

LakeSink::LakeSink(LakeSinkOptions options_, lake::Store& store_, log::Log& log_, Clock& clock_,
                   Random& random_, Metrics& metrics_, lake::Duck duck)
    : options(std::move(options_)),
      store(store_),
      log(log_),
      clock(clock_),
      random(random_),
      metrics(metrics_),
      duck_(std::move(duck)) {}

LakeSink::~LakeSink() { empty(options.spool_folder); }

SinkKind LakeSink::kind() {
  SinkKind kind;
  kind.name = "lake";
  kind.open_loop = [this](Partition partition) {
    return std::make_unique<LakeLoop>(*this, partition);
  };
  kind.hurry = [this] { ++hurries_; };
  kind.abandon = options.abandon;
  kind.has_begun = options.has_begun;
  kind.is_detached = [this] { return attachment() == Attachment::detached; };
  return kind;
}

Attachment LakeSink::attachment() const {
  return options.attachment ? options.attachment() : Attachment::attached;
}

bool LakeSink::take_turn() { return !is_taken_.exchange(true); }
void LakeSink::end_turn() { is_taken_ = false; }

}  // namespace tillrace::processor
