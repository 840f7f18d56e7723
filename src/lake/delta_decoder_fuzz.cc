// Any bytes are a commit or are refused; an action that is read is written and read again as the
// same, and what it holds (a schema, a path, intervals) is read or refused in its turn.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "lake/delta_decoder.h"
#include "lake/delta_inspect.h"
#include "lake/delta_paths.h"
#include "lake/delta_properties.h"
#include "lake/delta_schema.h"
#include "lake/delta_snapshot.h"

using tillrace::lake::Action;
using tillrace::lake::ActionDecoder;
using tillrace::lake::AddFile;
using tillrace::lake::Metadata;

namespace {

void check_written_and_read(ActionDecoder& decoder, const Action& action) {
  auto again = decoder.decode(to_json(action));
  CHECK(again && *again);
  CHECK(to_json(**again) == to_json(action));
}

void read_inner(const Metadata& metadata) {
  auto schema = tillrace::lake::parse_schema(metadata.schema_string);
  if (schema) {
    auto again = tillrace::lake::parse_schema(to_json(*schema));
    CHECK(again && to_json(*again) == to_json(*schema));
  }
  static_cast<void>(tillrace::lake::parse_properties(metadata.configuration));
}

void read_inner(const AddFile& file) {
  auto rows = tillrace::lake::rows_in_stats(file.stats);
  CHECK(!rows || *rows >= 0);
  auto path = tillrace::lake::decode_file_path(file.path);
  if (!path) return;
  auto again = tillrace::lake::decode_file_path(tillrace::lake::encode_file_path(*path));
  CHECK(again && *again == *path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  ActionDecoder decoder;
  static_cast<void>(decoder.decode_last_checkpoint(text));
  auto actions = decoder.decode_commit(text);
  if (!actions) return 0;
  for (const auto& action : *actions) {
    check_written_and_read(decoder, action);
    if (const auto* metadata = std::get_if<Metadata>(&action)) read_inner(*metadata);
    if (const auto* file = std::get_if<AddFile>(&action)) read_inner(*file);
  }
  tillrace::lake::Snapshot snapshot;
  static_cast<void>(snapshot.apply(std::move(*actions), 0));
  return 0;
}
