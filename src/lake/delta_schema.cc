#include "lake/delta_schema.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/json_writer.h"
#include "lake/duck.h"

namespace tillrace::lake {
namespace {

namespace dom = simdjson::dom;

constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
    {"string", "VARCHAR"}, {"long", "BIGINT"},           {"integer", "INTEGER"},
    {"short", "SMALLINT"}, {"byte", "TINYINT"},          {"double", "DOUBLE"},
    {"float", "FLOAT"},    {"boolean", "BOOLEAN"},       {"binary", "BLOB"},
    {"date", "DATE"},      {"timestamp", "TIMESTAMPTZ"},
};
constexpr std::size_t kMostTypeDepth = 64;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// decimal(p,s) with 1 <= p <= 38 and 0 <= s <= p.
Result<std::string> decimal_type(std::string_view type) {
  int precision = 0;
  int scale = 0;
  auto inner = type.substr(std::string_view("decimal(").size());
  const char* end = inner.data() + inner.size();
  auto [comma, bad] = std::from_chars(inner.data(), end, precision);
  if (bad == std::errc() && comma < end && *comma == ',') {
    auto [close, worse] = std::from_chars(comma + 1, end, scale);
    if (worse == std::errc() && close + 1 == end && *close == ')' && precision >= 1 &&
        precision <= 38 && scale >= 0 && scale <= precision) {
      return fmt::format("DECIMAL({},{})", precision, scale);
    }
  }
  return fail(Code::invalid, "{} is no decimal type; decimal(p,s) with p from 1 to 38", type);
}

Result<std::string> primitive(std::string_view type) {
  for (const auto& [name, duck] : kTypes) {
    if (name == type) return std::string(duck);
  }
  if (type.starts_with("decimal(")) return decimal_type(type);
  return fail(Code::invalid, "the type {} is not read", type);
}

Result<std::string> type_of(dom::element element, std::size_t depth);

Result<std::string> type_member(dom::object object, std::string_view name, std::size_t depth) {
  dom::element element;
  if (object.at_key(name).get(element) != simdjson::SUCCESS) {
    return fail(Code::corrupt, "a nested type has no {}", name);
  }
  return type_of(element, depth + 1);
}

Result<std::string> struct_type(dom::object object, std::size_t depth) {
  dom::array fields;
  if (object.at_key("fields").get(fields) != simdjson::SUCCESS || fields.size() == 0) {
    return fail(Code::corrupt, "a struct has no fields");
  }
  std::string out;
  for (dom::element element : fields) {
    dom::object field;
    std::string_view name;
    if (element.get(field) != simdjson::SUCCESS ||
        field.at_key("name").get(name) != simdjson::SUCCESS) {
      return fail(Code::corrupt, "a struct's field has no name");
    }
    auto type = type_member(field, "type", depth);
    if (!type) return type;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", sql_name(name), *type);
  }
  return fmt::format("STRUCT({})", out);
}

Result<std::string> type_of(dom::element element, std::size_t depth) {
  std::string_view name;
  if (element.get(name) == simdjson::SUCCESS) return primitive(name);
  dom::object object;
  if (depth > kMostTypeDepth || element.get(object) != simdjson::SUCCESS ||
      object.at_key("type").get(name) != simdjson::SUCCESS) {
    return fail(Code::corrupt, "a type is neither a name nor an object with a type");
  }
  if (name == "struct") return struct_type(object, depth);
  if (name == "array") {
    auto item = type_member(object, "elementType", depth);
    return item ? Result<std::string>(*item + "[]") : item;
  }
  if (name != "map") return fail(Code::invalid, "the type {} is not read", name);
  auto key = type_member(object, "keyType", depth);
  if (!key) return key;
  auto value = type_member(object, "valueType", depth);
  if (!value) return value;
  return fmt::format("MAP({}, {})", *key, *value);
}

Result<Column> column_of(dom::element element) {
  dom::object field;
  std::string_view text;
  dom::element type;
  Column column;
  if (element.get(field) != simdjson::SUCCESS ||
      field.at_key("name").get(text) != simdjson::SUCCESS ||
      field.at_key("type").get(type) != simdjson::SUCCESS ||
      field.at_key("nullable").get(column.nullable) != simdjson::SUCCESS) {
    return fail(Code::corrupt, "a column has no name, type or nullable");
  }
  column.name = text;
  if (auto known = type_of(type, 0); !known) return fail(known.error(), column.name);
  column.type = type.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(type);
  dom::object metadata;
  if (field.at_key("metadata").get(metadata) == simdjson::SUCCESS) {
    column.metadata = simdjson::minify(metadata);
  }
  return column;
}

}  // namespace

const Column* Schema::find(std::string_view name) const {
  auto found = std::ranges::find_if(
      columns, [wanted = lower(name)](const Column& c) { return lower(c.name) == wanted; });
  return found == columns.end() ? nullptr : &*found;
}

Result<Schema> parse_schema(std::string_view json) {
  dom::parser parser;
  dom::object object;
  dom::array fields;
  std::string_view type;
  if (parser.parse(json.data(), json.size()).get(object) != simdjson::SUCCESS ||
      object.at_key("type").get(type) != simdjson::SUCCESS || type != "struct" ||
      object.at_key("fields").get(fields) != simdjson::SUCCESS) {
    return fail(Code::corrupt, "schemaString is no JSON of a struct");
  }
  Schema schema;
  for (dom::element element : fields) {
    auto column = column_of(element);
    if (!column) return fail(column.error(), "schemaString");
    schema.columns.push_back(std::move(*column));
  }
  return schema;
}

std::string to_json(const Schema& schema) {
  JsonWriter json;
  json.begin_object().field("type", "struct").key("fields").begin_array();
  for (const auto& column : schema.columns) {
    json.begin_object().field("name", column.name).key("type");
    is_primitive(column.type) ? json.string(column.type) : json.raw(column.type);
    json.field("nullable", column.nullable).key("metadata").raw(column.metadata).end_object();
  }
  json.end_array().end_object();
  return json.take();
}

bool is_primitive(std::string_view type) { return !type.starts_with('{'); }

Result<std::string> duck_type(std::string_view type) {
  if (is_primitive(type)) return primitive(type);
  dom::parser parser;
  dom::element element;
  if (parser.parse(type.data(), type.size()).get(element) != simdjson::SUCCESS) {
    return fail(Code::corrupt, "a nested type is no JSON");
  }
  return type_of(element, 0);
}

Status check_schema(const Schema& schema, const std::vector<std::string>& partition_columns) {
  std::set<std::string> names;
  for (const auto& column : schema.columns) {
    if (column.name.empty() || column.name.find_first_of(" ,;{}()\n\t=") != std::string::npos) {
      return fail(Code::invalid,
                  "'{}' is no column name; 1 or more bytes, none of ' ,;{{}}()=', "
                  "tab and line feed",
                  column.name);
    }
    if (!names.insert(lower(column.name)).second) {
      return fail(Code::invalid, "the column {} stands there twice", column.name);
    }
    if (auto type = duck_type(column.type); !type) return fail(type.error(), column.name);
  }
  std::set<std::string> partitions;
  for (const auto& name : partition_columns) {
    const Column* column = schema.find(name);
    if (column == nullptr || column->name != name || !partitions.insert(name).second) {
      return fail(Code::invalid, "the partition column {} is no column, or twice there", name);
    }
    if (!is_primitive(column->type) || column->type == "binary") {
      return fail(Code::invalid, "the table cannot be partitioned by {} of type {}", name,
                  column->type);
    }
  }
  if (partitions.size() == schema.columns.size()) {
    return fail(Code::invalid, "the table has no column that is no partition column");
  }
  return {};
}

Result<Schema> with_columns(const Schema& schema, const std::vector<Column>& added) {
  Schema out = schema;
  for (const auto& column : added) {
    if (!column.nullable) {
      return fail(Code::invalid, "a column that is added must be nullable; {} is not", column.name);
    }
    out.columns.push_back(column);
  }
  if (auto checked = check_schema(out, {}); !checked) return fail(checked.error());
  return out;
}

}  // namespace tillrace::lake
