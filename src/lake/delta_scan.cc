#include "lake/delta_scan.h"

#include <map>
#include <utility>

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
  FilesOfPartition partitions;
  for (const auto& file : files) {
    auto path = decode_file_path(file.path);
    if (!path) return fail(path.error());
    auto copy = LocalCopy::of(ports, table + '/' + *path);
    if (!copy) return fail(copy.error());
    auto& list = partitions[file.partition_values];
    list += (list.empty() ? "" : ", ") + sql_text(copy->path().string());
    scan.copies_.push_back(std::move(*copy));
  }
  auto nulls = columns_sql(snapshot.schema(), [](const std::string&) { return "NULL"; });
  auto typed = columns_sql(snapshot.schema(), [](const std::string& name) { return name; });
  if (!nulls || !typed) return fail(nulls ? typed.error() : nulls.error());
  std::string parts = fmt::format("SELECT {} WHERE false", *nulls);
  for (const auto& [values, list] : partitions) {
    parts += " UNION ALL BY NAME " + partition_sql(snapshot.metadata(), values, list);
  }
  scan.sql_ = fmt::format("SELECT {} FROM ({})", *typed, parts);
  return scan;
}

}  // namespace tillrace::lake
