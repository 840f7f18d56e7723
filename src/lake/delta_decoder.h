// Reads the lines of a Delta commit. A decoder of outside bytes: other engines write the same log.
#pragma once
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lake/delta_actions.h"

namespace tillrace::lake {

// Reuses its memory from line to line. Not thread-safe.
class ActionDecoder {
 public:
  ActionDecoder();
  ActionDecoder(ActionDecoder&&) noexcept;
  ActionDecoder& operator=(ActionDecoder&&) noexcept;
  ~ActionDecoder();

  // The action of one line; nullopt when it is of a kind that a reader passes over (cdc,
  // domainMetadata, and what a later protocol may bring). Members come in any order, those that are
  // unknown or null count as absent. corrupt when it is no JSON object, or lacks what the protocol
  // requires; invalid when it needs what this code does not have, such as a deletion vector.
  Result<std::optional<Action>> decode(std::string_view line);

  // All actions of a commit, in order. Empty lines are passed over.
  Result<std::vector<Action>> decode_commit(std::string_view text);

  // What _delta_log/_last_checkpoint points to.
  struct LastCheckpoint {
    std::int64_t version = 0;
    std::optional<std::int64_t> parts;
  };
  Result<LastCheckpoint> decode_last_checkpoint(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace::lake
