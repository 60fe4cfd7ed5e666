#include "store/covered.h"

namespace udon {

Result<std::optional<TimePoint>> covered_until(StoreReader& reader, const DagRecord& dag) {
  std::optional<TimePoint> unknown;
  if (!dag.last_scheduled_logical_date) return unknown;
  RunFilter filter;
  filter.dag_ids = {dag.dag_id};
  filter.types = {RunType::scheduled};
  filter.logical_date_gte = filter.logical_date_lte = dag.last_scheduled_logical_date;
  TRY_ASSIGN(const auto last, reader.runs(filter, {.limit = 1, .offset = 0}));
  if (last.rows.empty() || !last.rows.front().data_interval) return unknown;
  return std::optional(last.rows.front().data_interval->end);
}

}  // namespace udon
