// A Delta table's schema: the protocol's "Schema Serialization Format", and the DuckDB type that
// each of its types is.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tillrace::lake {

struct Column {
  std::string name;
  // string, long, integer, short, byte, double, float, boolean, binary, date, timestamp,
  // decimal(p,s); or the JSON of a struct, array or map, which is read and kept but not made here.
  std::string type;
  bool nullable = true;
  std::string metadata = "{}";  // JSON
  bool operator==(const Column&) const = default;
};

struct Schema {
  std::vector<Column> columns;
  // nullptr when there is none. As everywhere in Delta, case does not count.
  const Column* find(std::string_view name) const;
  bool operator==(const Schema&) const = default;
};

// corrupt when `json` is no schema; invalid when it has a type that is not read.
Result<Schema> parse_schema(std::string_view json);
std::string to_json(const Schema& schema);

// The DuckDB type of a column's type, nested ones too. invalid when there is none.
Result<std::string> duck_type(std::string_view type);
bool is_primitive(std::string_view type);

// invalid when a name is empty, has a character that Parquet files of Spark may not have (one of
// " ,;{}()\n\t="), or stands there twice (case does not count), a type is not known, a partition
// column is not in the schema or has no primitive type, or all columns are partition columns.
Status check_schema(const Schema& schema, const std::vector<std::string>& partition_columns);

// `schema` with `added` behind its columns. They must be nullable, because the rows that are there
// have no value for them. invalid otherwise.
Result<Schema> with_columns(const Schema& schema, const std::vector<Column>& added);

}  // namespace tillrace::lake
