// What the caller can do about a PostgreSQL error.
#pragma once
#include <string_view>

#include "base/result.h"

namespace tillrace::warehouse {

// The class of a SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html):
//   unavailable  connection lost or refused (08), shutdown, crash or start (57P01 to 57P05),
//                cancelled or timed out (57014, 25P03), no memory, disk or connections left (53), a
//                read-only standby (25006), I/O errors (58), an internal error (XX000)
//   conflict     serialisation failure and deadlock (40), a lock not to be had (55P03), another
//                mark (TR002: stream.move_mark), a key that another writer was first to insert
//                (23505: the procedures look before they insert)
//   corrupt      damaged data or index (XX001, XX002), another log (TR001: stream.move_mark)
//   not_found    no such database (3D000, 57P04)
//   invalid      everything else: bad data (22), broken constraints (23), wrong user or password
//                (28), bad SQL (42)
Code code_of_sqlstate(std::string_view sqlstate);

}  // namespace tillrace::warehouse
