#include "gateway/partial_upload.h"

#include <deque>

#include "gateway/idempotency.h"
#include "gateway/line_chunks.h"
#include "gateway/upload_answer.h"

namespace tillrace::gateway {
namespace {

struct Chunk {
  std::uint64_t first_index = 0;
  SortedLines lines;
  ReceiptNote note;
  std::vector<PlacedKey> placed;  // of the good records, which go to the log
};

// Used by one thread at a time: the connection's in take(), then, until the part is answered, the
// log's.
// shared: with the log's callback, because the client may go, and the stream with it, while the log
// still writes.
class Upload : public std::enable_shared_from_this<Upload> {
 public:
  Upload(const UploadTools& tools, UploadRequest request)
      : tools_(tools),
        request_(std::move(request)),
        next_index_(request_.first_index),
        chunks_(kUploadChunkBytes, tools.limits.max_record_bytes),
        answer_(request_.first_index) {}

  void take(std::string part, bool is_last, http::Reply reply);

 private:
  void add_chunk(const std::string& text);
  void store_next();
  void store(Chunk chunk);
  void on_stored(Chunk& chunk, const Result<std::vector<log::Appended>>& places);
  // Answers a chunk that was stored before as it was then, or stops; false when it never was.
  bool replay(const Chunk& chunk);
  // What speaks against the chunk being the one that left the receipt.
  std::optional<http::Response> contradiction(const Chunk& chunk,
                                              const log::StoredReceipt& receipt) const;
  void accept(const Chunk& chunk, const std::vector<log::AppendedRange>& ranges, bool replayed);
  void stop(http::Response problem);
  void reply();

  std::optional<KeyedNames> names_of(const Chunk& chunk) const {
    if (!request_.keyed) return std::nullopt;
    return KeyedNames{request_.keyed->client, request_.keyed->key, chunk.first_index};
  }

  const UploadTools tools_;
  const UploadRequest request_;
  std::uint64_t next_index_;  // of the record that comes next from the client
  LineChunks chunks_;
  UploadAnswer answer_;
  std::deque<Chunk> waiting_;
  bool is_last_ = false;
  bool is_over_ = false;
  http::Reply reply_;
};

void Upload::take(std::string part, bool is_last, http::Reply reply) {
  tools_.metrics.bytes.add(static_cast<double>(part.size()));
  reply_ = std::move(reply);
  is_last_ = is_last;
  std::size_t records_before = next_index_;
  chunks_.add(part);
  while (auto text = chunks_.next()) add_chunk(*text);
  if (is_last) add_chunk(chunks_.rest());
  tools_.client_limits.charge(request_.client, next_index_ - records_before, part.size());
  if (is_last && next_index_ == request_.first_index) return stop(no_records());
  store_next();
}

void Upload::add_chunk(const std::string& text) {
  Chunk chunk;
  chunk.first_index = next_index_;
  auto names = names_of(chunk);
  chunk.lines = tools_.parsers.with_parser([&](EventParser& parser) {
    return sort_lines(text, tools_.limits, parser, tools_.clock, tools_.random,
                      names ? &*names : nullptr);
  });
  if (chunk.lines.count == 0) return;
  if (names) chunk.note = {BodyForm::lines, {}, body_digest(text)};
  next_index_ += chunk.lines.count;
  chunk.placed = places_to_be(chunk.lines.records, tools_.log.partitions());
  tools_.metrics.received.add(static_cast<double>(chunk.lines.records.size()));
  tools_.metrics.refused_records.add(static_cast<double>(chunk.lines.refused.size()));
  waiting_.push_back(std::move(chunk));
}

void Upload::store_next() {
  if (waiting_.empty() || is_over_) return reply();
  Chunk chunk = std::move(waiting_.front());
  waiting_.pop_front();
  if (chunk.lines.records.empty()) {
    accept(chunk, {}, false);
    return store_next();
  }
  if (replay(chunk)) return;
  if (auto full = tools_.intake.refuse_more()) return stop(std::move(*full));
  store(std::move(chunk));
}

bool Upload::replay(const Chunk& chunk) {
  auto names = names_of(chunk);
  if (!names) return false;
  auto receipt = tools_.log.find_receipt(receipt_key(*names));
  if (!receipt || !*receipt) return false;  // a log that cannot be read takes no batch either
  if (auto problem = contradiction(chunk, **receipt)) {
    stop(std::move(*problem));
    return true;
  }
  accept(chunk, (*receipt)->ranges, true);
  store_next();
  return true;
}

std::optional<http::Response> Upload::contradiction(const Chunk& chunk,
                                                    const log::StoredReceipt& receipt) const {
  auto note = decode_receipt_note(receipt.note);
  if (!note) return append_failure(note.error(), tools_.retry_after_s);
  if (*note != chunk.note) return key_reused();
  if (fits(receipt.ranges, chunk.placed)) return std::nullopt;
  // The rules for events have changed meanwhile: which record lies where cannot be told.
  return append_failure({Code::corrupt, "its records were stored under other rules"}, 0);
}

void Upload::store(Chunk chunk) {
  std::optional<log::Receipt> receipt;
  if (auto names = names_of(chunk)) receipt = {receipt_key(*names), encode(chunk.note)};
  std::vector<Record> records = std::move(chunk.lines.records);
  auto began = tools_.clock.monotonic();
  // shared: AppendDone must be copyable
  auto kept = std::make_shared<Chunk>(std::move(chunk));
  tools_.log.append(
      std::move(records), std::move(receipt),
      [self = shared_from_this(), kept, began](const Result<std::vector<log::Appended>>& places) {
        if (places) self->tools_.metrics.durable_after(self->tools_.clock.monotonic() - began);
        self->on_stored(*kept, places);
      });
}

void Upload::on_stored(Chunk& chunk, const Result<std::vector<log::Appended>>& places) {
  if (places) {
    tools_.metrics.written.add(static_cast<double>(places->size()));
    accept(chunk, ranges_of(*places), false);
    return store_next();
  }
  bool came_twice = places.error().code == Code::conflict;
  if (came_twice && replay(chunk)) return;
  tools_.metrics.failed(places.error().code);
  stop(append_failure(places.error(), tools_.retry_after_s));
}

void Upload::accept(const Chunk& chunk, const std::vector<log::AppendedRange>& ranges,
                    bool replayed) {
  if (replayed) tools_.metrics.replayed.add();
  answer_.add(chunk.first_index, chunk.lines.count, chunk.lines.refused, chunk.placed, ranges,
              replayed);
}

void Upload::stop(http::Response problem) {
  is_over_ = true;
  tools_.metrics.rejected("upload_stopped");
  if (!answer_.has_begun()) return std::exchange(reply_, {})(std::move(problem));
  answer_.stop(problem);
  reply();
}

void Upload::reply() {
  bool more = !is_last_ && !is_over_;
  // Each upload gets ahead by a chunk at least, however small its client's share.
  auto limit =
      more && answer_.has_told() ? tools_.client_limits.check(request_.client) : std::nullopt;
  if (limit) return stop(rate_limited(limit->limit, limit->retry_after_s));
  if (!more) answer_.end(!is_over_);
  http::Response response{207, {}, "application/x-ndjson", answer_.take()};
  response.more = more;
  std::exchange(reply_, {})(std::move(response));
}

class UploadStream final : public http::BodyStream {
 public:
  UploadStream(const UploadTools& tools, UploadRequest request)
      : upload_(std::make_shared<Upload>(tools, std::move(request))) {}  // shared: see upload_
  void take(std::string part, bool is_last, http::Reply reply) override {
    upload_->take(std::move(part), is_last, std::move(reply));
  }

 private:
  std::shared_ptr<Upload> upload_;  // shared: with the log's callback, see Upload
};

}  // namespace

std::unique_ptr<http::BodyStream> open_partial_upload(const UploadTools& tools,
                                                      UploadRequest request) {
  return std::make_unique<UploadStream>(tools, std::move(request));
}

}  // namespace tillrace::gateway
