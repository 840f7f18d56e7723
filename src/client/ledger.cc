#include "client/ledger.h"

#include <utility>

namespace tillrace::client {
namespace {

std::filesystem::path refused_path(const PostOptions& options) {
  return options.refused.empty() ? refused_path_of(options.input) : options.refused;
}

}  // namespace

std::filesystem::path refused_path_of(const std::filesystem::path& input) {
  if (input.empty() || input == "-") return "stdin.refused.ndjson";
  std::filesystem::path path = input;
  return path.replace_extension(".refused.ndjson");
}

void Ledger::read(const Progress& input) {
  MutexLock lock(mutex_);
  ++summary_.read;
  progress_.done = input.done;
  progress_.total = input.total;
}

void Ledger::requested() {
  MutexLock lock(mutex_);
  ++summary_.requests;
}

void Ledger::retried(std::string_view why) {
  MutexLock lock(mutex_);
  ++summary_.retried_requests;
  if (std::exchange(in_trouble_, true)) return;
  callbacks_.warn(fmt::format("{}; trying again for up to {} s", why, options_.retry_for_s));
}

void Ledger::accepted(std::uint64_t events, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  summary_.accepted += events;
  summary_.bytes += bytes;
  in_trouble_ = false;
  report();
}

void Ledger::refused(const PostRecord& record, std::string_view why) {
  MutexLock lock(mutex_);
  ++summary_.refused;
  if (summary_.refused <= options_.most_named_refusals)
    callbacks_.warn(fmt::format("event {}: {}", record.place, why));
  if (summary_.refused == options_.most_named_refusals + 1)
    callbacks_.warn("further refused events are not named but counted");
  keep_refused(record);
  report();
}

void Ledger::keep_refused(const PostRecord& record) {
  if (!refused_) {
    auto opened = Output::open(refused_path(options_));
    if (!opened) return note_failure(opened.error());
    refused_.emplace(std::move(*opened));
  }
  if (Status kept = refused_->write(record.json + "\n"); !kept) note_failure(kept.error());
}

void Ledger::answered(int status) {
  MutexLock lock(mutex_);
  if (options_.each) callbacks_.status(status);
}

void Ledger::failed(Error error) {
  MutexLock lock(mutex_);
  note_failure(std::move(error));
}

void Ledger::note_failure(Error error) {
  if (!summary_.failure) summary_.failure = std::move(error);
  stop_.request_stop();
}

void Ledger::report() {
  progress_.events = summary_.accepted + summary_.refused;
  callbacks_.progress(progress_);
}

PostSummary Ledger::close(bool complete) {
  MutexLock lock(mutex_);
  settle_refused(complete && !summary_.failure);
  report();
  return summary_;
}

void Ledger::settle_refused(bool complete) {
  std::filesystem::path path = refused_path(options_);
  std::error_code error;
  bool from_earlier = std::filesystem::is_regular_file(path, error);
  if (refused_) {
    if (from_earlier)
      callbacks_.warn(fmt::format("{} of an earlier run is replaced", path.string()));
    summary_.refused_path = path;
    if (Status kept = refused_->commit(); !kept) note_failure(kept.error());
  } else if (from_earlier && complete) {
    callbacks_.warn(
        fmt::format("{} of an earlier run is removed: nothing was refused", path.string()));
    std::filesystem::remove(path, error);
  }
}

}  // namespace tillrace::client
