#include <unistd.h>

#include <string>
#include <vector>

#include "app/cli.h"

int main(int argc, char** argv) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return tillrace::app::run_cli({argv + 1, argv + argc}, environment);
}
