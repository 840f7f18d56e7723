#include "lake/delta_scan.h"

#include <map>
#include <utility>

#include "base/check.h"
#include "lake/delta_paths.h"

namespace tillrace::lake {
namespace {

using FilesOfPartition = std::map<PartitionValues, std::string>;  // their list, in SQL

// `template_` is one `value AS name` a column, by its type and name.
template <class Value>
Result<std::string> columns_sql(const Schema& schema, const Value& value) {
  std::string out;
  for (const auto& column : schema.columns) {
    auto type = duck_type(column.type);
    if (!type) return fail(type.error(), column.name);
    std::string name = sql_name(column.name);
    out += fmt::format("{}CAST({} AS {}) AS {}", out.empty() ? "" : ", ", value(name), *type, name);
  }
  return out;
}

// The files of one partition, whose columns are not in them. A folder's name says nothing: only the
// log's values count.
std::string partition_sql(const Metadata& metadata, const PartitionValues& values,
                          const std::string& files) {
  std::string constants;
  for (const auto& column : metadata.partition_columns) {
    auto value = values.find(column);
    bool null = value == values.end() || !value->second;
    constants +=
        fmt::format(", {} AS {}", null ? "NULL" : sql_text(*value->second), sql_name(column));
  }
  return fmt::format(
      "SELECT *{} FROM read_parquet([{}], union_by_name = true, hive_partitioning = false)",
      constants, files);
}

}  // namespace

Result<Scan> Scan::of(const LakePorts& ports, const std::string& table, const Snapshot& snapshot) {
  std::vector<AddFile> files;
  for (const auto& [path, file] : snapshot.files()) files.push_back(file);
  return of(ports, table, snapshot, files);
}

Result<Scan> Scan::of(const LakePorts& ports, const std::string& table, const Snapshot& snapshot,
                      const std::vector<AddFile>& files) {
  Scan scan;
  std::vector<std::filesystem::path> places;
  for (const auto& file : files) {
    auto path = decode_file_path(file.path);
    if (!path) return fail(path.error());
    auto copy = LocalCopy::of(ports, table + '/' + *path);
    if (!copy) return fail(copy.error());
    places.push_back(copy->path());
    scan.copies_.push_back(std::move(*copy));
  }
  auto sql = scan_sql(snapshot, files, places);
  if (!sql) return fail(sql.error());
  scan.sql_ = std::move(*sql);
  return scan;
}

Result<std::string> scan_sql(const Snapshot& snapshot, const std::vector<AddFile>& files,
                             const std::vector<std::filesystem::path>& places) {
  CHECK(files.size() == places.size());
  FilesOfPartition partitions;
  for (std::size_t i = 0; i < files.size(); ++i) {
    auto& list = partitions[files[i].partition_values];
    list += (list.empty() ? "" : ", ") + sql_text(places[i].string());
  }
  auto nulls = columns_sql(snapshot.schema(), [](const std::string&) { return "NULL"; });
  auto typed = columns_sql(snapshot.schema(), [](const std::string& name) { return name; });
  if (!nulls || !typed) return fail(nulls ? typed.error() : nulls.error());
  std::string parts = fmt::format("SELECT {} WHERE false", *nulls);
  for (const auto& [values, list] : partitions) {
    parts += " UNION ALL BY NAME " + partition_sql(snapshot.metadata(), values, list);
  }
  return fmt::format("SELECT {} FROM ({})", *typed, parts);
}

Result<std::string> columns_only_sql(const Snapshot& snapshot, std::string_view why) {
  auto nulls = columns_sql(snapshot.schema(), [](const std::string&) { return "NULL"; });
  if (!nulls) return fail(nulls.error());
  return fmt::format("SELECT {} WHERE CAST(error({}) AS BOOLEAN)", *nulls, sql_text(why));
}

}  // namespace tillrace::lake
