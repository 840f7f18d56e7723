// The warehouse as a sink.
#pragma once
#include <cstdint>
#include <vector>

#include "log/log.h"
#include "processor/sink.h"
#include "warehouse/warehouse.h"

namespace tillrace::processor {

// What a warehouse does that knows nothing yet of a log which no longer begins at 0. A log of its
// own has given it everything once, so something is amiss, and the sink stops as corrupt; a topic
// that others keep, and may have kept for long, is taken from where it begins, with a warning.
enum class LateStart : std::uint8_t { refused, allowed };

// Both outlive the sinks that it opens.
SinkKind warehouse_sink(log::Log& log, warehouse::Warehouse& warehouse,
                        LateStart late = LateStart::refused);

// By partition, whoever writes it: the marks that are on the warehouse's disk for good, 0 where it
// has seen nothing. Asks the server, which may take some eight seconds; unavailable while it is
// away. corrupt when a mark belongs to another log, or lies beyond this one's end. A failure tells
// nothing.
Result<std::vector<Offset>> flushed_marks(log::Log& log, const warehouse::Warehouse& warehouse);

}  // namespace tillrace::processor
