#include "lake/data_files.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/logging.h"
#include "lake/delta_paths.h"
#include "lake/delta_stats.h"

namespace tillrace::lake {
namespace {

constexpr int kRowsInGroup = 30'720;
// DuckDB names a folder after it, and may escape each byte by three: 255 is the most there is.
constexpr int kMostPartitionBytes = 64;

bool is_partition_column(const Snapshot& snapshot, const std::string& column) {
  return std::ranges::count(snapshot.metadata().partition_columns, column) > 0;
}

// The names of what `select` gives. invalid when one of them is not the table's.
Result<std::set<std::string>> columns_of(const LakePorts& ports, const Schema& schema,
                                         const std::string& select) {
  auto rows = ports.duck.query("DESCRIBE " + select);
  if (!rows) return fail(rows.error());
  std::set<std::string> names;
  while (true) {
    auto more = rows->next();
    if (!more) return fail(more.error());
    if (!*more) return names;
    const Column* column = schema.find(rows->text(0));
    if (column == nullptr) return fail(Code::invalid, "the table has no column {}", rows->text(0));
    names.insert(column->name);
  }
}

// A partition value as the log has it: times in UTC, an empty text is a null. `value` is SQL.
std::string partition_text(const Column& column, const std::string& value) {
  if (column.type == "timestamp")
    return fmt::format("strftime({}, '%Y-%m-%dT%H:%M:%S.%fZ')", value);
  if (column.type != "string") return fmt::format("CAST({} AS VARCHAR)", value);
  return fmt::format(
      "CASE WHEN strlen({0}) > {1} THEN error('a value of the partition column ' || {2} || ' has"
      " more than {1} bytes') ELSE NULLIF({0}, '') END",
      value, kMostPartitionBytes, sql_text(column.name));
}

enum class Partitions { as_columns, left_out };

Result<std::string> select_list(const Snapshot& snapshot, const std::set<std::string>& given,
                                Partitions partitions) {
  std::string list;
  for (const auto& column : snapshot.schema().columns) {
    auto type = duck_type(column.type);
    if (!type) return fail(type.error());
    std::string value = given.contains(column.name)
                            ? fmt::format("CAST({} AS {})", sql_name(column.name), *type)
                            : fmt::format("CAST(NULL AS {})", *type);
    if (is_partition_column(snapshot, column.name)) {
      if (partitions == Partitions::left_out) continue;
      if (given.contains(column.name)) value = partition_text(column, value);
    }
    list += fmt::format("{}{} AS {}", list.empty() ? "" : ", ", value, sql_name(column.name));
  }
  return list;
}

std::string partition_by(const Snapshot& snapshot) {
  std::string list;
  for (const auto& column : snapshot.metadata().partition_columns) {
    list += (list.empty() ? "" : ", ") + sql_name(column);
  }
  return list.empty() ? "" : fmt::format(", PARTITION_BY ({}), FILENAME_PATTERN '{{uuid}}'", list);
}

// One file that DuckDB wrote.
struct Written {
  std::filesystem::path local;
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  std::map<std::string, ColumnStats> columns;
  PartitionValues partition_values;
};

// DuckDB names a column with quotes, and a nested one by its path; only whole columns count here.
std::optional<std::string> column_name(std::string_view quoted) {
  std::string name;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    name += quoted[i];
    if (quoted[i] != '"') continue;
    if (quoted[++i] != '"' || i + 1 == quoted.size()) return {};
  }
  return name;
}

ColumnStats column_stats(const DuckRows::Map& told) {
  auto get = [&](const char* key) {
    auto found = told.find(key);
    return found == told.end() ? std::nullopt : found->second;
  };
  ColumnStats stats{.min = get("min"), .max = get("max"), .null_count = {}, .has_nan = {}};
  stats.has_nan = get("has_nan").value_or("false") != "false";
  if (auto text = get("null_count")) {
    std::int64_t count = 0;
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
    if (error == std::errc()) stats.null_count = count;
  }
  return stats;
}

// Runs a COPY ... (RETURN_STATS).
Result<std::vector<Written>> copy(const LakePorts& ports, const std::string& sql) {
  auto rows = ports.duck.query(sql);
  if (!rows) return fail(rows.error());
  std::vector<Written> files;
  while (true) {
    auto more = rows->next();
    if (!more) return fail(more.error());
    if (!*more) return files;
    Written file{.local = std::string(rows->text(0)),
                 .records = rows->integer(1),
                 .bytes = rows->integer(2),
                 .columns = {},
                 .partition_values = rows->map(5)};
    for (const auto& [quoted, told] : rows->maps(4)) {
      if (auto name = column_name(quoted)) file.columns.emplace(*name, column_stats(told));
    }
    if (file.records > 0) files.push_back(std::move(file));
  }
}

Status check_nulls(const Schema& schema, const Written& file) {
  for (const auto& column : schema.columns) {
    if (column.nullable) continue;
    auto stats = file.columns.find(column.name);
    bool null_inside = stats != file.columns.end() && stats->second.null_count.value_or(0) > 0;
    auto value = file.partition_values.find(column.name);
    if (null_inside || (value != file.partition_values.end() && !value->second)) {
      return fail(Code::invalid, "the column {} may not be null", column.name);
    }
  }
  return {};
}

Result<AddFile> bring_to_store(const LakePorts& ports, const std::string& table,
                               const Snapshot& snapshot, const Written& file) {
  if (auto nulls = check_nulls(snapshot.schema(), file); !nulls) return fail(nulls.error());
  std::string path =
      fmt::format("{}part-{}.zstd.parquet",
                  partition_folder(snapshot.metadata().partition_columns, file.partition_values),
                  ports.fresh_uuid());
  auto put = ports.store.put_file(table + '/' + path, file.local);
  if (!put) return fail(put.error());
  return AddFile{.path = encode_file_path(path),
                 .partition_values = file.partition_values,
                 .size = file.bytes,
                 .modification_time_ms = ports.now_ms(),
                 .data_change = true,
                 .stats = stats_json(snapshot.schema(), file.records, file.columns),
                 .tags = {}};
}

Result<std::vector<AddFile>> bring_all(const LakePorts& ports, const std::string& table,
                                       const Snapshot& snapshot,
                                       const std::vector<Written>& files) {
  std::vector<AddFile> added;
  for (const auto& file : files) {
    auto add = bring_to_store(ports, table, snapshot, file);
    if (!add) {
      discard_data_files(ports, table, added);
      return fail(add.error());
    }
    added.push_back(std::move(*add));
  }
  return added;
}

std::string copy_sql(const std::string& list, const std::string& select,
                     const std::filesystem::path& to, const std::string& more) {
  return fmt::format(
      "COPY (SELECT {} FROM ({})) TO {} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {},"
      " RETURN_STATS{})",
      list, select, sql_text(to.string()), kRowsInGroup, more);
}

}  // namespace

Result<std::vector<AddFile>> write_data_files(const LakePorts& ports, const std::string& table,
                                              const Snapshot& snapshot, const std::string& select) {
  auto given = columns_of(ports, snapshot.schema(), select);
  if (!given) return fail(given.error());
  auto list = select_list(snapshot, *given, Partitions::as_columns);
  if (!list) return fail(list.error());
  std::string by = partition_by(snapshot);
  auto spool = SpoolFile::reserve(ports, by.empty() ? ".parquet" : "");
  if (!spool) return fail(spool.error());
  auto files = copy(ports, copy_sql(*list, select, spool->path(), by));
  if (!files) return fail(files.error(), "writing files of " + table);
  return bring_all(ports, table, snapshot, *files);
}

Result<std::vector<AddFile>> write_partition_file(const LakePorts& ports, const std::string& table,
                                                  const Snapshot& snapshot,
                                                  const PartitionValues& values,
                                                  const std::string& select) {
  auto given = columns_of(ports, snapshot.schema(), select);
  if (!given) return fail(given.error());
  auto list = select_list(snapshot, *given, Partitions::left_out);
  if (!list) return fail(list.error());
  auto spool = SpoolFile::reserve(ports, ".parquet");
  if (!spool) return fail(spool.error());
  auto files = copy(ports, copy_sql(*list, select, spool->path(), ""));
  if (!files) return fail(files.error(), "writing a file of " + table);
  for (auto& file : *files) file.partition_values = values;
  return bring_all(ports, table, snapshot, *files);
}

void discard_data_files(const LakePorts& ports, const std::string& table,
                        const std::vector<AddFile>& files) {
  for (const auto& file : files) {
    auto path = decode_file_path(file.path);
    if (!path) continue;
    if (auto removed = ports.store.remove(table + '/' + *path); !removed) {
      logging::warning("{}: {} is left to vacuum: {}", table, *path, removed.error().message);
    }
  }
}

}  // namespace tillrace::lake
