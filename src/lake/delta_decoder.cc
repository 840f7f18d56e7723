#include "lake/delta_decoder.h"

#include <simdjson.h>

#include <limits>
#include <utility>

namespace tillrace::lake {
namespace {

namespace dom = simdjson::dom;

// A member that is null counts as absent, as the protocol's optional fields do.
std::optional<dom::element> member(dom::object object, std::string_view name) {
  dom::element element;
  if (object.at_key(name).get(element) != simdjson::SUCCESS || element.is_null()) return {};
  return element;
}

// Reads the members of one action; the first that is missing or of another type is kept as the
// error, so that an action is read in one go and asked once.
class Members {
 public:
  Members(dom::object object, std::string_view action) : object_(object), action_(action) {}

  bool has(std::string_view name) const { return member(object_, name).has_value(); }

  std::string text(std::string_view name) { return need<std::string_view, std::string>(name, {}); }
  std::int64_t number(std::string_view name) { return need<std::int64_t, std::int64_t>(name, 0); }
  bool boolean(std::string_view name) { return need<bool, bool>(name, false); }

  // Where it may be absent.
  std::string optional_text(std::string_view name) {
    return has(name) ? text(name) : std::string();
  }
  std::optional<std::int64_t> optional_number(std::string_view name) {
    return has(name) ? std::optional(number(name)) : std::nullopt;
  }
  bool optional_boolean(std::string_view name) { return has(name) && boolean(name); }

  int version(std::string_view name) {
    std::int64_t value = number(name);
    if (value < 0 || value > std::numeric_limits<int>::max()) note(name);
    return static_cast<int>(value);
  }

  std::vector<std::string> words(std::string_view name) {
    std::vector<std::string> out;
    auto element = member(object_, name);
    if (!element) return out;
    dom::array array;
    if (element->get(array) != simdjson::SUCCESS) return note(name), out;
    for (dom::element word : array) {
      std::string_view value;
      if (word.get(value) != simdjson::SUCCESS) return note(name), out;
      out.emplace_back(value);
    }
    return out;
  }

  // Strings as they are; other values, which a writer of commitInfo may use, as their JSON.
  Properties properties(std::string_view name) {
    Properties out;
    each(name, [&](std::string_view key, dom::element value) {
      std::string_view string;
      if (value.get(string) == simdjson::SUCCESS)
        out[std::string(key)] = string;
      else if (!value.is_null())
        out[std::string(key)] = simdjson::minify(value);
      return true;
    });
    return out;
  }

  PartitionValues partition_values(std::string_view name) {
    PartitionValues out;
    each(name, [&](std::string_view key, dom::element value) {
      std::string_view string;
      auto& slot = out[std::string(key)];
      if (value.is_null()) return true;
      if (value.get(string) != simdjson::SUCCESS) return false;
      if (!string.empty())
        slot = string;  // an empty text is a null (Partition Value Serialization)
      return true;
    });
    return out;
  }

  void require(std::string_view name) {
    if (!has(name)) note(name);
  }

  template <class T>
  Result<std::optional<Action>> done(T value) {
    if (!bad_.empty()) {
      return fail(Code::corrupt, "{}.{} is missing or of another type", action_, bad_);
    }
    return std::optional<Action>(std::move(value));
  }

 private:
  template <class Read, class T>
  T need(std::string_view name, T otherwise) {
    auto element = member(object_, name);
    Read value;
    if (!element || element->get(value) != simdjson::SUCCESS) return note(name), otherwise;
    return T(value);
  }

  template <class Visit>
  void each(std::string_view name, const Visit& visit) {
    auto element = member(object_, name);
    if (!element) return;
    dom::object object;
    if (element->get(object) != simdjson::SUCCESS) return note(name);
    for (auto [key, value] : object) {
      if (!visit(key, value)) return note(name);
    }
  }

  void note(std::string_view name) {
    if (bad_.empty()) bad_ = name;
  }

  dom::object object_;
  std::string_view action_;
  std::string bad_;
};

using Decoded = Result<std::optional<Action>>;

Decoded decode_commit_info(dom::object object) {
  Members in(object, "commitInfo");
  // Free-form by the protocol: what is not as expected is left out.
  CommitInfo info;
  auto number = [&](std::string_view name) {
    std::int64_t value = 0;
    return object.at_key(name).get(value) == simdjson::SUCCESS ? std::optional(value)
                                                               : std::nullopt;
  };
  auto text = [&](std::string_view name) {
    std::string_view value;
    return object.at_key(name).get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
  };
  info.timestamp_ms = number("timestamp").value_or(0);
  info.operation = text("operation");
  dom::object parameters;
  if (object.at_key("operationParameters").get(parameters) == simdjson::SUCCESS) {
    info.operation_parameters = in.properties("operationParameters");
  }
  info.engine_info = text("engineInfo");
  info.txn_id = text("txnId");
  info.read_version = number("readVersion");
  bool blind = false;
  info.is_blind_append = object.at_key("isBlindAppend").get(blind) == simdjson::SUCCESS && blind;
  return in.done(std::move(info));
}

Decoded decode_protocol(dom::object object) {
  Members in(object, "protocol");
  Protocol protocol;
  protocol.min_reader_version = in.version("minReaderVersion");
  protocol.min_writer_version = in.version("minWriterVersion");
  protocol.reader_features = in.words("readerFeatures");
  protocol.writer_features = in.words("writerFeatures");
  return in.done(std::move(protocol));
}

Decoded decode_metadata(dom::object object) {
  Members in(object, "metaData");
  Metadata metadata;
  metadata.id = in.text("id");
  metadata.name = in.optional_text("name");
  metadata.description = in.optional_text("description");
  metadata.schema_string = in.text("schemaString");
  metadata.partition_columns = in.words("partitionColumns");
  metadata.configuration = in.properties("configuration");
  metadata.created_time_ms = in.optional_number("createdTime");
  auto format = member(object, "format");
  dom::object options;
  if (format && format->get(options) == simdjson::SUCCESS) {
    std::string provider = Members(options, "metaData.format").optional_text("provider");
    if (!provider.empty() && provider != "parquet") {
      return fail(Code::invalid, "the table's files are {}; only parquet is read", provider);
    }
  }
  return in.done(std::move(metadata));
}

Decoded decode_txn(dom::object object) {
  Members in(object, "txn");
  Txn txn;
  txn.app_id = in.text("appId");
  txn.version = in.number("version");
  txn.last_updated_ms = in.optional_number("lastUpdated");
  return in.done(std::move(txn));
}

Decoded decode_add(dom::object object) {
  Members in(object, "add");
  if (in.has("deletionVector")) {
    return fail(Code::invalid, "the table has deletion vectors; this reader knows none");
  }
  AddFile file;
  file.path = in.text("path");
  in.require("partitionValues");
  file.partition_values = in.partition_values("partitionValues");
  file.size = in.number("size");
  file.modification_time_ms = in.number("modificationTime");
  file.data_change = in.boolean("dataChange");
  file.stats = in.optional_text("stats");
  file.tags = in.properties("tags");
  return in.done(std::move(file));
}

Decoded decode_remove(dom::object object) {
  Members in(object, "remove");
  RemoveFile file;
  file.path = in.text("path");
  file.deletion_timestamp_ms = in.optional_number("deletionTimestamp").value_or(0);
  file.data_change = in.boolean("dataChange");
  file.partition_values = in.partition_values("partitionValues");
  file.size = in.optional_number("size");
  return in.done(std::move(file));
}

using Decode = Decoded (*)(dom::object);
constexpr std::pair<std::string_view, Decode> kActions[] = {
    {"add", decode_add},           {"remove", decode_remove},
    {"txn", decode_txn},           {"commitInfo", decode_commit_info},
    {"metaData", decode_metadata}, {"protocol", decode_protocol},
};

}  // namespace

struct ActionDecoder::Impl {
  dom::parser parser;
};

ActionDecoder::ActionDecoder() : impl_(std::make_unique<Impl>()) {}
ActionDecoder::ActionDecoder(ActionDecoder&&) noexcept = default;
ActionDecoder& ActionDecoder::operator=(ActionDecoder&&) noexcept = default;
ActionDecoder::~ActionDecoder() = default;

Result<std::optional<Action>> ActionDecoder::decode(std::string_view line) {
  dom::object actions;
  if (impl_->parser.parse(line.data(), line.size()).get(actions) != simdjson::SUCCESS) {
    return fail(Code::corrupt, "a line is no JSON object");
  }
  for (const auto& [name, decode_action] : kActions) {
    auto element = member(actions, name);
    if (!element) continue;
    dom::object action;
    if (element->get(action) != simdjson::SUCCESS) {
      return fail(Code::corrupt, "{} is no object", name);
    }
    return decode_action(action);
  }
  return std::nullopt;
}

Result<std::vector<Action>> ActionDecoder::decode_commit(std::string_view text) {
  std::vector<Action> actions;
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto action = decode(line);
    if (!action) return fail(action.error(), fmt::format("line {}", number));
    if (*action) actions.push_back(std::move(**action));
  }
  return actions;
}

Result<ActionDecoder::LastCheckpoint> ActionDecoder::decode_last_checkpoint(std::string_view text) {
  dom::object object;
  LastCheckpoint last;
  if (impl_->parser.parse(text.data(), text.size()).get(object) != simdjson::SUCCESS ||
      object.at_key("version").get(last.version) != simdjson::SUCCESS || last.version < 0) {
    return fail(Code::corrupt, "_last_checkpoint is no JSON object with a version");
  }
  std::int64_t parts = 0;
  if (object.at_key("parts").get(parts) == simdjson::SUCCESS) last.parts = parts;
  return last;
}

}  // namespace tillrace::lake
