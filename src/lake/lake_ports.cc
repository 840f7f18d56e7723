#include "lake/lake_ports.h"

#include <system_error>

#include "base/files.h"
#include "model/event_id.h"

namespace tillrace::lake {

std::string LakePorts::fresh_uuid() const { return to_string(fresh_event_id(clock, random)); }

Result<SpoolFile> SpoolFile::reserve(const LakePorts& ports, std::string_view suffix) {
  if (auto made = make_folders(ports.spool_folder); !made) return fail(made.error());
  return SpoolFile(ports.spool_folder / (ports.fresh_uuid() + std::string(suffix)));
}

SpoolFile::~SpoolFile() {
  std::error_code ignored;  // what stays is deleted with the folder
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<LocalCopy> LocalCopy::of(const LakePorts& ports, const std::string& stored) {
  LocalCopy copy;
  if (auto in_place = ports.store.local_path(stored)) {
    copy.in_place_ = std::move(*in_place);
    return copy;
  }
  auto spooled = SpoolFile::reserve(ports, ".copy");
  if (!spooled) return fail(spooled.error());
  if (auto fetched = ports.store.fetch(stored, spooled->path()); !fetched) {
    return fail(fetched.error());
  }
  copy.spooled_.emplace(std::move(*spooled));
  return copy;
}

}  // namespace tillrace::lake
