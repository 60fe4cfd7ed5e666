#pragma once
// A home with one try after another in it, run by the real udon-task.
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/id.h"
#include "base/limits.h"
#include "base/text.h"
#include "plugins/api/plugin_host.h"
#include "spool/log_parts.h"
#include "spool/spool.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/eventually.h"

namespace udon::test {

inline Path udon_task() { return executable_folder().parent_path() / "udon-task"; }

class TryHome {
 public:
  TryHome() : spool_(folder_.path()) {}

  const Spool& spool() const { return spool_; }
  Path home() const { return folder_.path(); }

  TryRequest request(const std::string& operator_name, Value parameters) {
    TryRequest made;
    made.try_id = {.installation = installation_, .fence = ++last_fence_};
    made.key = {.dag_id = "dag", .run_id = "run", .task_id = "task"};
    made.run = 1;
    made.instance = last_fence_;
    made.operator_name = operator_name;
    made.parameters = std::move(parameters);
    made.token = "token-of-the-try";
    made.log_file = log_file_of(made.run, made.instance, 1);
    made.dags_folder = folder_.path().string();
    return made;
  }
  TryRequest bash(const std::string& command) { return request("bash", Value::Map{{"command", command}}); }

  // The environment has what a test adds, and PATH.
  std::vector<std::string> environment{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"};
  Path cgroup;
  Path runner = udon_task();

  pid_t start(const TryRequest& request) {
    REQUIRE(spool_.write_request(request));
    SpawnRequest spawned{.argv = {runner, folder_.path(), to_string(request.try_id)}, .environment = environment};
    if (!cgroup.empty()) spawned.argv.push_back(cgroup);
    spawned.environment.push_back("UDON_TRY_ID=" + to_string(request.try_id));
    spawned.stderr_fd = STDERR_FILENO;
    const auto pid = spawn(spawned);
    REQUIRE(pid);
    return *pid;
  }
  TryEnded result(const TryRequest& request) const {
    const auto ended = spool_.read_result(request.try_id);
    REQUIRE(ended);
    REQUIRE(ended->has_value());
    return **ended;
  }
  TryEnded run(const TryRequest& request) {
    const auto status = wait_child(start(request));
    REQUIRE(status);
    CHECK(describe(*status) == "exit code 0");
    return result(request);
  }
  std::string log_text(const TryRequest& request) const {
    return read_log(spool_.log_file(request), 0, 2 * limits::log_bytes_max, true).value_or(LogPiece{}).text;
  }
  // The lines of the log without their times, and without what the runner says if `of_operator`.
  std::vector<std::string> log_lines(const TryRequest& request) const {
    std::vector<std::string> lines;
    for (const std::string& line : split(log_text(request), '\n')) {
      if (line.empty()) continue;
      REQUIRE(line.size() >= 28);
      REQUIRE(line.substr(19, 1) == ".");
      REQUIRE(line.substr(26, 2) == "Z ");
      if (!line.substr(28).starts_with("udon: ")) lines.push_back(line.substr(28));
    }
    return lines;
  }
  bool log_has(const TryRequest& request, std::string_view text) const {
    return log_text(request).find(text) != std::string::npos;
  }

 private:
  TemporaryFolder folder_;
  Spool spool_;
  // Of each home its own: processes are found by it on the whole machine, where others may run the same test.
  const std::string installation_ = make_secret(8);
  Fence last_fence_ = 0;
};

}  // namespace udon::test
