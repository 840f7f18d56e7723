// The command line: names, flags, help. What a command does lies in commands.h.
#pragma once
#include <string>
#include <vector>

namespace tillrace::app {

// Runs what `arguments` ask for (without the program's name) and returns the exit code.
// `environment`: NAME=value.
int run_cli(const std::vector<std::string>& arguments, const std::vector<std::string>& environment);

}  // namespace tillrace::app
