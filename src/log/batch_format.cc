#include "log/batch_format.h"

#include <cstring>
#include <limits>

#include "base/check.h"
#include "log/little_endian.h"

namespace tillrace::log {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHeaderBytes = 5;

tl::unexpected<Error> damaged(BatchPlace place, std::uint32_t index, std::string_view what) {
  return fail(Code::corrupt, "partition {}, offset {}: {}", place.partition.value,
              place.base.value + index, what);
}

}  // namespace

std::string encode_batch_header(std::uint32_t count) {
  CHECK(count > 0);
  std::string header(1, kVersion);
  put(header, count);
  return header;
}

void append_record(std::string& out, const Record& record) {
  CHECK(record.key.size() <= kMaxKeyBytes);
  CHECK(record.value.size() <= std::numeric_limits<std::uint32_t>::max());
  out.append(reinterpret_cast<const char*>(record.event_id.bytes.data()),
             record.event_id.bytes.size());
  put(out, record.received_at.value);
  put(out, static_cast<std::uint16_t>(record.key.size()));
  put(out, static_cast<std::uint32_t>(record.value.size()));
  out += record.key;
  out += record.value;
}

BatchEncoder::BatchEncoder() : bytes_(kHeaderBytes, '\0') {}

void BatchEncoder::add(const Record& record) {
  append_record(bytes_, record);
  ++count_;
}

std::string BatchEncoder::take() {
  bytes_.replace(0, kHeaderBytes, encode_batch_header(count_));
  count_ = 0;
  return std::exchange(bytes_, std::string(kHeaderBytes, '\0'));
}

Result<BatchDecoder> BatchDecoder::open(std::string_view bytes, BatchPlace place) {
  if (bytes.empty()) return damaged(place, 0, "an empty batch");
  if (bytes[0] != kVersion)
    return damaged(place, 0,
                   fmt::format("batch format version {}, where 1 is the only known one",
                               static_cast<unsigned char>(bytes[0])));
  if (bytes.size() < kHeaderBytes) return damaged(place, 0, "the batch ends within its header");
  std::string_view rest = bytes.substr(1);
  auto count = take_integer<std::uint32_t>(rest);
  if (count == 0) return damaged(place, 0, "a batch without records");
  if (count > rest.size() / kRecordOverheadBytes)
    return damaged(place, 0, fmt::format("{} bytes cannot hold {} records", bytes.size(), count));
  if (place.base.value > std::numeric_limits<std::int64_t>::max() - count)
    return damaged(place, 0, "the batch goes beyond the last possible offset");
  return BatchDecoder(rest, count, place);
}

Result<RecordView> BatchDecoder::next() {
  CHECK(left_ > 0);
  std::uint32_t index = count_ - left_;
  if (rest_.size() < kRecordOverheadBytes)
    return damaged(place_, index, "the batch ends within a record");
  RecordView record;
  std::memcpy(record.event_id.bytes.data(), rest_.data(), record.event_id.bytes.size());
  rest_.remove_prefix(record.event_id.bytes.size());
  record.received_at.value = take_integer<std::int64_t>(rest_);
  std::size_t key_size = take_integer<std::uint16_t>(rest_);
  std::size_t value_size = take_integer<std::uint32_t>(rest_);
  if (rest_.size() < key_size + value_size)
    return damaged(place_, index, "the batch ends within a record");
  record.key = take_bytes(rest_, key_size);
  record.value = take_bytes(rest_, value_size);
  --left_;
  if (left_ == 0 && !rest_.empty())
    return damaged(place_, index, "bytes follow the batch's last record");
  return record;
}

std::string encode_batch_key(Offset base) {
  CHECK(base.value >= 0);
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(base.value >> shift & 0xff);
  return key;
}

Result<Offset> decode_batch_key(std::string_view key, Partition partition) {
  if (key.size() != 8)
    return fail(Code::corrupt, "partition {}: a key of {} bytes, where a batch's has 8",
                partition.value, key.size());
  std::uint64_t base = 0;
  for (char byte : key) base = base << 8 | static_cast<unsigned char>(byte);
  if (base > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return fail(Code::corrupt, "partition {}: a batch at offset {}, beyond the last possible one",
                partition.value, base);
  return Offset{static_cast<std::int64_t>(base)};
}

}  // namespace tillrace::log
