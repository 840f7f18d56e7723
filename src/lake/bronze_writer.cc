#include "lake/bronze_writer.h"

#include <utility>

#include "base/check.h"
#include "lake/data_files.h"

namespace tillrace::lake {
namespace {

std::optional<std::int64_t> value_of(const std::optional<Offset>& mark) {
  return mark ? std::optional(mark->value) : std::nullopt;
}

Transaction move(const LogPartition& from, const std::optional<Offset>& mark, Offset to,
                 std::vector<AddFile> files) {
  Transaction transaction;
  transaction.parameters = {{"mode", "Append"}};
  transaction.add = std::move(files);
  transaction.txns = {{bronze_app_id(from), value_of(mark), to.value}};
  return transaction;
}

std::int32_t day_of(const BronzeEvent& event) {
  return lake::day_of(event.stored.record.received_at);
}

void append(std::vector<AddFile>& files, std::vector<AddFile> more) {
  for (AddFile& file : more) files.push_back(std::move(file));
}

}  // namespace

BronzeWriter::BronzeWriter(LakePorts ports, LogPartition from)
    : ports_(std::move(ports)), from_(std::move(from)), events_(from_), rejected_(from_) {}

Result<std::unique_ptr<BronzeWriter>> BronzeWriter::open(LakePorts ports, LogPartition from) {
  auto writer = std::make_unique<BronzeWriter>(std::move(ports), std::move(from));
  auto events = writer->ports_.duck.offer(writer->events_);
  if (!events) return fail(events.error());
  auto rejected = writer->ports_.duck.offer(writer->rejected_);
  if (!rejected) return fail(rejected.error());
  writer->events_sql_ = "SELECT * FROM " + *events;
  writer->rejected_sql_ = "SELECT * FROM " + *rejected;
  return writer;
}

Status BronzeWriter::open_tables() {
  auto open = [this](std::optional<DeltaTable>& table, const char* path,
                     const TableSpec& spec) -> Status {
    if (table) return table->refresh();
    auto opened = DeltaTable::open_or_create(ports_, path, spec);
    if (!opened) return fail(opened.error());
    table.emplace(std::move(*opened));
    return {};
  };
  if (Status done = open(events_table_, kBronzeTransactions, bronze_transactions()); !done)
    return done;
  return open(rejected_table_, kBronzeRejected, bronze_rejected());
}

Result<std::optional<Offset>> BronzeWriter::mark() {
  CHECK(!pending_);
  if (Status opened = open_tables(); !opened) return fail(opened.error());
  auto mark = bronze_mark(events_table_->snapshot(), from_);
  if (!mark) return fail(mark.error());
  auto rejected = bronze_mark(rejected_table_->snapshot(), from_);
  if (!rejected) return fail(rejected.error());
  mark_ = *mark;
  rejected_mark_ = *rejected;
  return mark_;
}

Status BronzeWriter::begin_at(Offset first) {
  CHECK(events_table_ && !pending_);
  pending_ = Pending{{}, move(from_, mark_, first, {}), first, {}};
  auto settled = settle();
  if (!settled) return fail(settled.error());
  return {};
}

Status BronzeWriter::prepare(BronzeReader& reader) {
  CHECK(events_table_ && !pending_);
  Range range;
  range.from = mark_.value_or(Offset{0});
  auto events = write_first_day(reader, range);
  if (!events) return fail(events.error());
  auto more = write_other_days(reader, range);
  if (more) append(*events, std::move(*more));
  Result<std::vector<AddFile>> rejected = fail(Code::unavailable, "");
  rejected = more ? write_rejected(reader, range) : fail(more.error());
  if (!rejected) {
    discard_data_files(ports_, events_table_->path(), *events);
    return fail(rejected.error());
  }
  if (range.to > range.from) make_pending(range, std::move(*events), std::move(*rejected));
  return {};
}

// Nearly always all events of a range are of one day, and this is all. It finds out where the range
// ends and what else there is.
Result<std::vector<AddFile>> BronzeWriter::write_first_day(BronzeReader& reader, Range& range) {
  auto first = reader.begin(range.from, std::nullopt);
  if (!first) return fail(first.error());
  if (!*first) {
    range.to = reader.position();
    return std::vector<AddFile>{};
  }
  range.day = lake::day_of(**first);
  Mutex counting;
  events_.begin(
      [&]() -> Result<std::vector<BronzeItem>> {
        auto items = reader.next();
        if (!items) return items;
        MutexLock lock(counting);
        count(*items, range);
        return items;
      },
      [day = range.day](const BronzeEvent& event) { return day_of(event) == day; });
  auto written = write_partition_file(ports_, events_table_->path(), events_table_->snapshot(),
                                      {{kIngestDate, day_text(range.day)}}, events_sql_);
  if (!written) return fail(events_.error().value_or(written.error()));
  range.to = reader.position();
  return written;
}

void BronzeWriter::count(const std::vector<BronzeItem>& items, Range& range) {
  for (const BronzeItem& item : items) {
    if (const auto* event = std::get_if<BronzeEvent>(&item)) {
      ++range.counts.events;
      if (day_of(*event) != range.day) ++range.other_days;
    } else {
      ++range.counts.rejected[std::get<BronzeRejected>(item).kind];
    }
  }
}

Result<std::vector<AddFile>> BronzeWriter::write_other_days(BronzeReader& reader,
                                                            const Range& range) {
  if (range.other_days == 0) return std::vector<AddFile>{};
  if (auto begun = reader.begin(range.from, range.to); !begun) return fail(begun.error());
  events_.begin([&] { return reader.next(); },
                [day = range.day](const BronzeEvent& event) { return day_of(event) != day; });
  auto written = events_table_->write(events_sql_);
  if (!written) return fail(events_.error().value_or(written.error()));
  return written;
}

Result<std::vector<AddFile>> BronzeWriter::write_rejected(BronzeReader& reader,
                                                          const Range& range) {
  if (range.counts.rejected.empty()) return std::vector<AddFile>{};
  if (auto begun = reader.begin(range.from, range.to); !begun) return fail(begun.error());
  rejected_.begin([&] { return reader.next(); },
                  [done = rejected_mark_.value_or(Offset{0})](const BronzeRejected& rejected) {
                    return rejected.stored.offset >= done;
                  });
  auto written = rejected_table_->write(rejected_sql_);
  if (!written) return fail(rejected_.error().value_or(written.error()));
  return written;
}

void BronzeWriter::make_pending(const Range& range, std::vector<AddFile> events,
                                std::vector<AddFile> rejected) {
  Pending pending{{}, move(from_, mark_, range.to, std::move(events)), range.to, range.counts};
  if (!rejected.empty())
    pending.rejected = move(from_, rejected_mark_, range.to, std::move(rejected));
  pending_ = std::move(pending);
}

Status BronzeWriter::commit(DeltaTable& table, Transaction& transaction) {
  auto version = table.commit(transaction);
  if (version) return {};
  Code code = version.error().code;
  if (code == Code::conflict) discard_pending();  // nothing was done
  if (code != Code::unavailable) pending_.reset();
  return fail(version.error());
}

// Rejected first: see the class comment. Once they are in, their transaction is done with.
Result<Offset> BronzeWriter::settle() {
  CHECK(pending_);
  if (pending_->rejected) {
    if (Status done = commit(*rejected_table_, *pending_->rejected); !done)
      return fail(done.error());
    pending_->rejected.reset();
    rejected_mark_ = pending_->to;
  }
  if (Status done = commit(*events_table_, pending_->events); !done) return fail(done.error());
  mark_ = pending_->to;
  counts_ = std::move(pending_->counts);
  pending_.reset();
  return *mark_;
}

void BronzeWriter::discard_pending() {
  discard_data_files(ports_, events_table_->path(), pending_->events.add);
  if (pending_->rejected)
    discard_data_files(ports_, rejected_table_->path(), pending_->rejected->add);
}

}  // namespace tillrace::lake
