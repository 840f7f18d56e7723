// Base64 with padding (RFC 4648, section 4).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace tillrace {

std::string base64_encode(std::string_view bytes);
// nullopt for anything but the one way of writing those bytes.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace tillrace
