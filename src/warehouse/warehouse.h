// Store B: the shop in PostgreSQL. Owns the private server, when there is one, and knows how to
// reach it.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "warehouse/batch_writer.h"
#include "warehouse/cluster.h"
#include "warehouse/connection.h"

namespace tillrace::warehouse {

struct WarehouseOptions {
  std::string url;  // empty: a private server, made and run in `cluster.folder`
  ClusterOptions cluster;
  std::string time_zone = "UTC";  // the shop's, an IANA name
};

// Thread-safe. `clock` and `random` must outlive it.
class Warehouse {
 public:
  // The schema is this program's when it returns. The private server stops with this object.
  static Result<std::unique_ptr<Warehouse>> open(const WarehouseOptions& options, Clock& clock,
                                                 Random& random);

  // ok when the server answers. Starts the private server again when it has died; a foreign one is
  // only asked.
  Status ensure_running();

  // For this program's own sessions.
  std::string url() const;
  // For people: psql, pgAdmin, Power BI. Holds the password.
  std::string public_url() const;

  Warehouse(std::string url, std::unique_ptr<Cluster> cluster)  // for open()
      : url_(std::move(url)), cluster_(std::move(cluster)) {}

 private:
  std::string url_;
  std::unique_ptr<Cluster> cluster_;  // absent with a foreign server
};

}  // namespace tillrace::warehouse
