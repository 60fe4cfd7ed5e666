#include "web/unmapped.h"

#include <algorithm>

namespace udon::web {

Result<std::vector<InstanceRow>> unmapped_of(World& world, const DagRun& run,
                                             const std::vector<std::string>& task_ids) {
  std::vector<InstanceRow> rows;
  const DagInfoPtr info = world.dags.find(run.dag_id, run.dag_version);
  if (!info) return rows;
  for (const Task& task : info->dag->tasks) {
    if (!task.expand || known_length(*task.expand)) continue;
    if (!task_ids.empty() && std::ranges::find(task_ids, task.task_id) == task_ids.end()) continue;
    // Task instances come in the order of their map indexes, or as one that stands for all.
    bool is_there = false;
    for (const int map_index : {0, -1}) {
      TRY_ASSIGN(const auto row, world.reader.instance({run.dag_id, run.run_id, task.task_id, map_index}));
      is_there = is_there || row;
    }
    if (is_there) continue;
    InstanceRow row{.instance = {},
                    .dag_id = run.dag_id,
                    .run_id = run.run_id,
                    .logical_date = run.logical_date,
                    .run_after = run.run_after,
                    .dag_version = run.dag_version};
    // No row has such a number: it makes an id that is this task's alone, and nothing hangs on it in the store.
    row.instance.number = -1 - static_cast<InstanceNumber>(&task - info->dag->tasks.data());
    row.instance.run = run.number;
    row.instance.task_id = task.task_id;
    row.instance.max_tries = 1 + task.retry.retries;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace udon::web
