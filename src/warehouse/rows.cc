#include <libpq-fe.h>

#include <charconv>

#include "base/check.h"
#include "warehouse/connection.h"

namespace tillrace::warehouse {

void Rows::Clear::operator()(pg_result* result) const { PQclear(result); }

int Rows::row_count() const { return PQntuples(result_.get()); }
int Rows::column_count() const { return PQnfields(result_.get()); }

std::string_view Rows::column_name(int column) const {
  CHECK(column >= 0 && column < column_count());
  return PQfname(result_.get(), column);
}

std::uint32_t Rows::column_type(int column) const {
  CHECK(column >= 0 && column < column_count());
  return PQftype(result_.get(), column);
}

int Rows::column(std::string_view name) const {
  for (int i = 0; i < column_count(); ++i) {
    if (column_name(i) == name) return i;
  }
  return -1;
}

std::optional<std::string_view> Rows::cell(int row, int column) const {
  CHECK(row >= 0 && row < row_count() && column >= 0 && column < column_count());
  if (PQgetisnull(result_.get(), row, column) != 0) return std::nullopt;
  return std::string_view(PQgetvalue(result_.get(), row, column),
                          static_cast<std::size_t>(PQgetlength(result_.get(), row, column)));
}

std::int64_t Rows::affected_rows() const {
  std::string_view text = PQcmdTuples(result_.get());
  std::int64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

}  // namespace tillrace::warehouse
