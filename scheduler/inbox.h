#pragma once
// What others put down for the loop, from their threads; the loop takes it at its own pace.
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "dagfile/catalog.h"
#include "model/command.h"
#include "model/reason.h"

namespace udon {

struct Asked {
  Command command;
  std::promise<Result<CommandOutcome>> answer;
};
struct AskedWhy {
  TaskInstanceKey key;
  std::promise<std::optional<Reason>> answer;  // nothing: not in memory
};

class Inbox {
 public:
  std::future<Result<CommandOutcome>> put(Command command);
  std::future<std::optional<Reason>> put(TaskInstanceKey key);
  void put(CatalogPtr catalog);
  void wake();

  struct Content {
    std::vector<Asked> commands;
    std::vector<AskedWhy> questions;
    CatalogPtr catalog;  // the newest, if one came
  };
  Content take();
  // Until something is put down, `most` has passed, or stop is asked for.
  void wait(std::stop_token stop, Duration most);
  // From now on commands are refused at once with this.
  void close(Error error);

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any has_content_;
  Content content_;
  bool is_woken_ = false;
  std::optional<Error> closed_;
};

}  // namespace udon
