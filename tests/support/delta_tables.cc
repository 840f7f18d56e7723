// Makes and reads Delta tables from the command line, for tests that compare with other readers.
//
//   delta_tables make FOLDER                         the tables of kTables below it
//   delta_tables read FOLDER TABLE [VERSION]         its rows, a JSON object a line, in order
//   delta_tables other FOLDER TABLE EXTENSION        the same by DuckDB's own reader, delta_scan
//   delta_tables other FOLDER TABLE EXTENSION COLUMNS   those, as SQL, instead of all; a FOLDER on
//                     Azure ("az://container/path") wants the account in AZURE_CONNECTION_STRING
//   delta_tables append FOLDER TABLE SELECT          one commit; prints its version
//   delta_tables compact|checkpoint|vacuum FOLDER TABLE   vacuum at once, of all that is not needed
//   delta_tables commits FOLDER TABLE N              N appends of one row; it may be a new table
//   delta_tables open FOLDER TABLE                   how long opening takes, and its memory
//   delta_tables parquet FOLDER PATTERN              rows of Parquet files, as `read` prints them
//   delta_tables work FOLDER TABLE [PHASE N MICROS]  until it is killed, by itself or from outside
//
// Exit: 0 done, 1 refused (why is on stderr).
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "lake/data_files.h"
#include "lake/delta_compaction.h"
#include "lake/delta_scan.h"
#include "lake/delta_table.h"
#include "lake/delta_vacuum.h"
#include "lake/duck.h"
#include "lake/folder_store.h"
#include "support/delta_work.h"

namespace {

using namespace std::string_literals;
using tillrace::Code;
using tillrace::fail;
using tillrace::Result;
using tillrace::Status;
using tillrace::lake::DeltaTable;
using tillrace::lake::TableSpec;

struct Lake {
  tillrace::SystemClock clock;
  tillrace::SystemRandom random;
  std::unique_ptr<tillrace::lake::FolderStore> store;
  std::unique_ptr<tillrace::lake::Duck> duck;
  std::unique_ptr<tillrace::lake::DuckSession> session;
  std::filesystem::path spool;

  tillrace::lake::LakePorts ports() { return {*store, *session, clock, random, spool}; }
};

Status open_engine(Lake& lake) {
  auto duck = tillrace::lake::Duck::open({.memory_limit_mb = 200, .threads = 1, .temp_folder = {}});
  if (!duck) return fail(duck.error());
  lake.duck = std::make_unique<tillrace::lake::Duck>(std::move(*duck));
  auto session = tillrace::lake::DuckSession::open(*lake.duck);
  if (!session) return fail(session.error());
  lake.session = std::make_unique<tillrace::lake::DuckSession>(std::move(*session));
  return {};
}

Status open_lake(Lake& lake, const std::string& folder) {
  auto store = tillrace::lake::FolderStore::open(folder, lake.clock, lake.random);
  if (!store) return fail(store.error());
  lake.store = std::move(*store);
  lake.spool = folder + ".spool";
  return open_engine(lake);
}

Status append(DeltaTable& table, const std::string& select) {
  auto files = table.write(select);
  if (!files) return fail(files.error());
  auto transaction = table.append(std::move(*files));
  transaction.txns = {{"tests", table.snapshot().txn("tests"), table.snapshot().version()}};
  auto version = table.commit(transaction);
  if (!version) return fail(version.error());
  return {};
}

TableSpec all_types() {
  return {.schema = {{{"id", "long", false},
                      {"text", "string"},
                      {"whole", "integer"},
                      {"small", "short"},
                      {"tiny", "byte"},
                      {"real", "double"},
                      {"short_real", "float"},
                      {"yes", "boolean"},
                      {"bytes", "binary"},
                      {"day", "date"},
                      {"moment", "timestamp"},
                      {"price", "decimal(18,4)"},
                      {"exact", "decimal(38,10)"},
                      {"part", "string"}}},
          .partition_columns = {},
          .properties = {},
          .name = "all types",
          .description = "one column of each type"};
}

// Rows `from` to `to`, with nulls, and texts that test quoting.
std::string rows(int from, int to) {
  return fmt::format(
      "SELECT i AS id, CASE WHEN i % 5 = 0 THEN NULL ELSE 'Té \"x\" \\ ' || repeat('z', i::INT) END"
      " AS text, -i AS whole, i AS small, i % 100 AS tiny, i / 3 AS real, i / 4 AS short_real,"
      " i % 2 = 0 AS yes, encode('b' || i) AS bytes, DATE '2026-01-01' + i::INT AS day,"
      " TIMESTAMPTZ '2026-01-01 00:00:00.123456+00' + i * INTERVAL 1 HOUR AS moment,"
      " i * 1.2345 AS price, i::DECIMAL(38,10) / 7 AS exact,"
      " CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'a b/c%:=' WHEN 2 THEN 'Köln' ELSE 'plain' END"
      " AS part FROM range({}, {}) t(i)",
      from, to);
}

Status make_plain(DeltaTable& table) {
  for (int i = 0; i < 25; ++i) {
    if (auto done = append(table, rows(i * 4, i * 4 + 4)); !done) return done;
  }
  return {};
}

Status make_evolved(DeltaTable& table) {
  if (auto done = append(table, rows(0, 10)); !done) return done;
  auto evolution = table.add_columns({{"added", "string"}, {"added_price", "decimal(10,2)"}});
  if (!evolution) return fail(evolution.error());
  if (auto version = table.commit(*evolution); !version) return fail(version.error());
  return append(table, "SELECT *, 'new' AS added, 1.25 AS added_price FROM (" + rows(10, 14) + ")");
}

Status make_replaced(DeltaTable& table) {
  if (auto done = make_plain(table); !done) return done;
  auto files = table.write(rows(500, 510));
  if (!files) return fail(files.error());
  auto transaction = table.replace(std::move(*files));
  if (auto version = table.commit(transaction); !version) return fail(version.error());
  return table.checkpoint();
}

Status make_compacted(DeltaTable& table) {
  if (auto done = make_plain(table); !done) return done;
  auto report = tillrace::lake::compact(table, {});
  if (!report) return fail(report.error());
  return append(table, rows(100, 104));
}

struct MadeTable {
  const char* name;
  std::vector<std::string> partition_columns;
  Status (*fill)(DeltaTable&);
};
const MadeTable kTables[] = {
    {"plain", {}, make_plain},
    {"partitioned", {"part"}, make_plain},
    {"many_partitions", {"part", "day", "moment", "yes", "price"}, make_plain},
    {"evolved", {}, make_evolved},
    {"replaced", {"part"}, make_replaced},
    {"compacted", {"part"}, make_compacted},
    {"deep/in/folders", {}, make_plain},
    {"empty", {}, [](DeltaTable&) { return Status(); }},
};

Status make(Lake& lake) {
  for (const auto& made : kTables) {
    auto spec = all_types();
    spec.partition_columns = made.partition_columns;
    auto table = DeltaTable::create(lake.ports(), made.name, spec);
    if (!table) return fail(table.error());
    if (auto filled = made.fill(*table); !filled) return fail(filled.error(), made.name);
    std::printf("%s\n", made.name);
  }
  return {};
}

Status print_rows(Lake& lake, const std::string& select) {
  auto rows = lake.session->query("SELECT CAST(to_json(t) AS VARCHAR) AS row FROM (" + select +
                                  ") t ORDER BY row");
  if (!rows) return fail(rows.error());
  while (true) {
    auto more = rows->next();
    if (!more) return fail(more.error());
    if (!*more) return {};
    std::printf("%s\n", std::string(rows->text(0)).c_str());
  }
}

Status read(Lake& lake, DeltaTable& table, const std::string& version) {
  auto snapshot = version.empty() ? Result<tillrace::lake::Snapshot>(table.snapshot())
                                  : table.at_version(std::stoll(version));
  if (!snapshot) return fail(snapshot.error());
  auto scan = tillrace::lake::Scan::of(lake.ports(), table.path(), *snapshot);
  if (!scan) return fail(scan.error());
  return print_rows(lake, scan->sql());
}

std::string parquet_sql(const std::string& pattern) {
  return fmt::format(
      "SELECT * FROM read_parquet({}, union_by_name = true, hive_partitioning = false)",
      tillrace::lake::sql_text(pattern));
}

// An account that the environment names, for DuckDB's azure extension, which lies beside the other.
Status use_azure(Lake& lake, const std::string& extension) {
  const char* account = std::getenv("AZURE_CONNECTION_STRING");
  if (account == nullptr) return {};
  auto azure = std::filesystem::path(extension).replace_filename("azure.duckdb_extension");
  auto loaded = lake.session->run("LOAD " + tillrace::lake::sql_text(azure.string()));
  if (!loaded) return loaded;
  return lake.session->run("CREATE SECRET (TYPE azure, CONNECTION_STRING " +
                           tillrace::lake::sql_text(account) + ")");
}

Status read_by_delta_scan(Lake& lake, const std::string& folder, const std::string& table,
                          const std::string& extension, const std::string& columns) {
  if (auto opened = open_engine(lake); !opened) return opened;
  auto loaded = lake.session->run("LOAD " + tillrace::lake::sql_text(extension));
  if (!loaded) return loaded;
  if (auto azure = use_azure(lake, extension); !azure) return azure;
  return print_rows(lake, fmt::format("SELECT {} FROM delta_scan({})", columns,
                                      tillrace::lake::sql_text(folder + '/' + table)));
}

// What a table of very many small commits costs: appended here, opened by a process of its own.
Status commits(DeltaTable& table, int count) {
  for (int i = 0; i < count; ++i) {
    if (auto done = append(table, fmt::format("SELECT {} AS id", i)); !done) return done;
  }
  return {};
}

Status open_and_tell(Lake& lake, const std::string& path) {
  auto start = lake.clock.monotonic();
  auto table = DeltaTable::open(lake.ports(), path);
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(lake.clock.monotonic() - start);
  if (!table) return fail(table.error());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"version\": %ld, \"files\": %zu, \"open_ms\": %ld, \"peak_mb\": %ld}\n",
              static_cast<long>(table->snapshot().version()), table->snapshot().files().size(),
              static_cast<long>(took.count()), usage.ru_maxrss / 1024);
  return {};
}

// See delta_work.h. `how` is empty, or the phase to die in, how often it begins before, and how
// many microseconds later.
Status work(Lake& lake, const std::string& folder, const std::string& table,
            const std::vector<std::string>& how) {
  using tillrace::lake::kCheckpointInterval;
  tillrace::lake::Phase phase(folder + ".phase");
  if (how.size() == 3) {
    phase.die_in(how[0].at(0), std::stoi(how[1]), std::chrono::microseconds(std::stol(how[2])));
  }
  tillrace::lake::PhaseStore store(*lake.store, phase);
  auto spec = all_types();
  spec.properties = {{"delta.checkpointInterval", std::to_string(kCheckpointInterval)},
                     {"delta.logRetentionDuration", "interval 0 seconds"}};
  auto ports = tillrace::lake::LakePorts{store, *lake.session, lake.clock, lake.random, lake.spool};
  return tillrace::lake::work(ports, table, spec, phase);
}

Status vacuum(DeltaTable& table) {
  auto report = tillrace::lake::vacuum(
      table, {.retention = std::chrono::milliseconds(0), .force = true, .dry_run = false});
  if (!report) return fail(report.error());
  for (const auto& file : report->files) std::printf("%s\n", file.c_str());
  return {};
}

Status compact(DeltaTable& table) {
  auto report = tillrace::lake::compact(table, {});
  if (!report) return fail(report.error());
  std::printf("{\"before\": %zu, \"after\": %zu, \"conflicts\": %zu}\n", report->files_before,
              report->files_after, report->conflicts);
  return {};
}

Status run(Lake& lake, const std::vector<std::string>& words) {
  const std::string& verb = words[0];
  if (verb == "other") {
    std::string columns = words.size() > 4 ? words[4] : "*";
    return read_by_delta_scan(lake, words[1], words.at(2), words.at(3), columns);
  }
  if (auto opened_lake = open_lake(lake, words[1]); !opened_lake) return opened_lake;
  if (verb == "make") return make(lake);
  if (verb == "open") return open_and_tell(lake, words.at(2));
  if (verb == "parquet") return print_rows(lake, parquet_sql(words.at(2)));
  if (verb == "work") {
    return work(lake, words[1], words.at(2), {words.begin() + 3, words.end()});
  }
  auto table = verb == "commits"
                   ? DeltaTable::open_or_create(lake.ports(), words.at(2), all_types())
                   : DeltaTable::open(lake.ports(), words.at(2));
  if (!table) return fail(table.error());
  if (verb == "read") return read(lake, *table, words.size() > 3 ? words[3] : "");
  if (verb == "append") return append(*table, words.at(3));
  if (verb == "compact") return compact(*table);
  if (verb == "checkpoint") return table->checkpoint();
  if (verb == "vacuum") return vacuum(*table);
  if (verb == "commits") return commits(*table, std::stoi(words.at(3)));
  return fail(Code::invalid, "no verb {}", verb);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 2) return 2;
  Lake lake;
  auto done = run(lake, words);
  std::error_code ignored;
  std::filesystem::remove_all(lake.spool, ignored);
  if (done) return 0;
  std::fprintf(stderr, "%s: %s\n", std::string(name(done.error().code)).c_str(),
               done.error().message.c_str());
  return 1;
}
