#pragma once
// The tables that a database has, with their columns, by few questions however many there are.
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "connections/connection.h"

namespace udon {

struct ListedColumn {
  std::string name;
  std::string type;  // as the server names it: "decimal(12,2)"
};

struct ListedTable {
  std::string schema;
  std::string name;
  // As operators take it in `table`, quoted where need be: MySQL with a database in the connection "orders", else
  // "shop.orders".
  std::string table;
  bool is_view = false;
  bool is_readable = true;  // whether the user may SELECT from it; MySQL shows no others
  std::vector<ListedColumn> columns;
  std::vector<std::string> key;  // columns of the primary key
};

// By schema and name. Without the server's own tables, temporary ones, and partitions of a partitioned table.
Result<std::vector<ListedTable>> list_mysql_tables(const Connection& connection, bool with_views, std::stop_token stop);
Result<std::vector<ListedTable>> list_postgres_tables(const Connection& connection, bool with_views,
                                                      std::stop_token stop);

}  // namespace udon
