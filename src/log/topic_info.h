// The record by which a database says which topic it is: key "topic" of the default column family
// (docs/formats/log.md).
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/topics.h"

namespace tillrace::log {

inline constexpr std::string_view kTopicInfoKey = "topic";

std::string encode_topic_info(const TopicInfo& info);
// corrupt unless `text` is exactly what encode_topic_info() gives for some valid topic.
Result<TopicInfo> decode_topic_info(std::string_view text);

}  // namespace tillrace::log
