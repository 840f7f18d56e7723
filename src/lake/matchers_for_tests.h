// Matchers of Result and Status for the room's tests. Included by *_test.cc alone.
#pragma once
#include <gmock/gmock.h>

#include "base/result.h"

namespace tillrace::lake {

MATCHER_P(FailsWith, code, "") {
  if (arg) {
    *result_listener << "which succeeds";
    return false;
  }
  *result_listener << "which says: " << arg.error().message;
  return arg.error().code == code;
}
MATCHER(Succeeds, "") {
  if (!arg) *result_listener << "which says: " << arg.error().message;
  return static_cast<bool>(arg);
}

}  // namespace tillrace::lake
