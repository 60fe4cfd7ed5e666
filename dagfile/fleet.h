#pragma once
// Tasks that are mapped over the tables of a database, `expand: {item: {tables: {…, file: shop.tables.yaml}}}`: the
// rules stand in the DAG file, what they gave stands in the file beside it, in git. Here: finding the rules, writing
// that file, and telling what has changed since.
#include <string>
#include <vector>

#include "base/file.h"
#include "base/value.h"

namespace udon {

struct FleetTask {
  std::string dag_id;
  std::string task_id;
  Path dag_file;                    // relative to the DAGs folder
  Path manifest;                    // likewise
  Value parameters = Value::map();  // of the operator `tables`
};
// In the file's order. A file that is no YAML, or a task whose rules are none, gives nothing: `dags check` tells of it.
std::vector<FleetTask> fleet_tasks(const Path& dag_file, std::string_view content);

// As YAML, one table after the other, in a form that makes for small differences.
std::string to_manifest(const FleetTask& task, const Value::List& entries);

struct TableChange {
  enum class Kind { added, dropped, changed };
  Kind kind = Kind::added;
  std::string table;
  std::vector<std::string> details;  // of a change: "+ column `coupon` varchar(20)", "column `amount`: int → bigint"
  bool operator==(const TableChange&) const = default;
};
// By table: those added, then dropped, then changed.
std::vector<TableChange> compare_tables(const Value::List& before, const Value::List& after);

}  // namespace udon
