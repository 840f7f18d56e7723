#include "lake/azure_base64.h"

#include <openssl/evp.h>

#include <algorithm>

namespace tillrace::lake {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL writes a NUL behind
  int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes_of(bytes),
                               static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
  std::size_t end = std::min(text.find_first_not_of(kAlphabet), text.size());
  std::size_t padding = text.size() - end;
  if (text.size() % 4 != 0 || padding > 2) return std::nullopt;
  if (text.substr(end) != std::string_view("==").substr(2 - padding)) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), bytes_of(text),
                               static_cast<int>(text.size()));
  if (length < 0) return std::nullopt;
  return bytes.substr(0, bytes.size() - padding);
}

}  // namespace tillrace::lake
