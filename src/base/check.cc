#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tillrace {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "tillrace: bug: CHECK(%s) failed at %s:%d\n", condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace tillrace
