// Any bytes from an identity provider or in its name. The first byte chooses what the rest is: `t`
// a token, `c` the claims of one whose signature was right, `k` a key set. The key set is fixed,
// and the private halves of its keys are gone: besides the tokens of the corpus none can be right.
#include <cstdint>
#include <string>
#include <string_view>

#include "auth/token.h"
#include "base/check.h"
#include "base/utf8.h"

namespace {

using tillrace::Code;
using tillrace::Result;
using tillrace::UtcMicros;
using tillrace::auth::KeySet;
using tillrace::auth::Token;
using tillrace::auth::TokenRules;

constexpr std::string_view kKeys =
    R"({"keys":[{"kty":"RSA","kid":"r","e":"AQAB","n":")"
    "wZsEuKNoRpEQ3j7BU_koMrwPo_Xrj5yM-ASib10y1qtA8wd8IyILrWZ9sfrH3YijPIIJmnaAo0_7hZbNZ92oXa"
    "4Ovoeq81wKHHToDP5CKr8OgZdwolVZELdB0pJhuCDvLwVsQLlTGt1yAKHz_IA3pgi_qmeyYUYT5BjdQ6Zi5R4f"
    "BQQWwyBBkDaO86Qt_lRbv9TxCq9ghkZE9GBOUv6jpxB_AzAv6_Vy6dj4Ghy6T9Hes25bBRg5km4qOHF9RYzKlk"
    "ozoIsYBnvNfXomRs9InEbDLJC3gIhd7jBqPllntUj_aCXs78i67ehXZoy0SKcOar6m91LfM1RKHIaTU0RHnw"
    R"("},{"kty":"EC","kid":"e","crv":"P-256",)"
    R"("x":"8tbTzPaGSi7tL0opBd9Oj7hCU9tjmvOHMPnXveoxrn8",)"
    R"("y":"EICyyS94ejuG1x_PkhSCwIn0JXaqyEool52nTyQzx1E"}]})";
constexpr std::int64_t kSecond = 1'000'000;
constexpr UtcMicros kNow{1'700'000'000 * kSecond};

const TokenRules kRules{"https://id.example.com", "tillrace", false};

void check_token(const Result<Token>& token) {
  if (!token) {
    CHECK(token.error().code == Code::invalid || token.error().code == Code::not_found);
    CHECK(!token.error().message.empty() && token.error().message.size() < 200);
    CHECK(tillrace::is_utf8(token.error().message));
    return;
  }
  CHECK(token->expires_at > kNow);
  CHECK(!token->subject.empty() && token->subject.size() <= tillrace::auth::kMostSubjectBytes);
  for (char c : token->subject) CHECK(c > ' ' && c < 0x7f);
}

void check_keys(std::string_view json) {
  auto set = KeySet::decode(json);
  if (!set) {
    CHECK(set.error().code == Code::invalid && !set.error().message.empty());
    return;
  }
  CHECK(set->size() + set->notes().size() <= tillrace::auth::kMostSetKeys);
  CHECK(set->size() > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const KeySet keys = *KeySet::decode(kKeys);
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0]) {
    case 't': check_token(tillrace::auth::verify_token(text, keys, kRules, kNow)); break;
    case 'c': check_token(tillrace::auth::read_claims(text, kRules, kNow)); break;
    case 'k': check_keys(text); break;
    default: break;
  }
  return 0;
}
