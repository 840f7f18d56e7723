// keys create, keys list, keys revoke.
#include "app/commands.h"
#include "auth/api_keys.h"
#include "base/files.h"
#include "base/json_writer.h"

namespace tillrace::app {
namespace {

constexpr std::int64_t kMicrosPerDay = 86'400'000'000;

std::filesystem::path key_file(const Config& config) { return config.data_dir / "keys.json"; }

// "2026-11-22T13:05:09Z"; keys' times are whole seconds.
std::string text_of(UtcMicros time) { return to_string(time).substr(0, 19) + "Z"; }

std::optional<std::string> text_of(const std::optional<UtcMicros>& time) {
  return time ? std::optional(text_of(*time)) : std::nullopt;
}

std::string_view state_of(const auth::StoredKey& key, UtcMicros now) {
  if (key.revoked_at) return "revoked";
  return key.expired(now) ? "expired" : "active";
}

std::string as_json(const auth::NewKey& key) {
  JsonWriter json;
  json.begin_object().field("id", key.stored.id).field("name", key.stored.name);
  json.field("scopes", auth::to_string(key.stored.scopes));
  json.field("created_at", text_of(key.stored.created_at)).key("expires_at");
  if (key.stored.expires_at)
    json.string(text_of(*key.stored.expires_at));
  else
    json.null();
  json.field("key", key.text).end_object();
  return json.take() + "\n";
}

void explain(const auth::NewKey& key) {
  print_err(fmt::format("key {} for '{}' may: {}; {}\n", key.stored.id, key.stored.name,
                        auth::to_string(key.stored.scopes),
                        key.stored.expires_at ? "it ends at " + text_of(*key.stored.expires_at)
                                              : std::string("it does not expire")));
  print_err(
      "it is shown this once and not stored; whoever has it can use it. "
      "A running server takes it within a second.\n");
}

}  // namespace

Exit run_keys_create(const Context& context, const KeyArguments& arguments) {
  auto scopes = auth::parse_scopes(arguments.scopes);
  if (!scopes) return report(scopes.error());
  if (Status folder = make_folders(context.config().data_dir); !folder)
    return report(folder.error());
  SystemClock clock;
  SystemRandom random;
  auth::KeyRequest request{arguments.name, *scopes, {}};
  if (arguments.expires_days)
    request.expires_at = UtcMicros{clock.now().value + *arguments.expires_days * kMicrosPerDay};
  auto key = auth::ApiKeys(key_file(context.config()), clock, random).create(request);
  if (!key) return report(key.error());
  print_out(context.format == Format::json ? as_json(*key) : key->text + "\n");
  if (!context.quiet) explain(*key);
  return Exit::ok;
}

Exit run_keys_list(const Context& context) {
  SystemClock clock;
  SystemRandom random;
  auto keys = auth::ApiKeys(key_file(context.config()), clock, random).list();
  if (!keys) return report(keys.error());
  Table table;
  for (const char* column :
       {"id", "name", "scopes", "state", "created_at", "expires_at", "revoked_at"})
    table.columns.push_back({column, CellKind::text});
  UtcMicros now = clock.now();
  for (const auth::StoredKey& key : *keys)
    table.rows.push_back({key.id, key.name, auth::to_string(key.scopes),
                          std::string(state_of(key, now)), text_of(key.created_at),
                          text_of(key.expires_at), text_of(key.revoked_at)});
  print_out(print(table, {context.format, false, {}}));
  return Exit::ok;
}

Exit run_keys_revoke(const Context& context, const KeyArguments& arguments) {
  SystemClock clock;
  SystemRandom random;
  const Config& config = context.config();
  // Where there is no folder, there is no key, and none is made to look.
  if (!std::filesystem::exists(key_file(config)))
    return report(Error{Code::not_found, fmt::format("there is no key '{}': {} does not exist",
                                                     arguments.id, key_file(config).string())});
  auto revoked = auth::ApiKeys(key_file(config), clock, random).revoke(arguments.id);
  if (!revoked) return report(revoked.error());
  const auth::StoredKey& key = revoked->stored;
  Table table;
  table.columns = {
      {"id", CellKind::text}, {"name", CellKind::text}, {"revoked_at", CellKind::text}};
  table.rows.push_back({key.id, key.name, text_of(key.revoked_at)});
  print_out(print(table, {context.format, true, {}}));
  if (!context.quiet && !revoked->just_now) print_err("it was revoked before; nothing changed\n");
  return Exit::ok;
}

}  // namespace tillrace::app
