// DuckDB, the lake's engine, behind its C API; its header stays in duck.cc. SQL in, rows out, and a
// fast way in for rows. The functions built into the pinned library are enough for Parquet, JSON
// and time zones; nothing is fetched or loaded by itself.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tillrace::lake {

struct DuckOptions {
  std::uint64_t memory_limit_mb = 256;  // what a query may hold; more is spilt to temp_folder
  unsigned threads = 2;
  // False: statements without ORDER BY may give and write their rows in any order, on all threads.
  bool keeps_order = true;
  std::filesystem::path temp_folder;  // made when it is first needed; empty: nothing is spilt
  std::optional<std::uint64_t> most_temp_bytes = {};  // of it; beyond, what runs is exhausted
};

// One database in memory: its tables, settings and threads. Thread-safe. Must outlive its sessions.
class Duck {
 public:
  // invalid when an option is refused; unavailable when the library cannot start.
  static Result<Duck> open(const DuckOptions& options);
  Duck(Duck&&) noexcept;
  Duck& operator=(Duck&&) noexcept;
  ~Duck();

 private:
  friend class DuckSession;
  struct Impl;
  explicit Duck(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The answer to a query, row by row; it is computed while it is read. Columns count from 0. Borrows
// its session, which must run nothing else meanwhile.
class DuckRows {
 public:
  DuckRows(DuckRows&&) noexcept;
  DuckRows& operator=(DuckRows&&) noexcept;
  ~DuckRows();

  const std::vector<std::string>& columns() const;
  // To the first row, then to the next; false behind the last.
  Result<bool> next();
  bool is_null(std::size_t column) const;
  // Of a column of type VARCHAR; cast in the SQL to get one. Valid until next().
  std::string_view text(std::size_t column) const;
  // Of a column of type BIGINT, or UBIGINT with a value that fits.
  std::int64_t integer(std::size_t column) const;
  // Of a column of type MAP(VARCHAR, VARCHAR); empty where it is null.
  using Map = std::map<std::string, std::optional<std::string>>;
  Map map(std::size_t column) const;
  // Of a column of type MAP(VARCHAR, MAP(VARCHAR, VARCHAR)).
  std::map<std::string, Map> maps(std::size_t column) const;

 private:
  friend class DuckSession;
  struct Impl;
  explicit DuckRows(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The types of a source's columns: VARCHAR, BLOB, INTEGER, BIGINT, DECIMAL(16,4), TIMESTAMPTZ,
// DATE.
enum class DuckType : std::uint8_t { text, bytes, integer, bigint, decimal, time, date };

struct DuckColumn {
  std::string name;
  DuckType type;
};

// Some rows on their way into DuckDB. A value is set once, by column and row, each from 0; the
// column must be of the type. For the thread that fills it.
class DuckChunk {
 public:
  static constexpr std::size_t kRows = 2'048;  // at most

  void text(std::size_t column, std::size_t row, std::string_view value);  // valid UTF-8
  void bytes(std::size_t column, std::size_t row, std::string_view value);
  void integer(std::size_t column, std::size_t row, std::int32_t value);
  void bigint(std::size_t column, std::size_t row, std::int64_t value);
  void decimal(std::size_t column, std::size_t row, std::int64_t ten_thousandths);
  void time(std::size_t column, std::size_t row, UtcMicros value);
  void date(std::size_t column, std::size_t row, std::int32_t days_since_1970);
  void null(std::size_t column, std::size_t row);

  struct Vector {  // DuckDB's
    void* handle;
    void* values;
  };
  explicit DuckChunk(std::vector<Vector> vectors) : vectors_(std::move(vectors)) {}

 private:
  template <class Value>
  Value& value(std::size_t column, std::size_t row);
  std::vector<Vector> vectors_;
};

// Rows that a statement pulls while it runs, so that they are nowhere as a whole. Throws nothing.
class DuckSource {
 public:
  // One thread's share in them, in which it is alone; the shares of a statement together are all
  // rows, each once.
  class Share {
   public:
    virtual ~Share() = default;
    // Fills rows from 0 on and answers how many: none at the end, however often it is asked. A
    // failure ends the statement, which tells the message as invalid: the source may keep its error
    // for who asks.
    virtual Result<std::size_t> fill(DuckChunk& chunk) = 0;
  };
  virtual ~DuckSource() = default;
  virtual const std::vector<DuckColumn>& columns() const = 0;
  // For the thread that runs the statement, or one of DuckDB's; several at once.
  virtual std::unique_ptr<Share> open_share() = 0;
};

// One line of work on a Duck. For one thread at a time. Times are shown and read in UTC.
//
// Errors: invalid, the SQL or a value in it is wrong; exhausted, memory or disk are not enough;
// unavailable, a file could not be read or written; corrupt, a file is not what it should be.
class DuckSession {
 public:
  static Result<DuckSession> open(Duck& duck);
  DuckSession(DuckSession&&) noexcept;
  DuckSession& operator=(DuckSession&&) noexcept;
  ~DuckSession();

  // One or more statements, separated by ';'.
  Status run(const std::string& sql);
  // One statement.
  Result<DuckRows> query(const std::string& sql);
  // Makes what runs just now end with unavailable, soon; the next statement is not affected. May be
  // called by any thread.
  void interrupt();
  // SQL that names the rows of `source`, such as "source_7()", for all sessions of the Duck; each
  // statement with it runs through the source once, on several threads where it need not keep the
  // order. Not after the source is gone.
  Result<std::string> offer(DuckSource& source);

 private:
  friend class DuckAppender;
  struct Impl;
  explicit DuckSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Puts rows into a table of the session, value after value in the order of its columns; a value is
// cast to its column's type. A failure is kept and told by end_row() or close().
class DuckAppender {
 public:
  // not_found when there is no such table.
  static Result<DuckAppender> open(DuckSession& session, const std::string& table);
  DuckAppender(DuckAppender&&) noexcept;
  DuckAppender& operator=(DuckAppender&&) noexcept;
  // Rows since the last close() are dropped.
  ~DuckAppender();

  DuckAppender& text(std::string_view value);
  DuckAppender& integer(std::int64_t value);
  DuckAppender& time(UtcMicros value);
  DuckAppender& null();
  Status end_row();
  // The rows are in the table when it returns; nothing can be added after it.
  Status close();

 private:
  struct Impl;
  explicit DuckAppender(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// `text` as a literal, `name` as an identifier of DuckDB's SQL, with their quotes.
std::string sql_text(std::string_view text);
std::string sql_name(std::string_view name);

}  // namespace tillrace::lake
