// Brings a database to this program's schema.
#pragma once
#include <string>

#include "base/result.h"
#include "warehouse/connection.h"

namespace tillrace::warehouse {

// Applies what is missing of sql_migrations() and what has changed of sql_functions(), in one
// transaction, under a lock that other migrating processes wait for. Nothing is done, and nothing
// is locked for long, when all is in place. invalid when an applied migration's text differs from
// this program's (another version has been at work).
Status migrate(Connection& connection);

// Makes `zone` the zone in which dates are read and reports are cut. A change makes the running
// aggregates anew, in the same transaction. invalid when the server does not know the zone.
Status set_time_zone(Connection& connection, const std::string& zone);

}  // namespace tillrace::warehouse
