// CHECK(condition): a bug ends the process, in every build. Never for input: the world returns
// errors, bugs crash.
#pragma once

namespace tillrace {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::tillrace::check_failed(#condition, __FILE__, __LINE__))
