// A user's SQL over the tables of a lake: each is a view, at one version. DuckDB runs it, in place
// on a folder, over the file cache where the store is elsewhere.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "lake/delta_snapshot.h"
#include "lake/duck.h"
#include "lake/file_cache.h"
#include "lake/lake_ports.h"

namespace tillrace::lake {

struct QueryColumn {
  enum class Kind { text, number, boolean, nested };
  std::string name;
  std::string type;  // as DuckDB says it, such as DECIMAL(18,4)
  Kind kind = Kind::text;
};
QueryColumn::Kind kind_of_type(std::string_view type);

// Where the view of a table is: its folder is the schema, so bronze/transactions is
// bronze.transactions, shop/bronze/sales "shop/bronze".sales, and t is main.t.
struct ViewName {
  std::string schema;
  std::string view;
  std::string sql() const;  // quoted where it has to be
};
ViewName view_name(std::string_view table);

// Whether `sql` holds the name of the view, in any case, as words of their own: whoever means the
// table has to write it. It may be meant as something else.
bool may_name(std::string_view sql, const ViewName& name);

// The SQL may be one SELECT, VALUES, FROM, WITH, DESCRIBE, SHOW or SUMMARIZE, and nothing else: it
// is parsed by DuckDB's function query(), which refuses all other statements, and its table
// functions have to be of those that are known to read. So it can change nothing, in the lake or
// elsewhere. It may read whatever files of this machine its process may.
//
// Takes its ports' session for itself; for one thread at a time. Errors: invalid, the SQL is wrong;
// not_found, it names a table that is not there, or files of an older version are gone; corrupt, a
// data file is broken, or one of the latest version is gone; else as of DuckSession, DeltaTable and
// FileCache.
class LakeQuery {
 public:
  // `cache`: where files come to from a store that is elsewhere; nullptr on a folder. Both outlive
  // the query.
  explicit LakeQuery(LakePorts ports, FileCache* cache = nullptr,
                     FileCache::OnProgress progress = {})
      : ports_(std::move(ports)), cache_(cache), progress_(std::move(progress)) {}

  // The tables that `sql` may name become views of their latest version; no other file is fetched,
  // and no other table opened. When it names none (SHOW ALL TABLES), all are there with their
  // columns, and not with their rows.
  Status open_tables(const std::string& sql);
  // A table at one version, by its name and as `t`.
  Status open_table(const std::string& table, const Snapshot& snapshot);

  // What the SQL's result is made of.
  Result<std::vector<QueryColumn>> columns(const std::string& sql);
  // The rows, each column as a text. `json`: numbers, booleans and what is nested are JSON, what
  // JSON cannot say is null.
  enum class Texts { plain, json };
  Result<DuckRows> rows(const std::string& sql, const std::vector<QueryColumn>& columns,
                        Texts texts, std::optional<std::uint64_t> limit = {});
  // What an error of such rows' next() means: corrupt, where a data file of the lake is broken.
  Error meant(Error error) const;
  // Writes the rows as a Parquet file, which is there in whole or not at all and replaces an older
  // one; durable when it returns. Answers their number. invalid: the path is no place for a file.
  Result<std::uint64_t> write_parquet(const std::string& sql, const std::filesystem::path& file,
                                      std::optional<std::uint64_t> limit = {});

 private:
  Status check_functions(const std::string& sql);
  Status make_view(const ViewName& name, const std::string& select);
  Result<std::string> select_of(const std::string& table, const Snapshot& snapshot);
  Result<std::vector<std::filesystem::path>> places_of(const std::string& table,
                                                       const Snapshot& snapshot,
                                                       const std::vector<AddFile>& files);
  tl::unexpected<Error> gone(const std::string& table, const Snapshot& snapshot,
                             const std::string& file);
  Status open_all_columns(const std::vector<std::string>& tables);
  tl::unexpected<Error> with_hint(Error error);

  LakePorts ports_;
  FileCache* cache_;
  FileCache::OnProgress progress_;
  std::vector<std::string> places_;  // of the open tables' data files
  bool only_t_ = false;              // is open
};

}  // namespace tillrace::lake
