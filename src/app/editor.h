// A person's editor, on a file of our own.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tillrace::app {

// A file in the folder for temporary files that only its owner may read.
Result<std::filesystem::path> write_private_file(std::string_view content);
// Runs `editor`, a command such as "vi" or "code --wait", on `file` and waits until it ends.
// invalid when it cannot be run, or ends with a failure: then nothing is to be taken from the file.
Status edit(const std::string& editor, const std::filesystem::path& file);
// $VISUAL, $EDITOR, or vi.
std::string preferred_editor();

}  // namespace tillrace::app
