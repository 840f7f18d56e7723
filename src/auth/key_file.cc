#include "auth/key_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <unordered_set>

#include "auth/api_key.h"
#include "auth/json.h"
#include "base/files.h"
#include "base/json_writer.h"
#include "base/utf8.h"

namespace tillrace::auth {
namespace {

namespace dom = simdjson::dom;

constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kMicrosPerSecond = 1'000'000;

void write_time(JsonWriter& json, std::string_view name, std::optional<UtcMicros> time) {
  json.key(name);
  if (time)
    json.number(time->value / kMicrosPerSecond);
  else
    json.null();
}

Result<std::int64_t> read_integer(dom::object object, std::string_view name) {
  auto found = find_member(object, name);
  if (!found) return fail(found.error());
  std::int64_t number = 0;
  if (!*found || (*found)->get_int64().get(number) != simdjson::SUCCESS)
    return fail(Code::invalid, "'{}' is no integer", name);
  return number;
}

Result<std::optional<UtcMicros>> read_time(dom::object object, std::string_view name) {
  auto found = find_member(object, name);
  if (!found) return fail(found.error());
  if (*found && (*found)->is_null()) return std::optional<UtcMicros>();
  auto seconds = read_integer(object, name);
  if (!seconds) return fail(seconds.error());
  if (*seconds < 0 || *seconds > kLatestSecond) return fail(Code::invalid, "'{}' is no time", name);
  return std::optional(UtcMicros{*seconds * kMicrosPerSecond});
}

Result<std::string_view> read_string(dom::object object, std::string_view name) {
  auto found = find_string(object, name);
  if (!found) return fail(found.error());
  if (!*found) return fail(Code::invalid, "'{}' is missing", name);
  return **found;
}

Result<dom::array> read_array(dom::object object, std::string_view name) {
  auto found = find_member(object, name);
  if (!found) return fail(found.error());
  dom::array items;
  if (!*found || (*found)->get_array().get(items) != simdjson::SUCCESS)
    return fail(Code::invalid, "'{}' is no array", name);
  return items;
}

Result<Scopes> read_scopes(dom::object object) {
  auto words = read_array(object, "scopes");
  if (!words) return fail(words.error());
  Scopes scopes;
  for (dom::element item : *words) {
    std::string_view word;
    std::optional<Scope> scope;
    if (item.get_string().get(word) == simdjson::SUCCESS) scope = parse_scope(word);
    if (!scope) return fail(Code::invalid, "'scopes' has something that is no scope");
    scopes.add(*scope);
  }
  if (scopes.empty()) return fail(Code::invalid, "'scopes' is empty");
  return scopes;
}

Status read_times(dom::object object, StoredKey& key) {
  auto created = read_time(object, "created_at");
  if (!created) return fail(created.error());
  if (!*created) return fail(Code::invalid, "'created_at' is missing");
  auto expires = read_time(object, "expires_at");
  if (!expires) return fail(expires.error());
  auto revoked = read_time(object, "revoked_at");
  if (!revoked) return fail(revoked.error());
  key.created_at = **created;
  key.expires_at = *expires;
  key.revoked_at = *revoked;
  return {};
}

// A member that this version does not know would be lost at the next change, so it is refused.
Status check_members(dom::object object, std::initializer_list<std::string_view> known) {
  for (dom::key_value_pair member : object)
    if (std::find(known.begin(), known.end(), member.key) == known.end())
      return fail(Code::invalid, "it has a member that is not known");
  return {};
}

Result<StoredKey> read_key(dom::element element) {
  dom::object object;
  if (element.get_object().get(object) != simdjson::SUCCESS)
    return fail(Code::invalid, "it is no object");
  if (Status known = check_members(object, {"id", "name", "scopes", "secret_sha256", "created_at",
                                            "expires_at", "revoked_at"});
      !known)
    return fail(known.error());
  StoredKey key;
  auto id = read_string(object, "id");
  if (!id) return fail(id.error());
  if (!is_key_id(*id)) return fail(Code::invalid, "'id' is no key's id");
  auto name = read_string(object, "name");
  if (!name) return fail(name.error());
  if (Status named = check_key_name(*name); !named) return fail(named.error());
  auto hash = read_string(object, "secret_sha256");
  if (!hash) return fail(hash.error());
  std::optional<Sha256> value = parse_sha256(*hash);
  if (!value) return fail(Code::invalid, "'secret_sha256' is no SHA-256");
  auto scopes = read_scopes(object);
  if (!scopes) return fail(scopes.error());
  if (Status times = read_times(object, key); !times) return fail(times.error());
  key.id = *id;
  key.name = *name;
  key.scopes = *scopes;
  key.secret_hash = *value;
  return key;
}

Result<std::vector<StoredKey>> read_keys(dom::array items) {
  std::vector<StoredKey> keys;
  std::unordered_set<std::string> ids;
  for (dom::element item : items) {
    if (keys.size() == kMostKeys)
      return fail(Code::corrupt, "there are more than {} keys", kMostKeys);
    auto key = read_key(item);
    if (!key) return fail(Code::corrupt, "key {}: {}", keys.size() + 1, key.error().message);
    if (!ids.insert(key->id).second)
      return fail(Code::corrupt, "key {}: its id is there twice", keys.size() + 1);
    keys.push_back(std::move(*key));
  }
  return keys;
}

tl::unexpected<Error> corrupt(const Error& error) {
  return fail(Error{Code::corrupt, error.message});
}

}  // namespace

Status check_key_name(std::string_view name) {
  bool control = std::any_of(name.begin(), name.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (name.empty() || name.size() > kMostKeyNameBytes || control || !is_utf8(name))
    return fail(Code::invalid, "a key's name has 1 to {} bytes of UTF-8, no control characters",
                kMostKeyNameBytes);
  return {};
}

std::string encode_keys(const std::vector<StoredKey>& keys) {
  std::string text = fmt::format("{{\"version\":{},\"keys\":[", kVersion);
  for (const StoredKey& key : keys) {
    JsonWriter json;
    json.begin_object().field("id", key.id).field("name", key.name).key("scopes").begin_array();
    for (Scope scope : key.scopes.list()) json.string(name(scope));
    json.end_array().field("secret_sha256", to_hex(key.secret_hash));
    write_time(json, "created_at", key.created_at);
    write_time(json, "expires_at", key.expires_at);
    write_time(json, "revoked_at", key.revoked_at);
    json.end_object();
    text += &key == keys.data() ? "\n" : ",\n";
    text += json.take();
  }
  return text + "\n]}\n";
}

Result<std::vector<StoredKey>> decode_keys(std::string_view text) {
  JsonDocument document;
  auto root = document.parse_object(text);
  if (!root) return corrupt(root.error());
  auto version = read_integer(*root, "version");
  if (!version) return corrupt(version.error());
  if (*version > kVersion)
    return fail(Code::invalid,
                "it has version {}, written by a newer tillrace; this one knows version {}",
                *version, kVersion);
  if (*version != kVersion) return fail(Code::corrupt, "there is no version {}", *version);
  if (Status known = check_members(*root, {"version", "keys"}); !known)
    return corrupt(known.error());
  auto items = read_array(*root, "keys");
  if (!items) return corrupt(items.error());
  return read_keys(*items);
}

Result<std::vector<StoredKey>> read_key_file(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 && errno == ENOENT) return std::vector<StoredKey>();
  auto doing = fmt::format("the API keys in {}", path.string());
  if (status.st_mode != 0 && !S_ISREG(status.st_mode))
    return fail(Code::corrupt, "{}: it is no regular file", doing);
  if (status.st_size > static_cast<off_t>(kMostKeyFileBytes))
    return fail(Code::corrupt, "{}: the file is larger than {} bytes", doing, kMostKeyFileBytes);
  if ((status.st_mode & 077) != 0)
    return fail(Code::invalid, "{}: others may read or write the file (mode {:o}); chmod 600 it",
                doing, status.st_mode & 0777);
  auto text = read_file(path);
  if (!text) return fail(text.error());
  auto keys = decode_keys(*text);
  if (!keys) return fail(keys.error(), doing);
  return keys;
}

}  // namespace tillrace::auth
