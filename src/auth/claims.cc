// What a token says, once it is known who says so.
#include <algorithm>

#include "auth/json.h"
#include "auth/token.h"

namespace tillrace::auth {
namespace {

namespace dom = simdjson::dom;

constexpr double kMicrosPerSecond = 1e6;
constexpr std::int64_t kSkewMicros = kClockSkewS * 1'000'000;

// A NumericDate: seconds, maybe with a fraction.
Result<std::optional<UtcMicros>> read_date(dom::object claims, std::string_view name) {
  auto found = find_member(claims, name);
  if (!found) return fail(found.error());
  if (!*found) return std::optional<UtcMicros>();
  double seconds = 0;
  if ((*found)->get_double().get(seconds) != simdjson::SUCCESS || !(seconds >= 0) ||
      seconds > static_cast<double>(kLatestSecond))
    return fail(Code::invalid, "'{}' is no time", name);
  return std::optional(UtcMicros{static_cast<std::int64_t>(seconds * kMicrosPerSecond)});
}

// `exp` plus the skew.
Result<UtcMicros> check_times(dom::object claims, UtcMicros now) {
  auto expires = read_date(claims, "exp");
  if (!expires) return fail(expires.error());
  if (!*expires) return fail(Code::invalid, "it has no 'exp'");
  UtcMicros end{(*expires)->value + kSkewMicros};
  if (end <= now) return fail(Code::invalid, "it has expired");
  auto not_before = read_date(claims, "nbf");
  if (!not_before) return fail(not_before.error());
  if (*not_before && (*not_before)->value > now.value + kSkewMicros)
    return fail(Code::invalid, "it is not valid yet");
  return end;
}

Status check_issuer(dom::object claims, const TokenRules& rules) {
  auto issuer = find_string(claims, "iss");
  if (!issuer) return fail(issuer.error());
  if (*issuer != rules.issuer) return fail(Code::invalid, "its 'iss' is not the one trusted here");
  return {};
}

Status check_audience(dom::object claims, const TokenRules& rules) {
  auto found = find_member(claims, "aud");
  if (!found) return fail(found.error());
  auto is_ours = [&](dom::element element) {
    std::string_view audience;
    return element.get_string().get(audience) == simdjson::SUCCESS && audience == rules.audience;
  };
  dom::array several;
  bool ours = *found && ((*found)->get_array().get(several) == simdjson::SUCCESS
                             ? std::any_of(several.begin(), several.end(), is_ours)
                             : is_ours(**found));
  if (!ours) return fail(Code::invalid, "its 'aud' is not this service");
  return {};
}

void add_words(std::string_view text, Scopes& scopes) {
  while (!text.empty()) {
    std::size_t blank = std::min(text.find(' '), text.size());
    if (auto scope = parse_scope(text.substr(0, blank))) scopes.add(*scope);
    text.remove_prefix(std::min(blank + 1, text.size()));
  }
}

// A string of words, or an array of them. Words that are no scope of ours are others' business.
Status add_scopes(dom::object claims, std::string_view name, Scopes& scopes) {
  auto found = find_member(claims, name);
  if (!found) return fail(found.error());
  if (!*found) return {};
  std::string_view text;
  dom::array list;
  if ((*found)->get_string().get(text) == simdjson::SUCCESS) {
    add_words(text, scopes);
  } else if ((*found)->get_array().get(list) == simdjson::SUCCESS) {
    for (dom::element item : list)
      if (item.get_string().get(text) == simdjson::SUCCESS)
        if (auto scope = parse_scope(text)) scopes.add(*scope);
  } else {
    return fail(Code::invalid, "'{}' is neither a string nor an array", name);
  }
  return {};
}

Result<Scopes> read_scopes(dom::object claims, const TokenRules& rules) {
  Scopes scopes;
  for (std::string_view name : {"scope", "scp", "roles"}) {
    if (name == "roles" && !rules.scopes_from_roles) continue;
    if (Status added = add_scopes(claims, name, scopes); !added) return fail(added.error());
  }
  return scopes;
}

// It goes into log lines, so it is held to visible ASCII.
Result<std::string> read_subject(dom::object claims) {
  auto subject = find_string(claims, "sub");
  if (!subject) return fail(subject.error());
  auto visible = [](char c) { return c > ' ' && c < 0x7f; };
  if (!*subject || (*subject)->empty() || (*subject)->size() > kMostSubjectBytes ||
      !std::all_of((*subject)->begin(), (*subject)->end(), visible))
    return fail(Code::invalid, "it has no 'sub' of 1 to {} visible ASCII characters",
                kMostSubjectBytes);
  return std::string(**subject);
}

}  // namespace

Result<Token> read_claims(std::string_view json, const TokenRules& rules, UtcMicros now) {
  JsonDocument document;
  auto claims = document.parse_object(json);
  if (!claims) return fail(claims.error(), "its payload");
  if (Status issuer = check_issuer(*claims, rules); !issuer) return fail(issuer.error());
  if (Status audience = check_audience(*claims, rules); !audience) return fail(audience.error());
  auto end = check_times(*claims, now);
  if (!end) return fail(end.error());
  auto subject = read_subject(*claims);
  if (!subject) return fail(subject.error());
  auto scopes = read_scopes(*claims, rules);
  if (!scopes) return fail(scopes.error());
  return Token{std::move(*subject), *scopes, *end};
}

}  // namespace tillrace::auth
