// The value that the embedded log stores for a batch of records of one partition, version 1
// (docs/formats/log.md):
//
//   version  1 byte, 1
//   count    uint32, records that follow, at least 1
//   count x  event id 16 bytes, received_at int64 (microseconds since 1970), key length uint16,
//   value length uint32,
//            key, value
//
// Integers are little-endian, nothing follows the last record, so a batch has exactly one encoding.
// Checksums are RocksDB's.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/record.h"

namespace tillrace::log {

inline constexpr std::size_t kMaxKeyBytes = 65'535;
inline constexpr std::size_t kRecordOverheadBytes = 30;

// The length of `record` within a batch.
inline std::size_t encoded_size(const Record& record) {
  return kRecordOverheadBytes + record.key.size() + record.value.size();
}

// The two pieces that a batch is made of: a header, and `count` records behind it. CHECKed: at
// least one record, and keys of at most kMaxKeyBytes.
std::string encode_batch_header(std::uint32_t count);
void append_record(std::string& out, const Record& record);

// A whole batch, record by record. Not thread-safe.
class BatchEncoder {
 public:
  BatchEncoder();
  void add(const Record& record);
  std::uint32_t count() const { return count_; }
  // The batch; at least one record was added. The encoder is empty again.
  std::string take();

 private:
  std::string bytes_;
  std::uint32_t count_ = 0;
};

// Where a batch lies, for messages: its partition, and the offset of its first record.
struct BatchPlace {
  Partition partition;
  Offset base;
};

// A record inside the batch's bytes.
struct RecordView {
  EventId event_id;
  UtcMicros received_at;
  std::string_view key;
  std::string_view value;
};

// Reads a batch of unknown origin record by record; borrows its bytes. Every failure is corrupt and
// names the place.
class BatchDecoder {
 public:
  static Result<BatchDecoder> open(std::string_view bytes, BatchPlace place);
  std::uint32_t count() const { return count_; }
  // Records not read yet.
  std::uint32_t left() const { return left_; }
  // The next record; left() > 0. Reading the last one also checks that nothing follows it.
  Result<RecordView> next();

 private:
  BatchDecoder(std::string_view rest, std::uint32_t count, BatchPlace place)
      : rest_(rest), count_(count), left_(count), place_(place) {}

  std::string_view rest_;
  std::uint32_t count_;
  std::uint32_t left_;
  BatchPlace place_;
};

// The key under which a batch is stored: its base offset as 8 bytes, big-endian, so that keys sort
// by offset.
std::string encode_batch_key(Offset base);
// corrupt unless it is 8 bytes with the highest bit clear.
Result<Offset> decode_batch_key(std::string_view key, Partition partition);

}  // namespace tillrace::log
