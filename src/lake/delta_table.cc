#include "lake/delta_table.h"

#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "base/logging.h"
#include "lake/data_files.h"
#include "lake/delta_checkpoint.h"
#include "lake/delta_decoder.h"
#include "lake/delta_loader.h"
#include "lake/delta_paths.h"
#include "lake/delta_properties.h"

namespace tillrace::lake {
namespace {

// Each loss means that another writer has gone on; so many in a row only where something is wrong.
constexpr int kMostLosses = 1'000;
// The store repeats by itself; these come on top, between looks at whether the commit is there.
constexpr int kMostPlacings = 3;
constexpr std::chrono::milliseconds kPlacingPause{200};
// The log is cleaned at every tenth checkpoint: it takes a listing of all of it.
constexpr std::int64_t kCheckpointsBetweenCleanings = 10;

const CommitInfo* info_of(const std::vector<Action>& actions) {
  for (const auto& action : actions) {
    if (const auto* info = std::get_if<CommitInfo>(&action)) return info;
  }
  return nullptr;
}

RemoveFile removal(const AddFile& file, std::int64_t now_ms, bool data_change) {
  return {.path = file.path,
          .deletion_timestamp_ms = now_ms,
          .data_change = data_change,
          .partition_values = file.partition_values,
          .size = file.size};
}

// A list as operationParameters have it: JSON in a string.
std::string json_list(const std::vector<std::string>& words) {
  JsonWriter json;
  json.begin_array();
  for (const auto& word : words) json.string(word);
  json.end_array();
  return json.take();
}

}  // namespace

DeltaTable::DeltaTable(LakePorts ports, std::string path)
    : ports_(std::move(ports)), log_(ports_.store, std::move(path)) {}

Result<DeltaTable> DeltaTable::open(LakePorts ports, std::string path) {
  DeltaTable table(std::move(ports), std::move(path));
  table.known_ = table.moment();
  auto snapshot = load_latest(table.ports_, table.log_);
  if (!snapshot) return fail(snapshot.error());
  table.snapshot_ = std::move(*snapshot);
  return table;
}

Result<DeltaTable> DeltaTable::create(LakePorts ports, std::string path, const TableSpec& spec) {
  if (auto checked = check_schema(spec.schema, spec.partition_columns); !checked) {
    return fail(checked.error());
  }
  auto properties = parse_properties(spec.properties);
  if (!properties) return fail(properties.error());
  if (properties->not_understood) return fail(*properties->not_understood);
  DeltaTable table(std::move(ports), std::move(path));
  // Version 0 may have been cleaned from the log of a table that is there.
  auto there = table.log_.list(0);
  if (!there) return fail(there.error());
  bool is_taken = !there->commits.empty() || !there->checkpoints.empty();
  Transaction creation{.operation = "CREATE TABLE"};
  creation.parameters["partitionBy"] = json_list(spec.partition_columns);
  creation.id = table.ports_.fresh_uuid();
  creation.protocol = Protocol{};
  creation.metadata = Metadata{.id = table.ports_.fresh_uuid(),
                               .name = spec.name,
                               .description = spec.description,
                               .schema_string = to_json(spec.schema),
                               .partition_columns = spec.partition_columns,
                               .configuration = spec.properties,
                               .created_time_ms = table.ports_.now_ms()};
  std::string text = commit_text(creation, -1, table.ports_.now_ms());
  table.known_ = table.moment();
  auto placed = is_taken ? Placed::others : table.place(0, text, creation.id);
  if (!placed) return fail(placed.error());
  if (*placed == Placed::others) {
    return fail(Code::conflict, "there is a Delta table at {} already", table.path());
  }
  if (auto taken = table.take_own(text, 0); !taken) return fail(taken.error());
  return table;
}

Result<DeltaTable> DeltaTable::open_or_create(LakePorts ports, std::string path,
                                              const TableSpec& spec) {
  auto opened = open(ports, path);
  if (opened || opened.error().code != Code::not_found) return opened;
  auto created = create(ports, path, spec);
  if (created || created.error().code != Code::conflict) return created;
  return open(std::move(ports), std::move(path));
}

DeltaTable::Moment DeltaTable::moment() const {
  return {ports_.clock.monotonic(), ports_.clock.now()};
}

// Whether versions after the snapshot's may have come and gone from the log since it was known.
bool DeltaTable::is_old() const {
  Moment now = moment();
  std::chrono::nanoseconds age = std::max<std::chrono::nanoseconds>(
      now.uptime - known_.uptime, std::chrono::microseconds(now.wall.value - known_.wall.value));
  std::chrono::milliseconds trust = kLongestTrust;
  auto properties = parse_properties(snapshot_.metadata().configuration);
  if (properties) trust = std::min(trust, properties->log_retention / 2);
  return age >= trust;
}

Status DeltaTable::refresh() {
  Moment begin = moment();
  if (auto done = catch_up(ports_, log_, snapshot_, is_old()); !done) return done;
  known_ = begin;
  forget_expired();
  return {};
}

// A living snapshot keeps no removal longer than a checkpoint does.
void DeltaTable::forget_expired() {
  auto properties = parse_properties(snapshot_.metadata().configuration);
  if (!properties) return;
  snapshot_.forget_tombstones(ports_.now_ms() - properties->deleted_file_retention.count());
}

Result<Snapshot> DeltaTable::at_version(std::int64_t version) {
  return load_version(ports_, log_, version);
}

Result<Snapshot> DeltaTable::at_time(UtcMicros time) {
  if (has_commit_timestamps(snapshot_.metadata().configuration)) {
    return fail(Code::invalid,
                "{} has times in its commits (delta.enableInCommitTimestamps), which are not read; "
                "name a version instead of a time",
                path());
  }
  auto version = version_at(log_, time);
  if (!version) return fail(version.error());
  return at_version(*version);
}

Result<CommitInfo> DeltaTable::commit_info(std::int64_t version) {
  auto actions = log_.read_commit(version);
  if (!actions) return fail(actions.error());
  const CommitInfo* info = info_of(*actions);
  return info == nullptr ? CommitInfo{} : *info;
}

Result<std::vector<AddFile>> DeltaTable::write(const std::string& select) const {
  return write_data_files(ports_, path(), snapshot_, select);
}

Transaction DeltaTable::append(std::vector<AddFile> files) const {
  return {.operation = "WRITE",
          .parameters = {{"mode", "Append"},
                         {"partitionBy", json_list(snapshot_.metadata().partition_columns)}},
          .add = std::move(files),
          .read_version = snapshot_.version()};
}

Transaction DeltaTable::replace(std::vector<AddFile> files) const {
  return replace(std::move(files), [](const AddFile&) { return true; });
}

Transaction DeltaTable::replace(std::vector<AddFile> files, const FileFilter& replaced) const {
  Transaction transaction = append(std::move(files));
  transaction.parameters["mode"] = "Overwrite";
  transaction.reads_whole_table = true;
  for (const auto& [file_path, file] : snapshot_.files()) {
    if (replaced(file)) transaction.remove.push_back(removal(file, ports_.now_ms(), true));
  }
  return transaction;
}

Transaction DeltaTable::compaction(std::vector<AddFile> into,
                                   const std::vector<AddFile>& from) const {
  Transaction transaction{.operation = "OPTIMIZE",
                          .parameters = {{"predicate", "[]"}},
                          .read_version = snapshot_.version()};
  for (auto& file : into) file.data_change = false;
  transaction.add = std::move(into);
  for (const auto& file : from) {
    transaction.remove.push_back(removal(file, ports_.now_ms(), false));
  }
  return transaction;
}

Result<Transaction> DeltaTable::add_columns(const std::vector<Column>& columns) const {
  auto schema = with_columns(snapshot_.schema(), columns);
  if (!schema) return fail(schema.error());
  Transaction transaction{.operation = "ADD COLUMNS", .read_version = snapshot_.version()};
  transaction.metadata = snapshot_.metadata();
  transaction.metadata->schema_string = to_json(*schema);
  return transaction;
}

Result<std::int64_t> DeltaTable::commit(Transaction& transaction) {
  if (transaction.first_tried_version) {
    auto earlier = find_earlier_try(transaction);
    if (!earlier) return fail(earlier.error());
    if (*earlier) return finish(transaction, **earlier, false);
  } else if (is_old()) {
    if (auto refreshed = refresh(); !refreshed) return fail(refreshed.error());
  }
  if (transaction.id.empty()) transaction.id = ports_.fresh_uuid();
  if (!transaction.read_version) transaction.read_version = snapshot_.version();
  if (auto current = check_current(transaction); !current) return fail(current.error());
  for (int losses = 0; losses < kMostLosses; ++losses) {
    std::int64_t version = snapshot_.version() + 1;
    std::string text = commit_text(transaction, snapshot_.version(), ports_.now_ms());
    if (!transaction.first_tried_version) transaction.first_tried_version = version;
    Moment begin = moment();
    auto placed = place(version, text, transaction.id);
    if (!placed) return fail(placed.error());
    if (*placed == Placed::ours) {
      bool sure = !is_old();
      if (auto taken = take_own(text, version); !taken) {
        return fail(Code::corrupt, "version {} of {} is committed, and cannot be read: {}", version,
                    path(), taken.error().message);
      }
      auto done = finish(transaction, version, sure);
      if (done) known_ = begin;
      return done;
    }
    if (auto over = step_over_others(transaction); !over) return fail(over.error());
    known_ = begin;
  }
  return fail(Code::exhausted, "{}: other writers were faster {} times", path(), kMostLosses);
}

// The end of a commit that lies at `version`; unless that is sure, it may not be in the table.
Result<std::int64_t> DeltaTable::finish(const Transaction& transaction, std::int64_t version,
                                        bool sure) {
  if (!sure) {
    auto counts = is_in_table(transaction, version);
    if (!counts) return fail(counts.error());
    if (!*counts) {
      return fail(Code::conflict, "version {} of {} had come meanwhile and gone from the log",
                  version, path());
    }
  }
  keep_house();
  return version;
}

// Who puts a commit where another was and the log was cleaned of it has put it below a checkpoint:
// no version follows from it. It is taken away then, so that it misleads nobody.
Result<bool> DeltaTable::is_in_table(const Transaction& transaction, std::int64_t version) {
  Moment begin = moment();
  auto listing = log_.list(version);
  if (!listing) return fail(listing.error());
  if (listing->checkpoints.empty()) return true;
  auto latest = load_latest(ports_, log_);
  if (!latest) return fail(latest.error());
  snapshot_ = std::move(*latest);
  known_ = begin;
  auto seen = is_seen(transaction, snapshot_);
  if (!seen || *seen) return seen;
  auto removed = ports_.store.remove(log_.path(commit_path(version)));
  if (!removed) return fail(removed.error());
  return false;
}

// Where the snapshot is out of date, what looks like a conflict may be none.
Status DeltaTable::check_current(const Transaction& transaction) {
  auto checked = check_transaction(transaction, snapshot_);
  if (!checked && checked.error().code == Code::conflict) {
    if (auto refreshed = refresh(); !refreshed) return refreshed;
    checked = check_transaction(transaction, snapshot_);
  }
  return checked ? check_since_read(transaction) : checked;
}

// The snapshot may have moved on since the transaction was prepared.
Status DeltaTable::check_since_read(const Transaction& transaction) {
  for (auto version = *transaction.read_version + 1; version <= snapshot_.version(); ++version) {
    auto actions = log_.read_commit(version);
    if (!actions && actions.error().code == Code::not_found) {
      return fail(Code::conflict, "version {} of {}, which came meanwhile, is no longer in the log",
                  version, path());
    }
    if (!actions) return fail(actions.error());
    if (auto checked = check_conflict(transaction, *actions); !checked) return checked;
  }
  return {};
}

// A write whose answer was lost is looked for before it is repeated. Repeating is safe, since the
// same text goes to the same version: whichever arrives, it is this commit, and once.
Result<DeltaTable::Placed> DeltaTable::place(std::int64_t version, const std::string& text,
                                             const std::string& id) {
  std::string last;
  for (int placing = 0; placing < kMostPlacings; ++placing) {
    if (placing > 0) ports_.clock.sleep_for(kPlacingPause * placing);
    auto put = log_.write_commit(version, text);
    if (put) return Placed::ours;
    bool unclear = put.error().code == Code::conflict || put.error().code == Code::unavailable;
    if (!unclear && placing == 0) return fail(put.error());
    auto found = whose(version, id);
    if (!found && found.error().code == Code::corrupt) return fail(found.error());
    // That our file is there does not yet say that it stays, when the store could not promise it.
    bool stays = put.error().code == Code::conflict;
    if (found && *found == Placed::ours && !stays) {
      auto again = log_.write_commit(version, text);
      stays = again || again.error().code == Code::conflict;
    }
    if (found && *found && (stays || *found == Placed::others)) return **found;
    last = found ? put.error().message : found.error().message;
  }
  return fail(Code::unavailable, "whether version {} of {} was committed is not known: {}", version,
              path(), last);
}

// nullopt: the version is not there.
Result<std::optional<DeltaTable::Placed>> DeltaTable::whose(std::int64_t version,
                                                            const std::string& id) {
  auto actions = log_.read_commit(version);
  if (!actions && actions.error().code == Code::not_found) return std::nullopt;
  if (!actions) return fail(actions.error());
  const CommitInfo* info = info_of(*actions);
  return info != nullptr && info->txn_id == id ? Placed::ours : Placed::others;
}

// Checks each of the commits that came first, and takes it in, whether it is a conflict or not.
Status DeltaTable::step_over_others(const Transaction& transaction) {
  Status conflict;
  auto listing = log_.list(snapshot_.version() + 1);
  if (!listing) return fail(listing.error());
  if (listing->commits.empty()) {
    return fail(Code::corrupt, "the log of {} lacks version {}, which is taken", path(),
                snapshot_.version() + 1);
  }
  std::int64_t last = listing->commits.rbegin()->first;
  while (snapshot_.version() < last) {
    std::int64_t version = snapshot_.version() + 1;
    auto winner = log_.read_commit(version);
    if (!winner && winner.error().code == Code::not_found) {
      if (auto refreshed = refresh(); !refreshed) return refreshed;
      return fail(Code::conflict, "version {} of {}, which came first, is no longer in the log",
                  version, path());
    }
    if (!winner) return fail(winner.error());
    if (conflict) conflict = check_conflict(transaction, *winner);
    if (auto taken = snapshot_.apply(std::move(*winner), version); !taken) return taken;
  }
  return conflict;
}

// Looks through the versions that a transaction with an unknown fate may have become. Whatever
// keeps that from being told, it stays unknown: none of the codes that say that nothing was done.
Result<std::optional<std::int64_t>> DeltaTable::find_earlier_try(const Transaction& transaction) {
  auto unknown = [this](const Error& why) {
    return fail(why.code == Code::corrupt ? Code::corrupt : Code::unavailable,
                "whether an earlier try at {} was committed is not known: {}", path(), why.message);
  };
  if (auto refreshed = refresh(); !refreshed) return unknown(refreshed.error());
  std::optional<std::int64_t> forgotten;
  for (auto version = *transaction.first_tried_version; version <= snapshot_.version(); ++version) {
    auto found = whose(version, transaction.id);
    if (!found) return unknown(found.error());
    if (*found == Placed::ours) return version;
    if (!*found && !forgotten) forgotten = version;
  }
  if (forgotten) {
    return unknown(
        {Code::unavailable,
         fmt::format("version {}, which it may be, is no longer in the log", *forgotten)});
  }
  return std::nullopt;
}

Status DeltaTable::take_own(const std::string& text, std::int64_t version) {
  auto actions = ActionDecoder().decode_commit(text);
  if (!actions) return fail(actions.error());
  return snapshot_.apply(std::move(*actions), version);
}

Status DeltaTable::check_upkeep() const { return check_transaction({}, snapshot_); }

Status DeltaTable::checkpoint() {
  if (auto may = check_upkeep(); !may) return may;
  return write_checkpoint(ports_, log_, snapshot_);
}

void DeltaTable::keep_house() {
  auto properties = parse_properties(snapshot_.metadata().configuration);
  std::int64_t every = properties ? properties->checkpoint_interval : 10;
  if (snapshot_.version() % every != 0) return;
  auto done = checkpoint();
  if (done && snapshot_.version() % (every * kCheckpointsBetweenCleanings) == 0) done = clean();
  if (!done) {
    logging::warning("{}: no checkpoint of version {}: {}", path(), snapshot_.version(),
                     done.error().message);
  }
  if (properties && properties->not_understood) {
    logging::warning("{}: {}; so removed files and the log are kept", path(),
                     properties->not_understood->message);
  }
  forget_expired();
}

Status DeltaTable::clean() {
  auto cleaned = clean_log(ports_, log_, snapshot_);
  if (!cleaned) return fail(cleaned.error());
  return {};
}

}  // namespace tillrace::lake
