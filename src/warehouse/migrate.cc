#include "warehouse/migrate.h"

#include <map>

#include "base/logging.h"
#include "warehouse/sql_scripts.h"

namespace tillrace::warehouse {
namespace {

constexpr const char* kBegin =
    "begin;"
    "select pg_advisory_xact_lock(hashtext('tillrace.migrate'));"  // held until commit
    "create schema if not exists tillrace;"
    "create table if not exists tillrace.script ("
    "  name text primary key, hash text not null, applied_at timestamptz not null default now());";

// What the database has: script name -> md5 of its text.
Result<std::map<std::string, std::string>> applied_scripts(Connection& connection) {
  auto rows = connection.query("select name, hash from tillrace.script");
  if (!rows) return fail(rows.error());
  std::map<std::string, std::string> applied;
  for (int row = 0; row < rows->row_count(); ++row)
    applied.emplace(rows->cell(row, 0).value_or(""), rows->cell(row, 1).value_or(""));
  return applied;
}

Result<std::string> hash_of(Connection& connection, std::string_view text) {
  auto rows = connection.query("select md5($1)", Params{std::string(text)});
  if (!rows) return fail(rows.error());
  return std::string(rows->cell(0, 0).value_or(""));
}

Status apply(Connection& connection, const SqlScript& script, const std::string& hash) {
  Status applied = connection.execute(std::string(script.text));
  if (!applied) return fail(applied.error(), script.name);
  auto noted = connection.query(
      "insert into tillrace.script (name, hash) values ($1, $2) "
      "on conflict (name) do update set hash = excluded.hash, applied_at = now()",
      Params{std::string(script.name), hash});
  if (!noted) return fail(noted.error());
  logging::debug("applied {}", script.name);
  return {};
}

Status apply_missing(Connection& connection) {
  auto applied = applied_scripts(connection);
  if (!applied) return fail(applied.error());
  for (const SqlScript& script : sql_migrations()) {
    auto hash = hash_of(connection, script.text);
    if (!hash) return fail(hash.error());
    auto known = applied->find(std::string(script.name));
    if (known != applied->end() && known->second != *hash)
      return fail(Code::invalid,
                  "migration {} was applied to this database with another text; use the version of "
                  "tillrace that made "
                  "it, or an empty database",
                  script.name);
    if (known != applied->end()) continue;
    if (Status done = apply(connection, script, *hash); !done) return done;
  }
  // From the first that has changed all are made anew: the last alter what those before them made.
  bool changed = false;
  for (const SqlScript& script : sql_functions()) {
    auto hash = hash_of(connection, script.text);
    if (!hash) return fail(hash.error());
    auto known = applied->find(std::string(script.name));
    changed = changed || known == applied->end() || known->second != *hash;
    if (!changed) continue;
    if (Status done = apply(connection, script, *hash); !done) return done;
  }
  return {};
}

Status finish(Connection& connection, Status done) {
  if (done) return connection.execute("commit");
  if (Status undone = connection.execute("rollback"); !undone)
    logging::debug("rollback: {}", undone.error().message);
  return done;
}

Status change_time_zone(Connection& connection, const std::string& zone) {
  auto changed = connection.query(
      "update shop.setting set value = $1 where name = 'time_zone' and value <> $1 "
      "returning now() at time zone $1",
      Params{zone});
  if (!changed) return fail(changed.error(), "shop.time_zone");
  if (changed->row_count() == 0) return {};
  logging::info("the shop's time zone is now {}; the reports are made anew", zone);
  return connection.execute("call report.rebuild()");
}

}  // namespace

Status migrate(Connection& connection) {
  if (connection.server_version() < 130000)
    return fail(Code::invalid, "the server is PostgreSQL {}; 13 or newer is needed",
                connection.server_version() / 10000);
  if (Status begun = connection.execute(kBegin); !begun) return finish(connection, begun);
  return finish(connection, apply_missing(connection));
}

Status set_time_zone(Connection& connection, const std::string& zone) {
  if (Status begun = connection.execute("begin"); !begun) return begun;
  return finish(connection, change_time_zone(connection, zone));
}

}  // namespace tillrace::warehouse
