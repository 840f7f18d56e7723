#include "log/topic_info.h"

#include <charconv>

#include "model/event_id.h"

namespace tillrace::log {
namespace {

// The value of the next line, which must be "<name> <value>\n"; nothing otherwise.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view name) {
  std::size_t line_end = text.find('\n');
  if (line_end == std::string_view::npos) return {};
  std::string_view line = text.substr(0, line_end);
  text.remove_prefix(line_end + 1);
  if (!line.starts_with(name) || line.substr(name.size()).substr(0, 1) != " ") return {};
  return line.substr(name.size() + 1);
}

template <class Integer>
bool parse_whole(std::string_view text, Integer& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string encode_topic_info(const TopicInfo& info) {
  return fmt::format("tillrace-log 1\nname {}\npartitions {}\nid {}\ncreated_at_us {}\n", info.name,
                     info.partitions, info.id, info.created_at.value);
}

Result<TopicInfo> decode_topic_info(std::string_view text) {
  std::string_view rest = text;
  auto version = take_line(rest, "tillrace-log");
  if (version && *version != "1")
    return fail(Code::corrupt, "log format {}, where 1 is the only known one", *version);
  auto name = take_line(rest, "name");
  auto partitions = take_line(rest, "partitions");
  auto id = take_line(rest, "id");
  auto created_at = take_line(rest, "created_at_us");
  TopicInfo info;
  bool read = version && name && check_topic_name(*name) && partitions &&
              parse_whole(*partitions, info.partitions) && info.partitions >= 1 &&
              info.partitions <= kMaxPartitions && id && parse_event_id(*id) && created_at &&
              parse_whole(*created_at, info.created_at.value);
  if (!read) return fail(Code::corrupt, "the database does not say which topic it is");
  info.name = *name;
  info.id = *id;
  if (encode_topic_info(info) != text)
    return fail(Code::corrupt, "the database does not say which topic it is");
  return info;
}

}  // namespace tillrace::log
