// base64url without padding (RFC 4648, section 5, as RFC 7515 uses it).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace tillrace::auth {

// nullopt for anything but the one way of writing those bytes: other characters, padding, a length
// that cannot be, bits set behind the last byte. So no text has a twin.
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace tillrace::auth
