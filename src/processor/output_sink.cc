#include "processor/output_sink.h"

#include "base/json_writer.h"

namespace tillrace::processor {
namespace {

class OutputSink final : public Sink {
 public:
  OutputSink(log::Log& log, const log::OutputOptions& options, Partition partition)
      : log_(log), partition_(partition), output_(log::open_output_topic(options, partition)) {}

  Result<Offset> mark() override {
    auto mark = output_->mark();
    if (!mark) return fail(mark.error());
    return *mark ? Result<Offset>(**mark) : log_.first(partition_);
  }

  Result<warehouse::BatchCounts> apply(const warehouse::Batch& batch) override {
    std::vector<log::OutputRecord> records;
    records.reserve(batch.lines.size());
    for (const warehouse::Line& line : batch.lines)
      records.push_back({line.transaction.invoice_no, output_json(line)});
    Status written = output_->write(records, batch.to);
    if (!written) return fail(written.error());
    warehouse::BatchCounts counts;
    counts.inserted = static_cast<std::int64_t>(batch.lines.size());
    counts.rejected = static_cast<std::int64_t>(batch.rejected.size());
    return counts;
  }

  // What is committed stays.
  bool has_session() const override { return true; }

 private:
  log::Log& log_;
  const Partition partition_;
  const std::unique_ptr<log::OutputTopic> output_;
};

}  // namespace

std::string output_json(const warehouse::Line& line) {
  const Transaction& event = line.transaction;
  JsonWriter out;
  out.begin_object();
  out.field("EventId", to_string(line.event_id));
  out.field("InvoiceNo", event.invoice_no);
  if (event.line_no) out.field("LineNo", std::int64_t{*event.line_no});
  out.field("StockCode", event.stock_code);
  if (event.description) out.field("Description", *event.description);
  out.field("Quantity", std::int64_t{event.quantity});
  out.field("UnitPrice", to_string(event.unit_price));
  out.field("Amount", to_string(amount(event)));
  out.field("Kind", name(kind_of(event)));
  out.field("InvoiceDate", to_string(event.invoiced_at));
  if (event.customer_id) out.field("CustomerID", *event.customer_id);
  out.field("Country", event.country);
  out.end_object();
  return out.take();
}

SinkKind output_sink(log::Log& log, log::OutputOptions options) {
  options.source_id = log.id();
  return {"output", false, [&log, options = std::move(options)](Partition partition) {
            return std::make_unique<OutputSink>(log, options, partition);
          }};
}

}  // namespace tillrace::processor
