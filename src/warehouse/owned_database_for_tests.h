// A database of somebody who is no superuser, such as in a managed PostgreSQL. Included by
// *_test.cc alone.
#pragma once
#include "warehouse/database_for_tests.h"

namespace tillrace::warehouse {

// Empty, not even migrated.
class OwnedDatabase {
 public:
  OwnedDatabase() {
    Connection server = SharedServer::get().connect();
    role_ = "owner_" + database_.name();
    EXPECT_TRUE(server.execute(fmt::format("create role {} login password 'secret'", role_)));
    EXPECT_TRUE(
        server.execute(fmt::format("alter database {} owner to {}", database_.name(), role_)));
    url_ = database_.url();
    std::size_t begin = url_.find("//") + 2;
    url_.replace(begin, url_.find('@') - begin, role_ + ":secret");
  }
  OwnedDatabase(const OwnedDatabase&) = delete;
  OwnedDatabase& operator=(const OwnedDatabase&) = delete;
  ~OwnedDatabase() {
    Connection own = database_.connect();
    EXPECT_TRUE(own.execute(fmt::format(
        "reassign owned by {0} to current_user; drop owned by {0}; drop role {0}", role_)));
  }

  // Both as the owner.
  const std::string& url() const { return url_; }
  Connection connect() const {
    auto connection = Connection::open(url_);
    EXPECT_TRUE(connection) << connection.error().message;
    return std::move(*connection);
  }

 private:
  TestDatabase database_{false};
  std::string role_;
  std::string url_;
};

}  // namespace tillrace::warehouse
