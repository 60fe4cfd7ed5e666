#pragma once
// The rows of one statement on one connection, as cells; nothing that it does stays.
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/api/operator.h"
#include "plugins/sql_check/compare.h"

namespace udon {

struct CheckQuery {
  std::string connection;
  std::string parameter;  // that holds the statement, for messages: "sql", "other_sql"
  std::string sql;
  Value parameters = Value::map();  // all; those that the statement names are taken
};

using CheckRow = std::vector<CheckCell>;

// Calls `take` with each row; its error ends the reading. The columns' names. Other parameters of context: timezone,
// statement_timeout.
Result<std::vector<std::string>> read_answer(
    TaskContext& context, const CheckQuery& query,
    const std::function<Result<void>(const std::vector<std::string>& columns, CheckRow row)>& take);

// The names that a statement has places for.
Result<std::vector<std::string>> names_in(TaskContext& context, const CheckQuery& query);

}  // namespace udon
