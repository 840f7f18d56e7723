// Reads checkpoints (delta_checkpoint.h), whoever wrote them: what an optional field or column is
// not there for is absent, what is there beyond the classic schema is passed over.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/delta_actions.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

// All actions of a checkpoint, given the paths of its parts in the store. corrupt when a part
// cannot be read as one, or a field is missing that the protocol requires; invalid when it needs
// what this code does not have, such as a deletion vector; unavailable when it cannot be had now,
// or was interrupted; exhausted when the engine has not the memory for it.
Result<std::vector<Action>> read_checkpoint(const LakePorts& ports,
                                            const std::vector<std::string>& parts);

}  // namespace tillrace::lake
