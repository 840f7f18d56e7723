// Base64 with padding (RFC 4648, section 4), as Azure writes keys, signatures and block names.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace tillrace::lake {

std::string base64_encode(std::string_view bytes);
// nullopt for other characters, or a length that cannot be.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace tillrace::lake
