// Which rejected records a command is about.
#pragma once
#include <functional>
#include <vector>

#include "app/commands.h"
#include "app/rejected_file.h"
#include "warehouse/rejected.h"

namespace tillrace::app {

// One filter for all conditions, or one for each record that is named. invalid, saying what would
// be right, when a reason, a field or a record is none.
Result<std::vector<warehouse::RejectedFilter>> selected(const Config& config,
                                                        const RejectedArguments& arguments);
// Of one record.
warehouse::RejectedFilter filter_of(const RecordPlace& place);

// In the log's order within each filter. not_found when a record that is named is not there. Ends
// with the first failure of `visit`.
Status for_each_selected(warehouse::Connection& connection,
                         const std::vector<warehouse::RejectedFilter>& filters,
                         const std::function<Status(const warehouse::RejectedRow&)>& visit);

}  // namespace tillrace::app
