#pragma once
// A program that is started as part of a try, or for a poke, and waited for.
#include <sys/types.h>

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/subprocess.h"
#include "plugins/api/task_context.h"

namespace udon {

class ChildProcess {
 public:
  // Gets what it prints, cut anywhere; stream: STDOUT_FILENO or STDERR_FILENO.
  using OnOutput = std::function<void(int stream, std::string_view bytes)>;
  using Start = std::function<Result<pid_t>(SpawnRequest)>;

  ChildProcess(TaskContext& context, OnOutput on_output);  // by context.start_process; `context` outlives this
  ChildProcess(Start start, std::stop_token stop, OnOutput on_output);

  // `input` is its standard input, whole; it is on no disk. The request's descriptors are not used.
  Result<void> start(SpawnRequest request, std::string_view input = {});

  // Until the program itself has ended, not until its output has: what it leaves in the background may hold the pipes
  // open, and is ended by the runner. When it is asked to stop, its whole group gets SIGTERM.
  Result<ExitStatus> wait();

 private:
  void drain(FileDescriptor& pipe, int stream);

  const Start start_;
  const std::stop_token stop_;
  const OnOutput on_output_;
  FileDescriptor stop_event_;
  FileDescriptor output_;
  FileDescriptor errors_;
  pid_t pid_ = 0;
  FileDescriptor process_;
  char buffer_[64 << 10];
};

}  // namespace udon
