// How commands reach the warehouse and the gateway.
#pragma once
#include "app/commands.h"
#include "warehouse/connection.h"

namespace tillrace::app {

// The configured server, or the private one that runs in the data folder. unavailable, saying how
// to start it, when none does.
Result<warehouse::Connection> open_warehouse(const Config& config);
// Its URL, with the password.
Result<std::string> warehouse_url(const Config& config);

// `given`, or where what runs on the data folder listens. unavailable when nothing does.
Result<std::string> gateway_url(const Config& config, const std::string& given);

// The rows as a table to print.
Table table_of(const warehouse::Rows& rows);

}  // namespace tillrace::app
