#pragma once
// What the query_*.cpp files share. Not for others.
#include <optional>

#include "plugins/data/query.h"
#include "plugins/data/wall_clock.h"

namespace udon::data {

Result<std::unique_ptr<QuerySession>> open_mysql_queries(const Connection& connection, const QueryOptions& options,
                                                         std::stop_token stop);
Result<std::unique_ptr<QuerySession>> open_postgres_queries(const Connection& connection, const QueryOptions& options,
                                                            std::stop_token stop);
Result<std::unique_ptr<QuerySession>> open_sqlite_queries(const Connection& connection, const QueryOptions& options,
                                                          std::stop_token stop);

// For databases that know no type of a value's place (MySQL, SQLite): instants become the wall clock of `timezone`,
// which is what columns without zone hold. invalid: there is none.
Result<BoundSql> bind_as_wall_clock(const Statement& statement, SqlDialect dialect, const std::string& timezone);

Result<std::optional<WallClock>> clock_of(const std::string& timezone);

// Columns by whose names nobody could tell them apart.
Result<void> check_distinct(const std::vector<std::string>& names);

// "column `amount` (decimal(12,2)), row 7 of the answer".
std::string place_of(const ColumnInfo& column, uint64_t row);

Error value_too_large(const ColumnInfo& column, uint64_t row, const TableRequest& request, int64_t bytes);
Error row_too_large(uint64_t row, const TableRequest& request, int64_t bytes);  // its values together

}  // namespace udon::data
