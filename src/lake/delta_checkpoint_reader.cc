#include "lake/delta_checkpoint_reader.h"

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <set>
#include <utility>

#include "lake/delta_decoder.h"

namespace tillrace::lake {
namespace {

// The columns of a query for files; those of its kind come behind.
enum FileColumn : std::size_t { kPath, kDataChange, kSize, kPartitionValues, kTime, kStats, kTags };
constexpr std::size_t kDeletionVector = kTags + 1;

// An empty text is a null (Partition Value Serialization).
PartitionValues partition_values(const DuckRows& row) {
  PartitionValues values = row.map(kPartitionValues);
  for (auto& [column, value] : values) {
    if (value && value->empty()) value.reset();
  }
  return values;
}

Status require(const DuckRows& row, std::string_view action,
               std::initializer_list<std::pair<std::size_t, const char*>> fields) {
  for (auto [column, field] : fields) {
    if (row.is_null(column)) return fail(Code::corrupt, "{}.{} is missing", action, field);
  }
  return {};
}

Result<AddFile> add_of(const DuckRows& row) {
  if (!row.is_null(kDeletionVector)) {
    return fail(Code::invalid, "the table has deletion vectors; this reader knows none");
  }
  auto whole = require(row, "add",
                       {{kPath, "path"},
                        {kDataChange, "dataChange"},
                        {kSize, "size"},
                        {kPartitionValues, "partitionValues"},
                        {kTime, "modificationTime"}});
  if (!whole) return fail(whole.error());
  AddFile file{.path = std::string(row.text(kPath)),
               .partition_values = partition_values(row),
               .size = row.integer(kSize),
               .modification_time_ms = row.integer(kTime),
               .data_change = row.integer(kDataChange) != 0,
               .stats = row.is_null(kStats) ? std::string() : std::string(row.text(kStats)),
               .tags = {}};
  for (auto& [key, value] : row.map(kTags)) {
    if (value) file.tags.emplace(key, *value);
  }
  return file;
}

Result<RemoveFile> remove_of(const DuckRows& row) {
  auto whole = require(row, "remove", {{kPath, "path"}, {kDataChange, "dataChange"}});
  if (!whole) return fail(whole.error());
  RemoveFile file{.path = std::string(row.text(kPath)),
                  .deletion_timestamp_ms = row.is_null(kTime) ? 0 : row.integer(kTime),
                  .data_change = row.integer(kDataChange) != 0,
                  .partition_values = partition_values(row),
                  .size = {}};
  if (!row.is_null(kSize)) file.size = row.integer(kSize);
  return file;
}

// Files, which may be very many, come as columns: a third of the time of JSON. The few other
// actions come as JSON, decoded as those of a commit are.
class PartReader {
 public:
  PartReader(const LakePorts& ports, const std::filesystem::path& local,
             std::vector<Action>& actions)
      : ports_(ports),
        local_(local),
        source_(fmt::format("read_parquet({}, binary_as_string = true)", sql_text(local.string()))),
        actions_(actions) {}

  Status read() {
    Status read = each("SELECT column_name FROM (DESCRIBE SELECT * FROM " + source_ + ")",
                       [&](const DuckRows& row) {
                         columns_.emplace(row.text(0));
                         return Status();
                       });
    if (read) read = read_few();
    if (read && columns_.contains("add")) read = read_adds();
    if (read && columns_.contains("remove")) read = read_removes();
    return read;
  }

 private:
  // What is wrong with the file is not what the engine lacks to read it: memory, room for what it
  // spills, or time, since it may be interrupted.
  tl::unexpected<Error> unreadable(const Error& error) const {
    bool names_the_file = error.message.find(local_.string()) != std::string::npos;
    Code code = Code::corrupt;
    // While it prepares a statement the engine tells these by their message alone.
    if (error.code == Code::exhausted || error.message.starts_with("Out of Memory"))
      code = Code::exhausted;
    else if (error.message.starts_with("INTERRUPT") ||
             (error.code == Code::unavailable && !names_the_file))
      code = Code::unavailable;
    return fail(code, "it cannot be read: {}", error.message);
  }

  Status each(const std::string& sql, const std::function<Status(const DuckRows&)>& visit) {
    auto rows = ports_.duck.query(sql);
    if (!rows) return unreadable(rows.error());
    while (true) {
      auto more = rows->next();
      if (!more) return unreadable(more.error());
      if (!*more) return {};
      if (auto visited = visit(*rows); !visited) return visited;
    }
  }

  Status read_few() {
    std::string columns;
    std::string any;
    for (const char* column : {"protocol", "metaData", "txn"}) {
      if (!columns_.contains(column)) continue;
      columns += (columns.empty() ? "" : ", ") + sql_name(column);
      any += (any.empty() ? "" : " OR ") + sql_name(column) + " IS NOT NULL";
    }
    if (columns.empty()) return {};
    ActionDecoder decoder;
    return each(fmt::format("SELECT CAST(to_json(t) AS VARCHAR)"
                            " FROM (SELECT {} FROM {} WHERE {}) t",
                            columns, source_, any),
                [&](const DuckRows& row) -> Status {
                  auto action = decoder.decode(row.text(0));
                  if (!action) return fail(action.error());
                  if (*action) actions_.push_back(std::move(**action));
                  return {};
                });
  }

  Status read_adds() {
    return read_files("add",
                      ", modificationTime BIGINT, stats VARCHAR, tags MAP(VARCHAR, VARCHAR),"
                      " deletionVector STRUCT(storageType VARCHAR)",
                      "f.modificationTime, f.stats, f.tags, f.deletionVector.storageType", add_of);
  }
  Status read_removes() {
    return read_files("remove", ", deletionTimestamp BIGINT", "f.deletionTimestamp", remove_of);
  }

  // A struct is cast by the names of its fields: one that its writer left out is null, one that it
  // put there besides is dropped.
  template <class File>
  Status read_files(std::string_view column, std::string_view types, std::string_view fields,
                    Result<File> (*file_of)(const DuckRows&)) {
    return each(
        fmt::format("SELECT f.path, CAST(f.dataChange AS BIGINT), f.size, f.partitionValues, {}"
                    " FROM (SELECT CAST({} AS STRUCT(path VARCHAR, dataChange BOOLEAN, size BIGINT,"
                    " partitionValues MAP(VARCHAR, VARCHAR){})) AS f FROM {}) WHERE f IS NOT NULL",
                    fields, sql_name(column), types, source_),
        [&](const DuckRows& row) -> Status {
          auto file = file_of(row);
          if (!file) return fail(file.error());
          actions_.emplace_back(std::move(*file));
          return {};
        });
  }

  const LakePorts& ports_;
  std::filesystem::path local_;
  std::string source_;
  std::vector<Action>& actions_;
  std::set<std::string, std::less<>> columns_;  // that this part has
};

}  // namespace

Result<std::vector<Action>> read_checkpoint(const LakePorts& ports,
                                            const std::vector<std::string>& parts) {
  std::vector<Action> actions;
  for (const auto& part : parts) {
    auto local = LocalCopy::of(ports, part);
    if (!local) return fail(local.error());
    auto read = PartReader(ports, local->path(), actions).read();
    if (!read) return fail(read.error(), part);
  }
  return actions;
}

}  // namespace tillrace::lake
