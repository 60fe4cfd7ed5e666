#pragma once
// Which tables, and what becomes of their columns: rules over names and types, and what is said of single tables.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "plugins/tables/table_list.h"

namespace udon {

// `%` stands for anything, every other character for itself, upper and lower case alike (of ASCII).
bool is_like(std::string_view name, std::string_view pattern);

struct TableRules {
  std::vector<std::string> like = {"%"};  // a pattern with a dot is of "schema.table", one without of the table
  std::vector<std::string> except;
  struct Policy {
    std::string column = "%", table = "%", source_type = "%";
    Value action = Value::map();  // of mask, type, as, leave_out
    std::string written;          // for messages
  };
  std::vector<Policy> policies;
  Value defaults = Value::map();   // what each entry has besides
  Value overrides = Value::map();  // table → {columns: {column → action}, leave_out, other keys of its entry}

  static Result<TableRules> parse(const Value& parameters);
};

struct TablePlan {
  // {table, connection, <defaults and overrides>, columns, key, seen: {column: type}}, in the tables' order.
  Value::List entries;
  std::vector<std::string> warnings;
};

// invalid: an override of a table or column that is not there (with the nearest name), two columns of one name.
Result<TablePlan> plan_tables(const std::vector<ListedTable>& tables, const TableRules& rules,
                              const std::string& connection_id);

}  // namespace udon
