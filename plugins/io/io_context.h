#pragma once
// What a file system needs of the try that uses it.
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/pause.h"
#include "connections/secrets/aws_credentials.h"

namespace udon {

// Waits before a repetition; false if the stop came first.
using Pause = std::function<bool(Duration duration, const std::stop_token& stop)>;

struct IoContext {
  const Clock& clock;  // of signatures and of credentials that expire; must outlive the file system
  std::stop_token stop{};
  Pause pause = pause_unless_stopped;
  Environment environment = process_environment();
  Duration stall = std::chrono::seconds(60);       // a store that is silent for so long is asked again
  Duration silence_max = std::chrono::minutes(3);  // but not if one request has waited for so long in all
  // One line for each attempt that failed and is repeated, so that a person sees what a task waits for. Called by any
  // thread; nothing: nobody is told.
  std::function<void(std::string_view)> log{};
  // The operator's parameter that names the store's connection ("to_connection"), and what it says: for messages.
  std::string connection_parameter{};
  std::string connection_id{};
};

// Of an operator's TaskContext, which must outlive the file system; `connection_parameter`: empty where no parameter
// names the connection. A template, because this room does not know it.
template <class TaskContext>
IoContext io_context_of(TaskContext& context, std::string_view connection_parameter) {
  return {.clock = context.clock(),
          .stop = context.stop_token(),
          .log = [&context](std::string_view line) { context.log(line); },
          .connection_parameter = std::string(connection_parameter),
          .connection_id = connection_parameter.empty() ? "" : context.parameters().text(connection_parameter)};
}

}  // namespace udon
