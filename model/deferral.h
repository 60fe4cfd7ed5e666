#pragma once
// A try that has ended its process to wait for something outside: the prober looks for it, with the state that the
// process has left, and ends the try or has it go on in a new process. It is one try all the while.
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"
#include "model/run.h"

namespace udon {

// What a process says when it ends so.
struct Deferring {
  Value state;
  Duration poke_interval = std::chrono::seconds(10);
  std::optional<Duration> timeout;  // of this waiting
  bool operator==(const Deferring&) const = default;
};
Value to_value(const Deferring& deferring);
Result<Deferring> parse_deferring(const Value& value);

// As it is kept until the try has ended.
struct Deferral {
  InstanceNumber instance = 0;
  int try_number = 0;
  Fence fence = 0;         // under which it waits; 0: it goes on (event), or is about to
  TimePoint started_at{};  // the try: when its first process began
  TimePoint since{};       // when this waiting began
  Deferring what;
  std::optional<Value> event;  // what was waited for has come: the next process is given this
  bool operator==(const Deferral&) const = default;
};
using DeferralPtr = std::shared_ptr<const Deferral>;

}  // namespace udon
