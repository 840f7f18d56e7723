#include "lake/azure_list.h"

#include <charconv>
#include <optional>
#include <pugixml.hpp>

#include "http/message.h"
#include "lake/azure_time.h"

namespace tillrace::lake {
namespace {

// A name of spaces alone stays; of DOCTYPE and its entities pugixml reads none.
constexpr unsigned kParseOptions = pugi::parse_default | pugi::parse_ws_pcdata_single;

tl::unexpected<Error> no_list(std::string_view why) {
  return fail(Code::unavailable, "the answer is no list of blobs: {}", why);
}

std::optional<std::uint64_t> parse_bytes(std::string_view digits) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// Names that XML cannot hold come percent-encoded, and say so.
Result<std::string> name_of(const pugi::xml_node& blob) {
  pugi::xml_node node = blob.child("Name");
  std::string name = node.text().get();
  if (name.empty()) return no_list("a blob has no name");
  if (!node.attribute("Encoded").as_bool()) return name;
  auto decoded = http::percent_decode(name);
  if (!decoded) return no_list("a name's encoding is malformed");
  return decoded;
}

bool is_folder(const pugi::xml_node& blob) {
  std::string_view type = blob.child("Properties").child("ResourceType").text().get();
  std::string_view mark = blob.child("Metadata").child("hdi_isfolder").text().get();
  return type == "directory" || mark == "true";
}

Result<ListedBlob> decode_blob(const pugi::xml_node& node) {
  auto name = name_of(node);
  if (!name) return fail(name.error());
  ListedBlob blob{std::move(*name), 0, {}, is_folder(node)};
  if (blob.is_folder) return blob;
  pugi::xml_node properties = node.child("Properties");
  auto bytes = parse_bytes(properties.child("Content-Length").text().get());
  auto modified = parse_http_date(properties.child("Last-Modified").text().get());
  if (!bytes || !modified) return no_list("a blob lacks its size or its time");
  blob.bytes = *bytes;
  blob.modified = *modified;
  return blob;
}

}  // namespace

Result<ListAnswer> decode_list_answer(std::string_view xml) {
  pugi::xml_document document;
  pugi::xml_parse_result parsed = document.load_buffer(xml.data(), xml.size(), kParseOptions);
  if (!parsed) return no_list(parsed.description());
  pugi::xml_node root = document.child("EnumerationResults");
  pugi::xml_node blobs = root.child("Blobs");
  pugi::xml_node marker = root.child("NextMarker");
  if (!blobs || !marker) return no_list("it has no Blobs or no NextMarker");
  ListAnswer answer;
  for (const pugi::xml_node& node : blobs.children("Blob")) {
    auto blob = decode_blob(node);
    if (!blob) return fail(blob.error());
    answer.blobs.push_back(std::move(*blob));
  }
  answer.next_marker = marker.text().get();
  return answer;
}

std::string decode_error_code(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size(), kParseOptions)) return {};
  return document.child("Error").child("Code").text().get();
}

}  // namespace tillrace::lake
