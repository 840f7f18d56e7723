#include "lake/store.h"

#include <cerrno>
#include <fstream>
#include <system_error>

namespace tillrace::lake {
namespace {

constexpr std::uint64_t kStepBytes = 8 * 1024 * 1024;

tl::unexpected<Error> cannot_write(const std::filesystem::path& local) {
  int number = errno;
  return fail(number == ENOSPC || number == EDQUOT ? Code::exhausted : Code::unavailable,
              "cannot write {}: {}", local.string(), std::generic_category().message(number));
}

Status copy_pieces(Store& store, std::string_view path, const std::filesystem::path& local) {
  std::ofstream out(local, std::ios::binary | std::ios::trunc);
  if (!out) return cannot_write(local);
  for (std::uint64_t offset = 0;; offset += kStepBytes) {
    auto piece = store.get_range(path, offset, kStepBytes);
    if (!piece) return fail(piece.error());
    out.write(piece->data(), static_cast<std::streamsize>(piece->size()));
    if (piece->size() < kStepBytes) break;
  }
  out.close();
  if (!out) return cannot_write(local);
  return {};
}

}  // namespace

Status Store::fetch(std::string_view path, const std::filesystem::path& local) {
  Status copied = copy_pieces(*this, path, local);
  std::error_code ignored;
  if (!copied) std::filesystem::remove(local, ignored);
  return copied;
}

}  // namespace tillrace::lake
