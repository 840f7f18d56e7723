#include "lake/delta_actions.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "base/json_writer.h"

namespace tillrace::lake {
namespace {

// Table features that ask nothing of a reader, or that this code heeds: in delta_transaction.cc,
// the last in delta_vacuum.cc.
constexpr std::array<std::string_view, 1> kReaderFeatures = {"vacuumProtocolCheck"};
constexpr std::array<std::string_view, 3> kWriterFeatures = {"appendOnly", "invariants",
                                                             "vacuumProtocolCheck"};

// invalid, naming them, when there are features that are not among the known ones.
Status check_features(std::string_view role, const std::vector<std::string>& features,
                      std::span<const std::string_view> known) {
  std::vector<std::string> unknown;
  for (const auto& feature : features)
    if (std::ranges::find(known, feature) == known.end()) unknown.push_back(feature);
  if (unknown.empty()) return {};
  return fail(Code::invalid, "the table needs a {} that knows {}; this one knows {}", role,
              fmt::join(unknown, ", "), fmt::join(known, ", "));
}

void write(JsonWriter& json, const Properties& properties) {
  json.begin_object();
  for (const auto& [key, value] : properties) json.field(key, value);
  json.end_object();
}

void write(JsonWriter& json, const PartitionValues& values) {
  json.begin_object();
  for (const auto& [column, value] : values) {
    json.key(column);
    value ? json.string(*value) : json.null();
  }
  json.end_object();
}

void write(JsonWriter& json, const std::vector<std::string>& words) {
  json.begin_array();
  for (const auto& word : words) json.string(word);
  json.end_array();
}

struct ActionWriter {
  JsonWriter& json;

  void operator()(const CommitInfo& info) const {
    json.key("commitInfo").begin_object();
    json.field("timestamp", info.timestamp_ms);
    json.field("operation", info.operation);
    write(json.key("operationParameters"), info.operation_parameters);
    if (info.read_version) json.field("readVersion", *info.read_version);
    json.field("isBlindAppend", info.is_blind_append);
    json.field("engineInfo", info.engine_info);
    if (!info.txn_id.empty()) json.field("txnId", info.txn_id);
    json.end_object();
  }

  void operator()(const Protocol& protocol) const {
    json.key("protocol").begin_object();
    json.field("minReaderVersion", std::int64_t{protocol.min_reader_version});
    json.field("minWriterVersion", std::int64_t{protocol.min_writer_version});
    if (protocol.min_reader_version == 3)
      write(json.key("readerFeatures"), protocol.reader_features);
    if (protocol.min_writer_version == 7)
      write(json.key("writerFeatures"), protocol.writer_features);
    json.end_object();
  }

  void operator()(const Metadata& metadata) const {
    json.key("metaData").begin_object();
    json.field("id", metadata.id);
    if (!metadata.name.empty()) json.field("name", metadata.name);
    if (!metadata.description.empty()) json.field("description", metadata.description);
    json.key("format").begin_object().field("provider", "parquet");
    json.key("options").begin_object().end_object().end_object();
    json.field("schemaString", metadata.schema_string);
    write(json.key("partitionColumns"), metadata.partition_columns);
    write(json.key("configuration"), metadata.configuration);
    if (metadata.created_time_ms) json.field("createdTime", *metadata.created_time_ms);
    json.end_object();
  }

  void operator()(const Txn& txn) const {
    json.key("txn").begin_object();
    json.field("appId", txn.app_id);
    json.field("version", txn.version);
    if (txn.last_updated_ms) json.field("lastUpdated", *txn.last_updated_ms);
    json.end_object();
  }

  void operator()(const AddFile& file) const {
    json.key("add").begin_object();
    json.field("path", file.path);
    write(json.key("partitionValues"), file.partition_values);
    json.field("size", file.size);
    json.field("modificationTime", file.modification_time_ms);
    json.field("dataChange", file.data_change);
    if (!file.stats.empty()) json.field("stats", file.stats);
    if (!file.tags.empty()) write(json.key("tags"), file.tags);
    json.end_object();
  }

  void operator()(const RemoveFile& file) const {
    json.key("remove").begin_object();
    json.field("path", file.path);
    json.field("deletionTimestamp", file.deletion_timestamp_ms);
    json.field("dataChange", file.data_change);
    // The two go together (extendedFileMetadata).
    json.field("extendedFileMetadata", file.size.has_value());
    if (file.size) {
      write(json.key("partitionValues"), file.partition_values);
      json.field("size", *file.size);
    }
    json.end_object();
  }
};

}  // namespace

Status check_readable(const Protocol& protocol) {
  if (protocol.min_reader_version <= 1) return {};
  if (protocol.min_reader_version == 3) {
    return check_features("reader", protocol.reader_features, kReaderFeatures);
  }
  return fail(Code::invalid, "the table needs Delta reader version {}; this reader has version 1{}",
              protocol.min_reader_version,
              protocol.min_reader_version == 2 ? " (no column mapping)" : "");
}

Status check_writable(const Protocol& protocol) {
  if (auto readable = check_readable(protocol); !readable) return readable;
  if (protocol.min_writer_version <= 2) return {};
  if (protocol.min_writer_version == 7) {
    return check_features("writer", protocol.writer_features, kWriterFeatures);
  }
  return fail(Code::invalid, "the table needs Delta writer version {}; this writer has version 2",
              protocol.min_writer_version);
}

std::string to_json(const Action& action) {
  JsonWriter json;
  json.begin_object();
  std::visit(ActionWriter{json}, action);
  json.end_object();
  return json.take();
}

}  // namespace tillrace::lake
