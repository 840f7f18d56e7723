// The actions of a Delta log: what one line of a commit, or one row of a checkpoint, says. Fields
// are named as in the Delta protocol's section "Actions"; what is read and written of it stands in
// docs/formats/delta.md.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tillrace::lake {

// What a reader and a writer must know for this table.
struct Protocol {
  int min_reader_version = 1;
  int min_writer_version = 2;
  std::vector<std::string> reader_features;  // only of reader version 3
  std::vector<std::string> writer_features;  // only of writer version 7
  bool operator==(const Protocol&) const = default;
};

// invalid, naming what is missing, when this code cannot read, or write, such a table.
Status check_readable(const Protocol& protocol);
Status check_writable(const Protocol& protocol);

using Properties = std::map<std::string, std::string>;

struct Metadata {
  std::string id;  // a UUID
  std::string name, description;
  std::string schema_string;  // JSON, see delta_schema.h
  std::vector<std::string> partition_columns;
  Properties configuration;
  std::optional<std::int64_t> created_time_ms;
  bool operator==(const Metadata&) const = default;
};

// By column; a partition value that is null has no text.
using PartitionValues = std::map<std::string, std::optional<std::string>>;

struct AddFile {
  std::string path;  // as the log has it: relative to the table, percent-encoded
  PartitionValues partition_values;
  std::int64_t size = 0;
  std::int64_t modification_time_ms = 0;
  bool data_change = true;
  std::string stats;  // JSON; empty: none
  Properties tags;
  bool operator==(const AddFile&) const = default;
};

struct RemoveFile {
  std::string path;
  std::int64_t deletion_timestamp_ms = 0;
  bool data_change = true;
  PartitionValues partition_values;
  std::optional<std::int64_t> size;
  bool operator==(const RemoveFile&) const = default;
};

// How far an application has come, by its own count.
struct Txn {
  std::string app_id;
  std::int64_t version = 0;
  std::optional<std::int64_t> last_updated_ms;
  bool operator==(const Txn&) const = default;
};

struct CommitInfo {
  std::int64_t timestamp_ms = 0;
  std::string operation;
  Properties operation_parameters;
  std::string engine_info;
  std::string txn_id;  // names this commit and no other: a UUID; empty: its writer gave none
  std::optional<std::int64_t> read_version;
  bool is_blind_append = false;
  bool operator==(const CommitInfo&) const = default;
};

using Action = std::variant<CommitInfo, Protocol, Metadata, Txn, AddFile, RemoveFile>;

// `action` as one line of JSON, without a line feed.
std::string to_json(const Action& action);

}  // namespace tillrace::lake
