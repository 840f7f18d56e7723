// The SQL of this room, from sql/, as it is carried in the program.
#pragma once
#include <span>
#include <string_view>

namespace tillrace::warehouse {

struct SqlScript {
  std::string_view name;  // the file's name without .sql
  std::string_view text;
};

// sql/migrations: numbered, each applied once and never changed afterwards.
std::span<const SqlScript> sql_migrations();
// sql/functions: views, functions and procedures, made again whenever their text has changed; in
// order of their names.
std::span<const SqlScript> sql_functions();

}  // namespace tillrace::warehouse
