#pragma once
// A runner that is started once, then forks itself for each try: what the start of a program with its libraries costs
// is paid once. It has one thread and has done nothing yet when it forks, so each try begins as clean as one that was
// started by itself. Its forks are children of ours and live on when it, or we, end (docs/adr/0016).
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "model/run.h"

namespace udon {

// Used by one thread.
class RunnerTemplate {
 public:
  struct Options {
    Path runner;  // udon-task
    Path home;
    std::vector<std::string> environment;  // of the runners, without their try's id
    Duration answer_patience = std::chrono::seconds(5);
    Duration pause_after_failure = std::chrono::seconds(10);
  };
  RunnerTemplate(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}
  ~RunnerTemplate();
  RunnerTemplate(const RunnerTemplate&) = delete;

  // The runner of this try, a child of ours that nobody has waited for. The first call starts the template. An error:
  // there is none now, and the runner has to be started by itself; what is wrong is told in the server's log once. In
  // the rare case that it was forked all the same, the two find out in the try's folder which one runs it.
  Result<pid_t> start(const TryId& id, const Path& cgroup);

 private:
  Result<void> begin(const std::string& installation);
  Result<pid_t> ask(const TryId& id, const Path& cgroup);
  void end();

  const Options options_;
  const Clock& clock_;
  pid_t pid_ = 0;  // 0: there is none
  FileDescriptor socket_;
  size_t mark_size_ = 0;
  Duration begin_again_at_{0};
};

}  // namespace udon
