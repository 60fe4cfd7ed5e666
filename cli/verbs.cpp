#include "cli/verbs.h"

#include <poll.h>

#include <algorithm>
#include <charconv>

namespace udon::cli {

Result<std::string> resolve_run(Api& api, const std::string& dag_id, const std::string& run_id) {
  if (run_id != "latest") return run_id;
  TRY_ASSIGN(const Value runs, api.get("/api/v2/dags/" + path_of({dag_id}) + "/dagRuns?limit=1&order_by=-id"));
  if (runs.get("dag_runs").size() == 0)
    return Error{ErrorKind::not_found,
                 "DAG " + dag_id + " has no runs yet; `udon dags trigger " + dag_id + "` makes one"};
  return runs.get("dag_runs").as_list()[0].text("dag_run_id");
}

Result<int64_t> parse_count(const std::string& name, const std::string& text) {
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size())
    return Error{ErrorKind::invalid, name + ": expected an integer, not `" + text + "`"};
  return value;
}

void pause_for(std::chrono::milliseconds time) { ::poll(nullptr, 0, static_cast<int>(time.count())); }

void tell_version(Session& session, Api& api, const std::string& dag_id, const std::string& run_id) {
  const auto run = api.get(run_path(dag_id, run_id));
  const auto dag = api.get("/api/v2/dags/" + path_of({dag_id}) + "/details");
  if (!run || !dag || !run->get("dag_versions").is_list() || run->get("dag_versions").size() == 0) return;
  const int64_t kept = run->get("dag_versions").as_list().back().integer("version_number");
  const int64_t newest = dag->get("latest_dag_version").integer("version_number", kept);
  if (kept == newest) return;
  session.output().note(run_id + " keeps version " + std::to_string(kept) + " of " + dag_id +
                        "; the file is at version " + std::to_string(newest) + ": `udon runs clear " + dag_id + " " +
                        run_id + " --run-on-latest-version` lets it go on with that");
}

namespace {

// After a failure: which tasks, why, and where to read on.
Result<void> tell_failures(Session& session, Api& api, const std::string& dag_id, const std::string& run_id) {
  constexpr int64_t told_max = 10;
  TRY_ASSIGN(const Value failed,
             api.get_all(run_path(dag_id, run_id) + "/taskInstances?state=failed", "task_instances", told_max));
  for (const Value& instance : failed.get("task_instances").as_list()) {
    const std::string task = instance.text("task_id");
    const int64_t map_index = instance.integer("map_index", -1);
    std::string name = task, option;
    if (map_index >= 0) {
      name += "[" + std::to_string(map_index) + "]";
      option = " --map-index " + std::to_string(map_index);
    }
    session.output().note(
        "  " + name + " failed" + (instance.text("note").empty() ? "" : ": " + instance.text("note")) +
        (instance.integer("try_number") == 0 ? ""  // never tried: it has no log, and the note says all
                                             : "\n    udon tasks logs " + dag_id + " " + run_id + " " + task + option));
  }
  const int64_t more = failed.integer("total_entries") - static_cast<int64_t>(failed.get("task_instances").size());
  if (more > 0)
    session.output().note("  and " + std::to_string(more) + " more: udon tasks list " + dag_id + " " + run_id +
                          " --state failed");
  return {};
}

}  // namespace

Result<int> wait_for_run(Session& session, const std::string& dag_id, const std::string& run_id,
                         std::optional<Duration> at_most) {
  TRY_ASSIGN(Api* const api, session.api());
  const Duration start = session.clock().monotonic();
  std::string last_state;
  auto interval = std::chrono::milliseconds(20);
  while (true) {
    TRY_ASSIGN(const Value run, api->get(run_path(dag_id, run_id)));
    const std::string state = run.text("state");
    if (state == "success" || state == "failed") {
      const double seconds = run.get("duration").is_number() ? run.get("duration").as_double() : 0;
      const auto shown = format_duration(
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(seconds)));
      session.output().note(dag_id + " " + run_id + ": " + state + " in " + shown);
      if (state == "success") return 0;
      TRY(tell_failures(session, *api, dag_id, run_id));
      return 1;
    }
    if (!api->is_live())
      return Error{ErrorKind::unavailable, "no scheduler runs for " + session.home().string() + ", so " + run_id +
                                               " stays " + state + "; start `udon standalone`"};
    if (state == "queued") {
      TRY_ASSIGN(const Value dag, api->get("/api/v2/dags/" + path_of({dag_id})));
      if (dag.flag("is_paused")) {
        session.output().note(dag_id + " is paused: " + run_id + " stays queued until `udon dags unpause " + dag_id +
                              "`");
        return 1;
      }
    }
    if (state != last_state) session.output().note(dag_id + " " + run_id + ": " + state);
    last_state = state;
    if (at_most && session.clock().monotonic() - start > *at_most)
      return Error{ErrorKind::timeout,
                   run_id + " is still " + state + " after " + format_duration(*at_most) + "; it goes on"};
    pause_for(interval);
    interval = std::min(interval * 3 / 2, std::chrono::milliseconds(500));
  }
}

std::string shown_name(const Value& instance) {
  const int64_t map_index = instance.integer("map_index", -1);
  return instance.text("task_id") + (map_index < 0 ? "" : "[" + std::to_string(map_index) + "]");
}

}  // namespace udon::cli
