#pragma once
// Reading what the store holds. Safe from any thread (implementations keep a connection per thread or a
// lock); never sees half a commit.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/asset_reader.h"
#include "store/types.h"
#include "store/wait_reader.h"

namespace udon {

class StoreReader : public AssetReader, public WaitReader {
 public:
  virtual Result<std::optional<DagRecord>> dag(const std::string& dag_id) = 0;
  virtual Result<Page<DagRecord>> dags(const DagFilter& filter, const PageRequest& page) = 0;
  virtual Result<std::optional<DagVersionRecord>> dag_version(const std::string& dag_id,
                                                              const std::string& version) = 0;
  virtual Result<std::vector<DagVersionRecord>> dag_versions(
      const std::string& dag_id) = 0;  // without serialized/source

  virtual Result<std::optional<DagRun>> run(const std::string& dag_id, const std::string& run_id) = 0;
  virtual Result<std::optional<DagRun>> run_by_number(RunNumber number) = 0;
  virtual Result<Page<DagRun>> runs(const RunFilter& filter, const PageRequest& page) = 0;
  // Queued and running ones: what the loop keeps in memory. An index, not a scan.
  virtual Result<std::vector<DagRun>> active_runs() = 0;
  // Finished ones that ended before that, in order of their ends and numbers, behind `after`. Likewise.
  virtual Result<std::vector<OldRun>> old_runs(TimePoint before, const RunCursor& after, int limit) = 0;
  // What is left of runs that go in parts (leaving.h), by number, behind `after`. Likewise.
  virtual Result<std::vector<DagRun>> rests(RunNumber after, int limit) = 0;
  // How many task instances a run has; none of them is read. 0: there is no such run.
  virtual Result<int64_t> instances_in(const std::string& dag_id, const std::string& run_id) = 0;
  // How many rows of the history are about a run, counted no further than `at_most`.
  virtual Result<int64_t> events_about(RunNumber run, int64_t at_most) = 0;

  virtual Result<std::optional<Backfill>> backfill(BackfillNumber number) = 0;
  virtual Result<Page<Backfill>> backfills(const BackfillFilter& filter, const PageRequest& page) = 0;
  virtual Result<BackfillRuns> backfill_runs(BackfillNumber number) = 0;

  virtual Result<std::vector<TaskInstance>> instances_of(RunNumber run) = 0;  // by number
  virtual Result<std::optional<InstanceRow>> instance(const TaskInstanceKey& key) = 0;
  virtual Result<std::optional<InstanceRow>> instance_by_number(InstanceNumber number) = 0;
  // Whose current try it is, while that try may still act (queued, running, deferred, restarting); an index,
  // not a scan.
  virtual Result<std::optional<InstanceRow>> instance_of_fence(Fence fence) = 0;
  virtual Result<Page<InstanceRow>> instances(const InstanceFilter& filter, const PageRequest& page) = 0;
  virtual Result<std::vector<TryRecord>> tries_of(InstanceNumber instance) = 0;

  virtual Result<std::optional<XComRecord>> xcom(InstanceNumber instance, const std::string& key) = 0;
  virtual Result<std::vector<XComRecord>> xcoms_of(InstanceNumber instance) = 0;
  // The values of `key` over all map indices of a task in a run, ascending; those without are left out.
  virtual Result<std::vector<std::pair<int, Value>>> xcoms_of_task(RunNumber run, const std::string& task_id,
                                                                   const std::string& key) = 0;
  // Newest first, of one run or task (all its map indices) if named; empty names do not filter.
  virtual Result<Page<EventRecord>> events(const std::string& dag_id, const std::string& run_id,
                                           const std::string& task_id, const PageRequest& page) = 0;
  // How the DAG was paused or unpaused last: its event, whose text begins with that word.
  virtual Result<std::optional<EventRecord>> last_pause(const std::string& dag_id) = 0;
};

}  // namespace udon
