// The group of a log that belongs to one process: its readers hold every partition, for ever.
#pragma once
#include <memory>

#include "log/membership.h"

namespace tillrace::log {

std::unique_ptr<Membership> make_sole_member(std::int32_t partitions);

}  // namespace tillrace::log
