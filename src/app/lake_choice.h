// Which lake the configuration names, a folder or a container of Azure, and what reads and writes
// it.
#pragma once
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "app/config.h"
#include "base/metrics.h"
#include "base/random.h"
#include "lake/credential_options.h"
#include "lake/duck.h"
#include "lake/lake_ports.h"
#include "lake/store.h"

namespace tillrace::app {

// Whether a server writes a lake. With Kafka, whose partitions wander from process to process, only
// where lake.root says which: a lake in each one's data folder would have a part each.
bool writes_lake(const Config& config);
bool is_lake_on_azure(const Config& config);
// The folder, absolute, or abfss://...; no secret.
std::string lake_root(const Config& config);

// invalid, naming the setting, when lake.credential names none, or one that is not given. On Azure
// alone.
Result<lake::CredentialOptions> lake_credential(const Config& config);

// A folder is made where it is absent; Azure is not asked yet. invalid, naming the setting;
// unavailable: the folder cannot be made. No message holds a secret. All references outlive it.
// Once `stop` is requested, requests to Azure end within a second or so, as unavailable.
Result<std::unique_ptr<lake::Store>> open_lake_store(const Config& config, Clock& clock,
                                                     Random& random, Metrics& metrics,
                                                     std::stop_token stop = {});

// Makes a folder, which others cannot enter, for the files on their way of one part of one process,
// such as "command": in the data folder, or in /tmp where there is none, or nothing may be written
// there. What lies in it after a crash is of no use to anybody.
Result<std::filesystem::path> make_lake_spool(const Config& config, const std::string& part,
                                              Random& random);

// With lake.memory_mb. Its own spill goes to the spool folder.
lake::DuckOptions lake_engine(const Config& config, const std::filesystem::path& spool);

// The folder for files that are fetched for queries: the setting, or the data folder's, or the
// user's own ($XDG_CACHE_HOME/tillrace, ~/.cache/tillrace).
std::filesystem::path lake_cache_folder(const Config& config);

// A store, an engine and a session, all that the operations of a command take. For one thread.
class OpenLake {
 public:
  // `stop` and errors as of open_lake_store(); `threads` are the engine's. All references outlive
  // it.
  static Result<std::unique_ptr<OpenLake>> open(const Config& config, const std::string& part,
                                                Clock& clock, Random& random, Metrics& metrics,
                                                std::stop_token stop = {}, unsigned threads = 2);
  // The spool folder goes with it.
  ~OpenLake();

  lake::LakePorts ports() { return {*store_, session_, clock_, random_, spool_}; }

  OpenLake(std::unique_ptr<lake::Store> store, lake::Duck duck, lake::DuckSession session,
           std::filesystem::path spool, Clock& clock, Random& random);  // for open()

 private:
  const std::unique_ptr<lake::Store> store_;
  lake::Duck duck_;
  lake::DuckSession session_;
  const std::filesystem::path spool_;
  Clock& clock_;
  Random& random_;
};

}  // namespace tillrace::app
