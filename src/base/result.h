// Result<T>: how every fallible function of Tillrace answers. No exception crosses a room's edge.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace tillrace {

// What the caller can do about a failure. The set is small on purpose: a caller switches on it.
enum class Code {
  invalid,        // the input is wrong; the same call will fail again. Tell whoever sent it.
  not_found,      // the thing asked for is not there
  conflict,       // someone else moved first; read again, then decide
  exhausted,      // a named limit is reached; slow down and try again
  unavailable,    // a dependency is away or did not answer in time; the call may have happened
  corrupt,        // stored data contradicts itself; stop, a person must look
  shutting_down,  // this process is stopping; nothing was done
};
// "not_found" ..., as metrics and logs write it.
std::string_view name(Code code);

struct Error {
  Code code;
  std::string message;  // what, where, and what would be right; one line, no trailing full stop
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(tl::expected<T, Error> other) : tl::expected<T, Error>(std::move(other)) {}
};
using Status = Result<void>;

// return fail(Code::invalid, "{} is no port; 0 to 65535", text);
template <class... Args>
tl::unexpected<Error> fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}
// Hands a failure on, unchanged or with what was being done put before it.
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(Error error, std::string_view doing) {
  return fail(Error{error.code, fmt::format("{}: {}", doing, error.message)});
}

}  // namespace tillrace
