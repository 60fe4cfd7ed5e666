#pragma once
// What several nouns need.
#include <optional>
#include <string>

#include "cli/session.h"

namespace udon::cli {

inline std::string run_path(const std::string& dag_id, const std::string& run_id) {
  return "/api/v2/dags/" + path_of({dag_id}) + "/dagRuns/" + path_of({run_id});
}
inline std::string run_tree_path(const std::string& dag_id, const std::string& run_id) {
  return "/api/udon/dags/" + path_of({dag_id}) + "/dagRuns/" + path_of({run_id}) + "/taskGroups";
}
// `latest` is the DAG's newest run; any other id is itself.
Result<std::string> resolve_run(Api& api, const std::string& dag_id, const std::string& run_id);
// An integer that was given as text; the error names the argument.
Result<int64_t> parse_count(const std::string& name, const std::string& text);

// Until the run has ended: 0 success, 1 failed, saying what failed and where to look. A paused DAG is 1 at once.
Result<int> wait_for_run(Session& session, const std::string& dag_id, const std::string& run_id,
                         std::optional<Duration> at_most);

// Says so if the run has another version of its DAG than the file: it keeps the one that it was made with.
void tell_version(Session& session, Api& api, const std::string& dag_id, const std::string& run_id);

// The file of this very program; the other programs and the plugins lie beside it.
inline Path own_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

// Of a task instance as the API shows it: "export", "export[3]".
std::string shown_name(const Value& instance);

// Waits without spinning: for what only asking again can tell.
void pause_for(std::chrono::milliseconds time);

}  // namespace udon::cli
