// The output topic as a sink: each event of the log as one JSON object, typed and with its amount.
#pragma once
#include <string>

#include "log/log.h"
#include "log/output_topic.h"
#include "processor/sink.h"

namespace tillrace::processor {

// The value of a record of the output topic, on one line (docs/formats/output.md). Quantity and
// LineNo are numbers; UnitPrice and Amount are decimals as text, exact; InvoiceDate is UTC.
std::string output_json(const warehouse::Line& line);

// `options.source_id` is the log's, and need not be set. Its group is that of the sink's members,
// who keep the marks alive; its name is "output". Where there is no mark yet, the sink begins with
// what the log still keeps. Records that are no events are left out. The log outlives the sinks.
SinkKind output_sink(log::Log& log, log::OutputOptions options);

}  // namespace tillrace::processor
