#include "lake/delta_checkpoint.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/json_writer.h"
#include "lake/delta_paths.h"
#include "lake/delta_properties.h"

namespace tillrace::lake {
namespace {

struct Written {
  std::int64_t actions = 0;
  std::size_t longest_line = 0;
};

// The lines of a file, one action each.
class ActionFile {
 public:
  explicit ActionFile(const std::filesystem::path& path) : out_(path, std::ios::binary) {}
  void add(const Action& action) {
    std::string line = to_json(action);
    out_ << line << '\n';
    ++written_.actions;
    written_.longest_line = std::max(written_.longest_line, line.size() + 1);
  }
  Result<Written> close() {
    out_.close();
    if (out_.fail()) return fail(Code::unavailable, "a spool file cannot be written");
    return written_;
  }

 private:
  std::ofstream out_;
  Written written_;
};

// A checkpoint's files are in the table, not new to it, and whoever reads it wants no news.
template <class File>
File settled(File file) {
  file.data_change = false;
  return file;
}

Result<Written> write_actions(const std::filesystem::path& path, const Snapshot& snapshot,
                              std::int64_t expired_before_ms) {
  ActionFile out(path);
  out.add(snapshot.protocol());
  out.add(snapshot.metadata());
  for (const auto& [app_id, txn] : snapshot.txns()) out.add(txn);
  for (const auto& [file_path, file] : snapshot.files()) out.add(settled(file));
  for (const auto& [file_path, file] : snapshot.tombstones()) {
    if (file.deletion_timestamp_ms >= expired_before_ms) out.add(settled(file));
  }
  return out.close();
}

// The checkpoint's schema, for DuckDB's JSON reader. Lists of features may only be there where the
// protocol has them.
std::string checkpoint_columns(const Protocol& protocol) {
  std::string features;
  if (protocol.min_reader_version == 3) features += ", readerFeatures VARCHAR[]";
  if (protocol.min_writer_version == 7) features += ", writerFeatures VARCHAR[]";
  return fmt::format(
      "{{protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER{})',"
      " metaData: 'STRUCT(id VARCHAR, \"name\" VARCHAR, description VARCHAR,"
      " format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR,"
      " partitionColumns VARCHAR[], createdTime BIGINT, configuration MAP(VARCHAR, VARCHAR))',"
      " txn: 'STRUCT(appId VARCHAR, \"version\" BIGINT, lastUpdated BIGINT)',"
      " \"add\": 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT,"
      " modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags MAP(VARCHAR, VARCHAR))',"
      " remove: 'STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN,"
      " extendedFileMetadata BOOLEAN, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT)'}}",
      features);
}

Status to_parquet(const LakePorts& ports, const std::filesystem::path& json,
                  const std::filesystem::path& parquet, const Protocol& protocol,
                  std::size_t longest_line) {
  constexpr int kRowsInGroup = 20'000;
  constexpr std::size_t kLeastObjectBytes = 1ULL << 20;  // its buffers are twice as large
  return ports.duck.run(fmt::format(
      "COPY (SELECT * FROM read_json({}, format = 'newline_delimited', columns = {},"
      " maximum_object_size = {})) TO {}"
      " (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {})",
      sql_text(json.string()), checkpoint_columns(protocol),
      std::max(longest_line, kLeastObjectBytes), sql_text(parquet.string()), kRowsInGroup));
}

Status point_to(DeltaLog& log, const Snapshot& snapshot, std::int64_t actions,
                std::uint64_t bytes) {
  auto last = log.last_checkpoint();
  if (!last) return fail(last.error());
  if (*last && **last > snapshot.version()) return {};
  JsonWriter json;
  json.begin_object().field("version", snapshot.version()).field("size", actions);
  json.field("sizeInBytes", static_cast<std::int64_t>(bytes));
  json.field("numOfAddFiles", static_cast<std::int64_t>(snapshot.files().size())).end_object();
  return log.store().put(log.path(kLastCheckpointPath), json.take());
}

}  // namespace

Status write_checkpoint(const LakePorts& ports, DeltaLog& log, const Snapshot& snapshot) {
  auto properties = parse_properties(snapshot.metadata().configuration);
  if (!properties) return fail(properties.error());
  auto json = SpoolFile::reserve(ports, ".checkpoint.json");
  if (!json) return fail(json.error());
  auto parquet = SpoolFile::reserve(ports, ".checkpoint.parquet");
  if (!parquet) return fail(parquet.error());

  auto expired_before_ms = ports.now_ms() - properties->deleted_file_retention.count();
  auto written = write_actions(json->path(), snapshot, expired_before_ms);
  if (!written) return fail(written.error());
  auto made =
      to_parquet(ports, json->path(), parquet->path(), snapshot.protocol(), written->longest_line);
  if (!made) return fail(made.error(), "writing a checkpoint");
  std::error_code error;
  auto bytes = std::filesystem::file_size(parquet->path(), error);
  if (error) return fail(Code::unavailable, "the new checkpoint is gone: {}", error.message());
  auto put = ports.store.put_file(log.path(checkpoint_path(snapshot.version())), parquet->path());
  if (!put) return fail(put.error());
  return point_to(log, snapshot, written->actions, bytes);
}

Result<std::size_t> clean_log(const LakePorts& ports, DeltaLog& log, const Snapshot& snapshot) {
  auto properties = parse_properties(snapshot.metadata().configuration);
  if (!properties) return fail(properties.error());
  if (!properties->expired_log_cleanup) return std::size_t{0};
  auto listing = log.list(0);
  if (!listing) return fail(listing.error());

  // The newest commit that is old enough; what it and all later ones need stays.
  UtcMicros cutoff{ports.clock.now().value - properties->log_retention.count() * 1000};
  std::int64_t oldest_kept = -1;
  for (const auto& [version, written] : listing->commits) {
    if (written > cutoff) break;
    oldest_kept = version;
  }
  auto checkpoint = listing->checkpoints.upper_bound(oldest_kept);
  if (checkpoint == listing->checkpoints.begin()) return std::size_t{0};
  oldest_kept = std::prev(checkpoint)->first;

  std::vector<std::string> doomed;
  for (const auto& [version, written] : listing->commits) {
    if (version < oldest_kept) doomed.push_back(log.path(commit_path(version)));
  }
  for (const auto& [version, parts] : listing->checkpoints) {
    if (version < oldest_kept) doomed.insert(doomed.end(), parts.begin(), parts.end());
  }
  for (const auto& path : doomed) {
    if (auto removed = log.store().remove(path); !removed) return fail(removed.error());
  }
  return doomed.size();
}

}  // namespace tillrace::lake
