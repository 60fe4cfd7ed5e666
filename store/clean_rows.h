#pragma once
// Taking away rows that are old and that nothing refers to: what the scheduler neither needs nor changes any more.
// Runs, with all that hangs on them, are the scheduler's (scheduler/retention.h).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace udon {

// The tables, as `udon db clean --tables` names them. A row goes if it is old, and
enum class RowTable {
  asset_event,   // waits for no DAG, is the last of no asset, and has neither made a run due nor comes from one that
                 // is there
  backfill,      // is over, and no run of it is there
  dag_version,   // is neither the DAG's last nor its current one, and no run has or had it
  notification,  // is not to be sent any more, and its run is gone
  log,           // is about no run that is there, and does not say why a DAG is paused: the history of commands, of
                 // starts, of runs that are gone
};
std::string_view to_string(RowTable table);
std::optional<RowTable> parse_row_table(std::string_view text);
const std::vector<RowTable>& all_row_tables();

// One step: looks at a bounded number of rows, and deletes those that may go in one transaction. Asked again from
// `RowsCleaned::next` on until it is done.
struct RowsStep {
  RowTable table = RowTable::asset_event;
  TimePoint before{};
  std::vector<std::string> dag_ids = {};  // empty: of all
  int64_t after = 0;                      // a place in the table
  bool dry_run = false;
};
struct RowsCleaned {
  int64_t rows = 0;
  int64_t next = 0;
  bool is_done = false;
};

}  // namespace udon
