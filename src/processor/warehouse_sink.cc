#include "processor/warehouse_sink.h"

#include "base/logging.h"
#include "warehouse/flushed_marks.h"

namespace tillrace::processor {
namespace {

class WarehouseSink final : public Sink {
 public:
  WarehouseSink(log::Log& log, warehouse::Warehouse& warehouse, Partition partition, LateStart late)
      : log_(log),
        warehouse_(warehouse),
        partition_(partition),
        late_(late),
        writer_(warehouse.url()) {}

  Result<Offset> mark() override {
    auto mark = writer_.mark(log_.topic(), partition_, log_.id());
    if (!mark) return fail(mark.error());
    return *mark ? Result<Offset>(**mark) : begin();
  }
  Result<warehouse::BatchCounts> apply(const warehouse::Batch& batch) override {
    return writer_.apply(batch);
  }
  std::optional<std::string> refusal() const override { return writer_.refusal(); }
  bool has_session() const override { return writer_.has_session(); }
  Status recover() override {
    Status up = warehouse_.ensure_running();
    writer_.set_url(warehouse_.url());  // a private server may have moved
    return up;
  }

 private:
  Result<Offset> begin() {
    if (late_ == LateStart::refused) return Offset{0};
    auto first = log_.first(partition_);
    if (!first || *first == Offset{0}) return first;
    Status begun = writer_.begin_at(log_.topic(), partition_, log_.id(), *first);
    if (!begun) return fail(begun.error());
    logging::warning(
        "warehouse: it has nothing of {0}/{1} yet and begins at offset {2}; the {2} offsets before "
        "it are gone, for the log has dropped them",
        log_.topic(), partition_.value, first->value);
    return first;
  }

  log::Log& log_;
  warehouse::Warehouse& warehouse_;
  const Partition partition_;
  const LateStart late_;
  warehouse::BatchWriter writer_;
};

}  // namespace

SinkKind warehouse_sink(log::Log& log, warehouse::Warehouse& warehouse, LateStart late) {
  return {"warehouse", true, [&log, &warehouse, late](Partition partition) {
            return std::make_unique<WarehouseSink>(log, warehouse, partition, late);
          }};
}

Result<std::vector<Offset>> flushed_marks(log::Log& log, const warehouse::Warehouse& warehouse) {
  auto told = warehouse::flushed_marks(warehouse.url(), log.topic(), log.id());
  if (!told) return fail(told.error());
  std::vector<Offset> marks(static_cast<std::size_t>(log.partitions()));
  for (const warehouse::FlushedMark& mark : *told) {
    auto end = log.end(mark.partition);
    if (!end) return fail(end.error());
    if (mark.next > *end)
      return fail(Code::corrupt, "the warehouse's mark of {}/{} is {}, and the log ends at {}",
                  log.topic(), mark.partition.value, mark.next.value, end->value);
    marks[static_cast<std::size_t>(mark.partition.value)] = mark.next;
  }
  return marks;
}

}  // namespace tillrace::processor
