#include "lake/delta_loader.h"

#include <limits>
#include <utility>

#include "base/logging.h"
#include "lake/delta_checkpoint_reader.h"

namespace tillrace::lake {
namespace {

constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max();
// Beyond so many commits a checkpoint is read instead.
constexpr std::int64_t kMostReplayed = 100;

std::int64_t last_version(const LogListing& listing, std::int64_t upto) {
  std::int64_t last = -1;
  if (auto after = listing.commits.upper_bound(upto); after != listing.commits.begin()) {
    last = std::prev(after)->first;
  }
  // A checkpoint may stand alone where its commit was cleaned away.
  if (auto after = listing.checkpoints.upper_bound(upto); after != listing.checkpoints.begin()) {
    last = std::max(last, std::prev(after)->first);
  }
  return last;
}

using Commit = std::vector<Action>;

// By name, because a listing that is made while others write may miss one.
Result<Commit> read_commit(DeltaLog& log, std::int64_t version) {
  auto actions = log.read_commit(version);
  if (!actions && actions.error().code == Code::not_found) {
    return fail(Code::corrupt, "the log of {} lacks version {}", log.table(), version);
  }
  return actions;
}

Status apply_next(DeltaLog& log, Snapshot& snapshot, Commit commit) {
  auto applied = snapshot.apply(std::move(commit), snapshot.version() + 1);
  if (!applied) return fail(applied.error(), log.table());
  return {};
}

// Reads the commits after `snapshot` up to `last`.
Status replay(DeltaLog& log, Snapshot& snapshot, std::int64_t last) {
  while (snapshot.version() < last) {
    auto commit = read_commit(log, snapshot.version() + 1);
    if (!commit) return fail(commit.error());
    if (auto applied = apply_next(log, snapshot, std::move(*commit)); !applied) return applied;
  }
  return {};
}

// All of them before any is applied: where one is missing the others do not count.
Result<std::vector<Commit>> read_commits(DeltaLog& log, std::int64_t from, std::int64_t last) {
  std::vector<Commit> commits;
  for (std::int64_t version = from; version <= last; ++version) {
    auto commit = read_commit(log, version);
    if (!commit) return fail(commit.error());
    commits.push_back(std::move(*commit));
  }
  return commits;
}

Status apply_all(DeltaLog& log, Snapshot& snapshot, std::vector<Commit> commits) {
  for (auto& commit : commits) {
    if (auto applied = apply_next(log, snapshot, std::move(commit)); !applied) return applied;
  }
  return {};
}

Result<Snapshot> from_checkpoint(const LakePorts& ports, DeltaLog& log, std::int64_t version,
                                 const std::vector<std::string>& parts, std::int64_t last) {
  auto actions = read_checkpoint(ports, parts);
  // It was listed; not_found would say that there is no table.
  if (!actions && actions.error().code == Code::not_found) {
    return fail(Code::corrupt, "{}", actions.error().message);
  }
  if (!actions) return fail(actions.error());
  Snapshot snapshot;
  if (auto applied = snapshot.apply(std::move(*actions), version); !applied) {
    return fail(applied.error(), log.table());
  }
  if (auto replayed = replay(log, snapshot, last); !replayed) return fail(replayed.error());
  return snapshot;
}

// By the latest checkpoint that can be read, else from the first commit. The error is that of the
// latest checkpoint.
Result<Snapshot> load_from(const LakePorts& ports, DeltaLog& log, const LogListing& listing,
                           std::int64_t upto) {
  std::int64_t last = last_version(listing, upto);
  std::optional<Error> first_error;
  auto checkpoint = listing.checkpoints.upper_bound(upto);
  while (checkpoint != listing.checkpoints.begin()) {
    --checkpoint;
    auto snapshot = from_checkpoint(ports, log, checkpoint->first, checkpoint->second, last);
    if (snapshot || snapshot.error().code != Code::corrupt) return snapshot;
    logging::warning("{}: passing over the checkpoint of version {}: {}", log.table(),
                     checkpoint->first, snapshot.error().message);
    if (!first_error) first_error = snapshot.error();
  }
  if (!listing.commits.contains(0)) {
    if (first_error) return fail(*first_error);
    return fail(Code::corrupt, "the log of {} has neither version 0 nor a checkpoint to begin with",
                log.table());
  }
  Snapshot snapshot;
  if (auto replayed = replay(log, snapshot, last); !replayed) return fail(replayed.error());
  return snapshot;
}

// Whether all commits up to `version` from a checkpoint, or the first, are listed. A clean-up that
// was interrupted leaves a checkpoint whose commits are gone.
bool is_reached(const LogListing& listing, std::int64_t version) {
  while (version >= 0 && !listing.checkpoints.contains(version)) {
    if (!listing.commits.contains(version--)) return false;
  }
  return true;
}

}  // namespace

Result<Snapshot> load_latest(const LakePorts& ports, DeltaLog& log) {
  auto hint = log.last_checkpoint();
  if (!hint) return fail(hint.error());
  if (*hint) {
    auto listing = log.list(**hint);
    if (!listing) return fail(listing.error());
    if (listing->checkpoints.contains(**hint)) {
      auto snapshot = load_from(ports, log, *listing, kLatest);
      if (snapshot || snapshot.error().code != Code::corrupt) return snapshot;
    }
  }
  auto listing = log.list(0);
  if (!listing) return fail(listing.error());
  if (listing->commits.empty() && listing->checkpoints.empty()) {
    return fail(Code::not_found, "there is no Delta table at {}", log.table());
  }
  return load_from(ports, log, *listing, kLatest);
}

Result<Snapshot> load_version(const LakePorts& ports, DeltaLog& log, std::int64_t version) {
  auto listing = log.list(0);
  if (!listing) return fail(listing.error());
  std::int64_t last = last_version(*listing, kLatest);
  if (last < 0) return fail(Code::not_found, "there is no Delta table at {}", log.table());
  if (version < 0 || version > last) {
    return fail(Code::not_found, "{} has no version {}; its latest is {}", log.table(), version,
                last);
  }
  auto snapshot = load_from(ports, log, *listing, version);
  bool is_other = snapshot && snapshot->version() != version;
  bool is_broken = !snapshot && snapshot.error().code == Code::corrupt;
  if (is_other || (is_broken && !is_reached(*listing, version))) {
    return fail(Code::not_found, "version {} of {} is no longer in the log", version, log.table());
  }
  return snapshot;
}

std::map<std::int64_t, UtcMicros> ascending_times(const LogListing& listing) {
  std::map<std::int64_t, UtcMicros> times;
  UtcMicros previous{std::numeric_limits<std::int64_t>::min()};
  for (const auto& [version, written] : listing.commits) {
    previous = std::max(written, UtcMicros{previous.value + 1000});
    times[version] = previous;
  }
  return times;
}

Result<std::int64_t> version_at(DeltaLog& log, UtcMicros time) {
  auto listing = log.list(0);
  if (!listing) return fail(listing.error());
  std::optional<std::int64_t> found;
  for (const auto& [version, written] : ascending_times(*listing)) {
    if (written > time) break;
    found = version;
  }
  if (!found) {
    return fail(Code::not_found, "{} has no version as old as {}", log.table(), to_string(time));
  }
  return *found;
}

Status catch_up(const LakePorts& ports, DeltaLog& log, Snapshot& snapshot, bool is_old) {
  auto listing = log.list(snapshot.version() + 1);
  if (!listing) return fail(listing.error());
  std::int64_t last = last_version(*listing, kLatest);
  if (last <= snapshot.version()) return {};
  bool is_far = last - snapshot.version() > kMostReplayed;
  if (listing->checkpoints.empty() || !(is_old || is_far)) {
    auto commits = read_commits(log, snapshot.version() + 1, last);
    if (commits) return apply_all(log, snapshot, std::move(*commits));
    if (commits.error().code != Code::corrupt) return fail(commits.error());
  }
  auto latest = load_latest(ports, log);
  if (!latest) return fail(latest.error());
  snapshot = std::move(*latest);
  return {};
}

}  // namespace tillrace::lake
