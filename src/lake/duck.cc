#include "lake/duck.h"

#include <duckdb.h>

#include <atomic>
#include <utility>

#include "base/check.h"

namespace tillrace::lake {
namespace {

Code code_of(duckdb_error_type type) {
  switch (type) {
    case DUCKDB_ERROR_OUT_OF_MEMORY: return Code::exhausted;
    case DUCKDB_ERROR_IO:
    case DUCKDB_ERROR_HTTP:
    case DUCKDB_ERROR_INTERRUPT:
    case DUCKDB_ERROR_CONNECTION: return Code::unavailable;
    case DUCKDB_ERROR_SERIALIZATION:
    case DUCKDB_ERROR_FATAL:
    case DUCKDB_ERROR_INTERNAL: return Code::corrupt;
    default: return Code::invalid;
  }
}

// DuckDB's messages have several lines; the first says what is wrong.
std::string first_line(const char* message) {
  std::string_view text = message == nullptr ? "DuckDB gave no reason" : message;
  return std::string(text.substr(0, text.find('\n')));
}

tl::unexpected<Error> failure(duckdb_result& result) {
  return fail(code_of(duckdb_result_error_type(&result)), "{}",
              first_line(duckdb_result_error(&result)));
}

bool is_valid(duckdb_vector vector, idx_t row) {
  auto* validity = duckdb_vector_get_validity(vector);
  return validity == nullptr || duckdb_validity_row_is_valid(validity, row);
}

std::string_view text_at(duckdb_vector vector, idx_t row) {
  auto* value = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector)) + row;
  return {duckdb_string_t_data(value), duckdb_string_t_length(*value)};
}

// A map lies there as a list of structs of key and value. Calls visit(key, value vector, row in
// it).
template <class Visit>
void each_entry(duckdb_vector map, idx_t row, const Visit& visit) {
  if (!is_valid(map, row)) return;
  auto entry = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(map))[row];
  duckdb_vector pairs = duckdb_list_vector_get_child(map);
  duckdb_vector keys = duckdb_struct_vector_get_child(pairs, 0);
  duckdb_vector values = duckdb_struct_vector_get_child(pairs, 1);
  for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    visit(std::string(text_at(keys, i)), values, i);
  }
}

DuckRows::Map map_at(duckdb_vector map, idx_t row) {
  DuckRows::Map out;
  each_entry(map, row, [&](std::string key, duckdb_vector values, idx_t i) {
    auto& slot = out[std::move(key)];
    if (is_valid(values, i)) slot = text_at(values, i);
  });
  return out;
}

}  // namespace

struct Duck::Impl {
  duckdb_database database = nullptr;
  ~Impl() { duckdb_close(&database); }
};

struct DuckSession::Impl {
  duckdb_connection connection = nullptr;
  ~Impl() { duckdb_disconnect(&connection); }
};

struct DuckRows::Impl {
  duckdb_result result{};
  duckdb_data_chunk chunk = nullptr;
  idx_t row = 0;
  std::vector<std::string> columns;

  ~Impl() {
    duckdb_destroy_data_chunk(&chunk);
    duckdb_destroy_result(&result);
  }
  duckdb_vector vector(std::size_t column) const {
    CHECK(chunk != nullptr && column < columns.size());
    return duckdb_data_chunk_get_vector(chunk, column);
  }
  duckdb_type type(std::size_t column) const {
    return duckdb_column_type(const_cast<duckdb_result*>(&result), column);  // it knows no const
  }
};

struct DuckAppender::Impl {
  duckdb_appender appender = nullptr;
  bool failed = false;
  ~Impl() {
    duckdb_appender_clear(appender);
    duckdb_appender_destroy(&appender);
  }
  void note(duckdb_state state) { failed = failed || state == DuckDBError; }
  tl::unexpected<Error> failure() {
    failed = true;
    duckdb_error_data error = duckdb_appender_error_data(appender);
    auto answer = fail(code_of(duckdb_error_data_error_type(error)), "{}",
                       first_line(duckdb_error_data_message(error)));
    duckdb_destroy_error_data(&error);
    return answer;
  }
};

Result<Duck> Duck::open(const DuckOptions& options) {
  const std::pair<const char*, std::string> settings[] = {
      {"memory_limit", fmt::format("{}MB", options.memory_limit_mb)},
      {"threads", std::to_string(options.threads)},
      {"temp_directory", options.temp_folder.string()},
      {"preserve_insertion_order", options.keeps_order ? "true" : "false"},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
  };
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) == DuckDBError) {
    return fail(Code::unavailable, "DuckDB gives no configuration");
  }
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config, name, value.c_str()) == DuckDBError) {
      duckdb_destroy_config(&config);
      return fail(Code::invalid, "DuckDB refuses {} = {}", name, value);
    }
  }
  auto impl = std::make_unique<Impl>();
  char* message = nullptr;
  duckdb_state state = duckdb_open_ext(nullptr, &impl->database, config, &message);
  duckdb_destroy_config(&config);
  if (state == DuckDBError) {
    auto answer = fail(Code::invalid, "DuckDB does not start: {}", first_line(message));
    duckdb_free(message);
    return answer;
  }
  Duck duck(std::move(impl));
  if (options.most_temp_bytes) {
    // In the configuration it is taken, shown, and not heeded (1.5.5).
    auto session = DuckSession::open(duck);
    Status set = session ? session->run(fmt::format("SET max_temp_directory_size = '{}B'",
                                                    *options.most_temp_bytes))
                         : fail(session.error());
    if (!set) return fail(set.error());
  }
  return duck;
}

Duck::Duck(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Duck::Duck(Duck&&) noexcept = default;
Duck& Duck::operator=(Duck&&) noexcept = default;
Duck::~Duck() = default;

Result<DuckSession> DuckSession::open(Duck& duck) {
  auto impl = std::make_unique<Impl>();
  if (duckdb_connect(duck.impl_->database, &impl->connection) == DuckDBError) {
    return fail(Code::unavailable, "DuckDB gives no connection");
  }
  DuckSession session(std::move(impl));
  if (auto set = session.run("SET TimeZone = 'UTC'"); !set) return fail(set.error());
  return session;
}

DuckSession::DuckSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DuckSession::DuckSession(DuckSession&&) noexcept = default;
DuckSession& DuckSession::operator=(DuckSession&&) noexcept = default;
DuckSession::~DuckSession() = default;

Status DuckSession::run(const std::string& sql) {
  duckdb_result result{};
  Status answer;
  if (duckdb_query(impl_->connection, sql.c_str(), &result) == DuckDBError) {
    answer = failure(result);
  }
  duckdb_destroy_result(&result);
  return answer;
}

Result<DuckRows> DuckSession::query(const std::string& sql) {
  duckdb_prepared_statement prepared = nullptr;
  if (duckdb_prepare(impl_->connection, sql.c_str(), &prepared) == DuckDBError) {
    std::string message = first_line(duckdb_prepare_error(prepared));  // which tells no type
    Code code = message.starts_with("IO Error") ? Code::unavailable : Code::invalid;
    auto answer = fail(code, "{}", message);
    duckdb_destroy_prepare(&prepared);
    return answer;
  }
  auto rows = std::make_unique<DuckRows::Impl>();
  // Deprecated with no successor yet: the only way to rows that are not all in memory at once.
  duckdb_state state = duckdb_execute_prepared_streaming(prepared, &rows->result);
  duckdb_destroy_prepare(&prepared);
  if (state == DuckDBError) return failure(rows->result);
  for (idx_t i = 0; i < duckdb_column_count(&rows->result); ++i) {
    rows->columns.emplace_back(duckdb_column_name(&rows->result, i));
  }
  return DuckRows(std::move(rows));
}

void DuckSession::interrupt() { duckdb_interrupt(impl_->connection); }

namespace {

duckdb_logical_type logical_type(DuckType type) {
  switch (type) {
    case DuckType::text: return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    case DuckType::bytes: return duckdb_create_logical_type(DUCKDB_TYPE_BLOB);
    case DuckType::integer: return duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);
    case DuckType::bigint: return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case DuckType::decimal: return duckdb_create_decimal_type(16, 4);
    case DuckType::time: return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP_TZ);
    case DuckType::date: return duckdb_create_logical_type(DUCKDB_TYPE_DATE);
  }
  return duckdb_create_logical_type(DUCKDB_TYPE_INVALID);
}

constexpr idx_t kMostThreads = 64;

void bind_source(duckdb_bind_info info) {
  const auto* source = static_cast<DuckSource*>(duckdb_bind_get_extra_info(info));
  for (const DuckColumn& column : source->columns()) {
    duckdb_logical_type type = logical_type(column.type);
    duckdb_bind_add_result_column(info, column.name.c_str(), type);
    duckdb_destroy_logical_type(&type);
  }
}

// As many as DuckDB has; it takes one where rows must keep their order.
void begin_source(duckdb_init_info info) { duckdb_init_set_max_threads(info, kMostThreads); }

void begin_share(duckdb_init_info info) {
  auto* source = static_cast<DuckSource*>(duckdb_init_get_extra_info(info));
  duckdb_init_set_init_data(info, source->open_share().release(), [](void* share) {
    std::unique_ptr<DuckSource::Share>(static_cast<DuckSource::Share*>(share)).reset();
  });
}

void pull_share(duckdb_function_info info, duckdb_data_chunk output) {
  CHECK(duckdb_vector_size() >= DuckChunk::kRows);
  auto* share = static_cast<DuckSource::Share*>(duckdb_function_get_local_init_data(info));
  std::vector<DuckChunk::Vector> vectors;
  for (std::size_t i = 0; i < duckdb_data_chunk_get_column_count(output); ++i) {
    duckdb_vector vector = duckdb_data_chunk_get_vector(output, i);
    vectors.push_back({vector, duckdb_vector_get_data(vector)});
  }
  DuckChunk chunk(std::move(vectors));
  auto rows = share->fill(chunk);
  if (!rows) return duckdb_function_set_error(info, rows.error().message.c_str());
  CHECK(*rows <= DuckChunk::kRows);
  duckdb_data_chunk_set_size(output, *rows);
}

}  // namespace

Result<std::string> DuckSession::offer(DuckSource& source) {
  static std::atomic<std::uint64_t> offered = 0;
  std::string name = fmt::format("source_{}", ++offered);
  duckdb_table_function function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, name.c_str());
  duckdb_table_function_set_extra_info(function, &source, nullptr);
  duckdb_table_function_set_bind(function, bind_source);
  duckdb_table_function_set_init(function, begin_source);
  duckdb_table_function_set_local_init(function, begin_share);
  duckdb_table_function_set_function(function, pull_share);
  duckdb_state state = duckdb_register_table_function(impl_->connection, function);
  duckdb_destroy_table_function(&function);
  if (state == DuckDBError) return fail(Code::unavailable, "DuckDB takes no function {}", name);
  return name + "()";
}

template <class Value>
Value& DuckChunk::value(std::size_t column, std::size_t row) {
  CHECK(column < vectors_.size() && row < kRows);
  return static_cast<Value*>(vectors_[column].values)[row];
}

void DuckChunk::text(std::size_t column, std::size_t row, std::string_view value) {
  bytes(column, row, value);
}
void DuckChunk::bytes(std::size_t column, std::size_t row, std::string_view value) {
  CHECK(column < vectors_.size() && row < kRows);
  duckdb_unsafe_vector_assign_string_element_len(
      static_cast<duckdb_vector>(vectors_[column].handle), row, value.data(), value.size());
}
void DuckChunk::integer(std::size_t column, std::size_t row, std::int32_t value) {
  this->value<std::int32_t>(column, row) = value;
}
void DuckChunk::bigint(std::size_t column, std::size_t row, std::int64_t value) {
  this->value<std::int64_t>(column, row) = value;
}
void DuckChunk::decimal(std::size_t column, std::size_t row, std::int64_t ten_thousandths) {
  this->value<std::int64_t>(column, row) = ten_thousandths;
}
void DuckChunk::time(std::size_t column, std::size_t row, UtcMicros value) {
  this->value<duckdb_timestamp>(column, row) = {value.value};
}
void DuckChunk::date(std::size_t column, std::size_t row, std::int32_t days_since_1970) {
  this->value<duckdb_date>(column, row) = {days_since_1970};
}
void DuckChunk::null(std::size_t column, std::size_t row) {
  CHECK(column < vectors_.size() && row < kRows);
  auto vector = static_cast<duckdb_vector>(vectors_[column].handle);
  duckdb_vector_ensure_validity_writable(vector);
  duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

DuckRows::DuckRows(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DuckRows::DuckRows(DuckRows&&) noexcept = default;
DuckRows& DuckRows::operator=(DuckRows&&) noexcept = default;
DuckRows::~DuckRows() = default;

const std::vector<std::string>& DuckRows::columns() const { return impl_->columns; }

Result<bool> DuckRows::next() {
  if (impl_->chunk != nullptr && ++impl_->row < duckdb_data_chunk_get_size(impl_->chunk)) {
    return true;
  }
  do {
    duckdb_destroy_data_chunk(&impl_->chunk);
    impl_->chunk = duckdb_fetch_chunk(impl_->result);
    impl_->row = 0;
    if (impl_->chunk != nullptr) continue;
    if (duckdb_result_error(&impl_->result) != nullptr) return failure(impl_->result);
    return false;
  } while (duckdb_data_chunk_get_size(impl_->chunk) == 0);
  return true;
}

bool DuckRows::is_null(std::size_t column) const {
  return !is_valid(impl_->vector(column), impl_->row);
}

std::string_view DuckRows::text(std::size_t column) const {
  CHECK(impl_->type(column) == DUCKDB_TYPE_VARCHAR);
  return text_at(impl_->vector(column), impl_->row);
}

std::int64_t DuckRows::integer(std::size_t column) const {
  CHECK(impl_->type(column) == DUCKDB_TYPE_BIGINT || impl_->type(column) == DUCKDB_TYPE_UBIGINT);
  return static_cast<std::int64_t*>(duckdb_vector_get_data(impl_->vector(column)))[impl_->row];
}

DuckRows::Map DuckRows::map(std::size_t column) const {
  CHECK(impl_->type(column) == DUCKDB_TYPE_MAP);
  return map_at(impl_->vector(column), impl_->row);
}

std::map<std::string, DuckRows::Map> DuckRows::maps(std::size_t column) const {
  CHECK(impl_->type(column) == DUCKDB_TYPE_MAP);
  std::map<std::string, Map> out;
  each_entry(impl_->vector(column), impl_->row,
             [&](const std::string& key, duckdb_vector values, idx_t i) {
               out.emplace(key, map_at(values, i));
             });
  return out;
}

Result<DuckAppender> DuckAppender::open(DuckSession& session, const std::string& table) {
  auto impl = std::make_unique<Impl>();
  auto* connection = session.impl_->connection;
  if (duckdb_appender_create(connection, nullptr, table.c_str(), &impl->appender) == DuckDBError) {
    return fail(Code::not_found, "no table {} to append to", table);
  }
  return DuckAppender(std::move(impl));
}

DuckAppender::DuckAppender(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DuckAppender::DuckAppender(DuckAppender&&) noexcept = default;
DuckAppender& DuckAppender::operator=(DuckAppender&&) noexcept = default;
DuckAppender::~DuckAppender() = default;

DuckAppender& DuckAppender::text(std::string_view value) {
  impl_->note(duckdb_append_varchar_length(impl_->appender, value.data(), value.size()));
  return *this;
}
DuckAppender& DuckAppender::integer(std::int64_t value) {
  impl_->note(duckdb_append_int64(impl_->appender, value));
  return *this;
}
DuckAppender& DuckAppender::time(UtcMicros value) {
  impl_->note(duckdb_append_timestamp(impl_->appender, {value.value}));
  return *this;
}
DuckAppender& DuckAppender::null() {
  impl_->note(duckdb_append_null(impl_->appender));
  return *this;
}

Status DuckAppender::end_row() {
  if (impl_->failed || duckdb_appender_end_row(impl_->appender) == DuckDBError) {
    return impl_->failure();
  }
  return {};
}

Status DuckAppender::close() {
  if (impl_->failed || duckdb_appender_close(impl_->appender) == DuckDBError) {
    return impl_->failure();
  }
  return {};
}

namespace {
std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  out += quote;
  return out;
}
}  // namespace

std::string sql_text(std::string_view text) { return quoted(text, '\''); }
std::string sql_name(std::string_view name) { return quoted(name, '"'); }

}  // namespace tillrace::lake
