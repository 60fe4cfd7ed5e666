#pragma once
// How others ask the loop. The loop implements it; web and cli call it from their threads, in-process or over
// the server's socket.
#include <string>

#include "base/result.h"
#include "model/command.h"
#include "model/reason.h"

namespace udon {

class Control {
 public:
  virtual ~Control() = default;
  // Blocks until the commit that carries it out. Errors: not_found (no such dag, run, task), conflict (run_id
  // or logical date exists), invalid (conf against params), unavailable (loop is stopping, store fails).
  virtual Result<CommandOutcome> submit(Command command) = 0;
  virtual Result<Reason> why(const TaskInstanceKey& key) = 0;
  // False until the first load of the catalog has been taken in; health says so.
  virtual bool is_ready() const = 0;
  // Why nothing is started at present (disk full, store failing); empty: all is well.
  virtual std::string stopped() const = 0;
};

}  // namespace udon
