#include "scheduler/inbox.h"

#include "base/limits.h"

namespace udon {

std::future<Result<CommandOutcome>> Inbox::put(Command command) {
  Asked asked{.command = std::move(command), .answer = {}};
  auto future = asked.answer.get_future();
  const std::lock_guard lock(mutex_);
  if (closed_) {
    asked.answer.set_value(*closed_);
  } else if (static_cast<int>(content_.commands.size()) >= limits::inbox_commands_max) {
    asked.answer.set_value(Error{ErrorKind::unavailable, std::to_string(content_.commands.size()) +
                                                             " commands wait for the scheduler; try again later"});
  } else {
    content_.commands.push_back(std::move(asked));
    is_woken_ = true;
    has_content_.notify_one();
  }
  return future;
}

std::future<std::optional<Reason>> Inbox::put(TaskInstanceKey key) {
  AskedWhy asked{.key = std::move(key), .answer = {}};
  auto future = asked.answer.get_future();
  const std::lock_guard lock(mutex_);
  if (closed_) {
    asked.answer.set_value(std::nullopt);
    return future;
  }
  content_.questions.push_back(std::move(asked));
  is_woken_ = true;
  has_content_.notify_one();
  return future;
}

void Inbox::put(CatalogPtr catalog) {
  const std::lock_guard lock(mutex_);
  content_.catalog = std::move(catalog);
  is_woken_ = true;
  has_content_.notify_one();
}

void Inbox::wake() {
  const std::lock_guard lock(mutex_);
  is_woken_ = true;
  has_content_.notify_one();
}

Inbox::Content Inbox::take() {
  const std::lock_guard lock(mutex_);
  is_woken_ = false;
  return std::exchange(content_, {});
}

void Inbox::wait(std::stop_token stop, Duration most) {
  std::unique_lock lock(mutex_);
  has_content_.wait_for(lock, stop, most, [this] { return is_woken_; });
}

void Inbox::close(Error error) {
  Content left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = error;
    left = std::exchange(content_, {});
  }
  for (Asked& asked : left.commands) asked.answer.set_value(error);
  for (AskedWhy& asked : left.questions) asked.answer.set_value(std::nullopt);
}

}  // namespace udon
