#include "lake/lake_query.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <set>
#include <system_error>

#include "base/files.h"
#include "base/logging.h"
#include "lake/delta_inspect.h"
#include "lake/delta_paths.h"
#include "lake/delta_properties.h"
#include "lake/delta_scan.h"
#include "lake/delta_table.h"
#include "lake/store_path.h"

namespace tillrace::lake {
namespace {

namespace fs = std::filesystem;

bool is_word_byte(char c) {
  auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || c == '_' || std::isalnum(byte) != 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Both in lower case.
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    std::size_t end = at + word.size();
    bool begins = at == 0 || !is_word_byte(text[at - 1]) || !is_word_byte(word.front());
    bool ends = end == text.size() || !is_word_byte(text[end]) || !is_word_byte(word.back());
    if (begins && ends) return true;
  }
  return false;
}

// As it stands between double quotes.
std::string escaped(const std::string& name) {
  std::string quoted = sql_name(name);
  return quoted.substr(1, quoted.size() - 2);
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::ranges::all_of(name, [](char c) {
           return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
         });
}

std::string limit_sql(std::optional<std::uint64_t> limit) {
  return limit ? fmt::format(" LIMIT {}", *limit) : "";
}

// The user's SQL as a table. DuckDB's own parser sees to it that it is a single query.
std::string from_query(const std::string& sql) { return "query(" + sql_text(sql) + ")"; }

// DuckDB's functions that make rows and change nothing. Of the others some write files
// (enable_profiling, enable_logging), some run SQL that nobody has seen (query), and the rest is of
// no use here.
constexpr std::string_view kReaders[] = {"duckdb_approx_database_count",
                                         "duckdb_columns",
                                         "duckdb_connection_count",
                                         "duckdb_constraints",
                                         "duckdb_coordinate_systems",
                                         "duckdb_databases",
                                         "duckdb_dependencies",
                                         "duckdb_extensions",
                                         "duckdb_external_file_cache",
                                         "duckdb_functions",
                                         "duckdb_indexes",
                                         "duckdb_keywords",
                                         "duckdb_log_contexts",
                                         "duckdb_logs",
                                         "duckdb_logs_parsed",
                                         "duckdb_memory",
                                         "duckdb_optimizers",
                                         "duckdb_prepared_statements",
                                         "duckdb_profiling_settings",
                                         "duckdb_schemas",
                                         "duckdb_secret_types",
                                         "duckdb_sequences",
                                         "duckdb_settings",
                                         "duckdb_table_sample",
                                         "duckdb_tables",
                                         "duckdb_temporary_files",
                                         "duckdb_types",
                                         "duckdb_variables",
                                         "duckdb_views",
                                         "generate_series",
                                         "glob",
                                         "histogram",
                                         "histogram_values",
                                         "icu_calendar_names",
                                         "json_each",
                                         "json_tree",
                                         "parquet_bloom_probe",
                                         "parquet_file_metadata",
                                         "parquet_full_metadata",
                                         "parquet_kv_metadata",
                                         "parquet_metadata",
                                         "parquet_scan",
                                         "parquet_schema",
                                         "pg_timezone_names",
                                         "pragma_collations",
                                         "pragma_database_size",
                                         "pragma_metadata_info",
                                         "pragma_platform",
                                         "pragma_show",
                                         "pragma_storage_info",
                                         "pragma_table_info",
                                         "pragma_user_agent",
                                         "pragma_version",
                                         "query_table",
                                         "range",
                                         "read_blob",
                                         "read_csv",
                                         "read_csv_auto",
                                         "read_duckdb",
                                         "read_json",
                                         "read_json_auto",
                                         "read_json_objects",
                                         "read_json_objects_auto",
                                         "read_ndjson",
                                         "read_ndjson_auto",
                                         "read_ndjson_objects",
                                         "read_parquet",
                                         "read_text",
                                         "repeat",
                                         "repeat_row",
                                         "sniff_csv",
                                         "summary",
                                         "test_all_types",
                                         "test_vector_types",
                                         "unnest"};
bool only_reads(std::string_view function) {
  return std::ranges::find(kReaders, function) != std::end(kReaders);
}

constexpr std::string_view kOneQuery =
    "one query is taken (SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW or SUMMARIZE); "
    "nothing can be changed by SQL";

// A column as a text, or null.
std::string column_sql(const QueryColumn& column, LakeQuery::Texts texts) {
  using Kind = QueryColumn::Kind;
  std::string name = sql_name(column.name);
  if (texts == LakeQuery::Texts::json && column.kind == Kind::nested) {
    // Outside of its strings, only NaN and Infinity have such letters; JSON has neither.
    return fmt::format(
        R"sql(CASE WHEN regexp_matches(regexp_replace(CAST(to_json({0}) AS VARCHAR),
              '"(\\.|[^"\\])*"', '', 'g'), '[NI]') THEN NULL
              ELSE CAST(to_json({0}) AS VARCHAR) END)sql",
        name);
  }
  bool is_real = column.type == "DOUBLE" || column.type == "FLOAT";
  if (texts == LakeQuery::Texts::json && is_real)
    return fmt::format("CASE WHEN isfinite({0}) THEN CAST({0} AS VARCHAR) END", name);
  return fmt::format("CAST({} AS VARCHAR)", name);
}

// What a link leads to; else the path.
Result<fs::path> real_file(const fs::path& file) {
  std::error_code error;
  fs::path path = file;
  if (fs::is_symlink(fs::symlink_status(path, error))) path = fs::weakly_canonical(path, error);
  auto there = fs::status(path, error);
  if (fs::exists(there) && !fs::is_regular_file(there))
    return fail(Code::invalid, "{} is no file that could be replaced", file.string());
  fs::path folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  if (!fs::is_directory(folder, error))
    return fail(Code::invalid, "there is no folder {} for the file", folder.string());
  return path;
}

Status publish(const fs::path& draft, const fs::path& file) {
  int fd = ::open(draft.c_str(), O_RDONLY | O_CLOEXEC);
  bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!synced || ::rename(draft.c_str(), file.c_str()) != 0) {
    return fail(Code::unavailable, "cannot write {}: {}", file.string(),
                std::generic_category().message(errno));
  }
  return sync_folder(file.parent_path().empty() ? "." : file.parent_path());
}

}  // namespace

QueryColumn::Kind kind_of_type(std::string_view type) {
  using Kind = QueryColumn::Kind;
  static const std::set<std::string_view> kNumbers = {
      "TINYINT",  "SMALLINT", "INTEGER",  "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
      "UINTEGER", "UBIGINT",  "UHUGEINT", "FLOAT",  "DOUBLE",  "BIGNUM"};
  if (type.ends_with(']') || type == "JSON") return Kind::nested;
  for (std::string_view nested : {"STRUCT(", "MAP(", "UNION("})
    if (type.starts_with(nested)) return Kind::nested;
  if (type == "BOOLEAN") return Kind::boolean;
  if (type.starts_with("DECIMAL(") || kNumbers.contains(type)) return Kind::number;
  return Kind::text;
}

std::string ViewName::sql() const {
  auto shown = [](const std::string& name) { return is_plain_name(name) ? name : sql_name(name); };
  return schema == "main" ? shown(view) : shown(schema) + "." + shown(view);
}

ViewName view_name(std::string_view table) {
  std::string_view folder = folder_of(table);
  if (folder.empty()) return {"main", std::string(table)};
  return {std::string(folder), std::string(table.substr(folder.size() + 1))};
}

bool may_name(std::string_view sql, const ViewName& name) {
  std::string text = lower(sql);
  return has_word(text, lower(escaped(name.view))) &&
         (name.schema == "main" || has_word(text, lower(escaped(name.schema))));
}

Status LakeQuery::open_tables(const std::string& sql) {
  auto tables = list_tables(ports_.store);
  if (!tables) return fail(tables.error());
  std::vector<std::string> named;
  for (const auto& table : *tables)
    if (may_name(sql, view_name(table))) named.push_back(table);
  if (named.empty()) return open_all_columns(*tables);
  for (const auto& path : named) {
    auto table = DeltaTable::open(ports_, path);
    if (!table) return fail(table.error(), path);
    auto select = select_of(path, table->snapshot());
    if (!select) return fail(select.error(), path);
    if (auto made = make_view(view_name(path), *select); !made) return made;
  }
  return {};
}

// A table that cannot be opened is no reason to refuse a query that may not be about it.
Status LakeQuery::open_all_columns(const std::vector<std::string>& tables) {
  for (const auto& path : tables) {
    auto table = DeltaTable::open(ports_, path);
    auto select = table ? columns_only_sql(table->snapshot(), "write the table's name to read it")
                        : Result<std::string>(fail(table.error()));
    Status made = select ? make_view(view_name(path), *select) : fail(select.error());
    if (!made) logging::warning("{} cannot be read: {}", path, made.error().message);
  }
  return {};
}

Status LakeQuery::open_table(const std::string& table, const Snapshot& snapshot) {
  only_t_ = true;
  auto select = select_of(table, snapshot);
  if (!select) return fail(select.error(), table);
  ViewName name = view_name(table);
  if (auto made = make_view(name, *select); !made) return made;
  if (name.schema == "main" && lower(name.view) == "t") return {};
  return make_view({"main", "t"}, "FROM " + sql_name(name.schema) + "." + sql_name(name.view));
}

Status LakeQuery::make_view(const ViewName& name, const std::string& select) {
  std::string schema = sql_name(name.schema);
  auto made = ports_.duck.run("CREATE SCHEMA IF NOT EXISTS " + schema);
  if (made) {
    made = ports_.duck.run(
        fmt::format("CREATE VIEW {}.{} AS {}", schema, sql_name(name.view), select));
  }
  if (made) return {};
  // This SQL is ours: what is wrong is the files.
  if (made.error().code == Code::invalid) made.error().code = Code::corrupt;
  return fail(made.error(), name.sql());
}

Result<std::string> LakeQuery::select_of(const std::string& table, const Snapshot& snapshot) {
  std::vector<AddFile> files;
  for (const auto& [path, file] : snapshot.files()) files.push_back(file);
  auto places = places_of(table, snapshot, files);
  if (!places) return fail(places.error());
  for (const auto& place : *places) places_.push_back(place.string());
  return scan_sql(snapshot, files, *places);
}

Result<std::vector<fs::path>> LakeQuery::places_of(const std::string& table,
                                                   const Snapshot& snapshot,
                                                   const std::vector<AddFile>& files) {
  std::vector<fs::path> places;
  std::vector<WantedFile> wanted;
  std::error_code error;
  for (const auto& file : files) {
    auto path = decode_file_path(file.path);
    if (!path) return fail(path.error());
    std::string stored = table + '/' + *path;
    auto place = ports_.store.local_path(stored);
    if (place && fs::status(*place, error).type() == fs::file_type::not_found)
      return gone(table, snapshot, *path);
    if (place)
      places.push_back(std::move(*place));
    else
      wanted.push_back({std::move(stored), static_cast<std::uint64_t>(file.size)});
  }
  if (wanted.empty()) return places;
  if (cache_ == nullptr)
    return fail(Code::unavailable, "the lake is elsewhere, and there is no cache for its files");
  auto brought = cache_->bring(ports_.store, wanted, progress_);
  if (!brought && brought.error().code == Code::not_found)
    return gone(table, snapshot, brought.error().message);
  return brought;
}

// Vacuum takes files of older versions alone.
tl::unexpected<Error> LakeQuery::gone(const std::string& table, const Snapshot& snapshot,
                                      const std::string& file) {
  auto latest = DeltaTable::open(ports_, table);
  if (!latest) return fail(latest.error());
  if (latest->snapshot().version() == snapshot.version())
    return fail(Code::corrupt, "a data file of the latest version is gone: {}", file);
  auto properties = parse_properties(latest->snapshot().metadata().configuration);
  if (!properties) return fail(properties.error());
  auto kept = std::chrono::duration_cast<std::chrono::hours>(properties->deleted_file_retention);
  return fail(
      Code::not_found,
      "files of version {} are gone; vacuum keeps them {} h after they were replaced, where "
      "it is not told otherwise",
      snapshot.version(), kept.count());
}

Error LakeQuery::meant(Error error) const {
  if (error.code != Code::invalid) return error;
  bool is_broken = std::ranges::any_of(places_, [&](const std::string& place) {
    return error.message.find(place) != std::string::npos;
  });
  // Of a page whose head is garbled it says neither the file nor the kind.
  if (is_broken || (!places_.empty() && error.message.starts_with("Invalid Error: ")))
    error.code = Code::corrupt;
  return error;
}

Result<std::vector<QueryColumn>> LakeQuery::columns(const std::string& sql) {
  if (auto fine = check_functions(sql); !fine) return fail(fine.error());
  auto rows = ports_.duck.query("SELECT column_name, column_type FROM (DESCRIBE FROM " +
                                from_query(sql) + ")");
  if (!rows) return with_hint(rows.error());
  std::vector<QueryColumn> columns;
  while (true) {
    auto more = rows->next();
    if (!more) return with_hint(more.error());
    if (!*more) return columns;
    std::string type(rows->text(1));
    columns.push_back({std::string(rows->text(0)), type, kind_of_type(type)});
  }
}

// The names are those of the SQL as DuckDB has parsed it, wherever they stand. A name that is made
// only when the SQL runs needs query(), which is refused itself.
Status LakeQuery::check_functions(const std::string& sql) {
  auto rows =
      ports_.duck.query(fmt::format("SELECT syntax ->> '$.error_message', unnest([NULL] || (syntax "
                                    "->> '$..function.function_name'))"
                                    " FROM (SELECT json_serialize_sql({}) AS syntax)",
                                    sql_text(sql)));
  if (!rows) return with_hint(rows.error());
  while (true) {
    auto more = rows->next();
    if (!more) return with_hint(more.error());
    if (!*more) return {};
    if (!rows->is_null(0)) break;
    if (rows->is_null(1) || only_reads(lower(rows->text(1)))) continue;
    return fail(Code::invalid, "the function {} is not taken here", rows->text(1));
  }
  // query() knows better what is wrong with it.
  auto bound = ports_.duck.query("DESCRIBE FROM " + from_query(sql));
  return bound ? fail(Code::invalid, "{}", kOneQuery) : with_hint(bound.error());
}

Result<DuckRows> LakeQuery::rows(const std::string& sql, const std::vector<QueryColumn>& columns,
                                 Texts texts, std::optional<std::uint64_t> limit) {
  if (auto fine = check_functions(sql); !fine) return fail(fine.error());
  std::string list;
  for (const auto& column : columns) list += (list.empty() ? "" : ", ") + column_sql(column, texts);
  auto rows = ports_.duck.query(
      fmt::format("SELECT {} FROM {}{}", list, from_query(sql), limit_sql(limit)));
  if (!rows) return with_hint(meant(rows.error()));
  return rows;
}

Result<std::uint64_t> LakeQuery::write_parquet(const std::string& sql, const fs::path& file,
                                               std::optional<std::uint64_t> limit) {
  if (auto fine = check_functions(sql); !fine) return fail(fine.error());
  auto path = real_file(file);
  if (!path) return fail(path.error());
  fs::path draft =
      path->parent_path() / fmt::format(".{}.{}", path->filename().string(), ports_.fresh_uuid());
  auto write = [&]() -> Result<std::uint64_t> {
    auto rows = ports_.duck.query(
        fmt::format("COPY (SELECT * FROM {}{}) TO {} (FORMAT parquet, COMPRESSION zstd)",
                    from_query(sql), limit_sql(limit), sql_text(draft.string())));
    if (!rows) return with_hint(meant(rows.error()));
    auto more = rows->next();
    if (!more) return fail(meant(more.error()));
    auto count = static_cast<std::uint64_t>(*more ? rows->integer(0) : 0);
    if (auto done = publish(draft, *path); !done) return fail(done.error());
    return count;
  };
  auto written = write();
  std::error_code ignored;
  if (!written) fs::remove(draft, ignored);
  return written;
}

// "Catalog Error: Table with name saels does not exist!" and the name that may have been meant.
tl::unexpected<Error> LakeQuery::with_hint(Error error) {
  constexpr std::string_view kBefore = "Table with name ";
  constexpr std::string_view kAfter = " does not exist";
  std::string_view message = error.message;
  // Its own bug, such as that of parameters (SELECT ?); no data is corrupt.
  if (message.starts_with("INTERNAL Error"))
    return fail(Code::invalid, "DuckDB cannot run this SQL: {}", message);
  if (message.find("Expected a single SELECT") != std::string_view::npos)
    return fail(Code::invalid, "{}", kOneQuery);
  std::size_t begin = message.find(kBefore);
  std::size_t end = message.find(kAfter);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin)
    return fail(std::move(error));
  std::string name(message.substr(begin + kBefore.size(), end - begin - kBefore.size()));
  if (only_t_)
    return fail(Code::not_found,
                "there is no table {}: only `t` is open here; `tillrace query` takes all tables",
                name);
  auto tables = list_tables(ports_.store);
  if (!tables) return fail(std::move(error));
  std::vector<std::string> names;
  for (const auto& table : *tables) names.push_back(view_name(table).sql());
  return fail(Code::not_found, "there is no table {} in the lake; {}", name, hint_for(name, names));
}

}  // namespace tillrace::lake
