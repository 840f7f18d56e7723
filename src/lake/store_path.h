// The paths of files in a store, as store.h describes them.
#pragma once
#include <string_view>

#include "base/result.h"

namespace tillrace::lake {

inline constexpr std::size_t kMostPathBytes = 1024;  // as Azure's
inline constexpr std::size_t kMostPartBytes = 254;   // as Azure's with folders

// invalid, naming the path and the rule it breaks.
Status check_path(std::string_view path);

// What stands before the last '/'; empty when there is none.
std::string_view folder_of(std::string_view path);

// With a '/' between them if both are there.
std::string join_paths(std::string_view a, std::string_view b);

}  // namespace tillrace::lake
