// What a PostgreSQL URL says, without its secrets.
#pragma once
#include <string>
#include <string_view>

namespace tillrace::warehouse {

// `url` (postgresql://... or "host=... password=...") with its passwords replaced by ***, for
// messages and logs. Where the password is not properly percent-encoded, it hides too much rather
// than too little.
std::string redacted(std::string_view url);

// `message`, as libpq made it while it read `url`, without any part of the URL's passwords: libpq
// quotes what it did not understand, and in postgresql://user:pa/ss@host that is the password.
std::string without_secrets(std::string message, std::string_view url);

// `text` as a part of a URL: everything but letters, digits and -._~ as %XX (RFC 3986).
std::string percent_encoded(std::string_view text);

}  // namespace tillrace::warehouse
