#pragma once
// The bounds of a server as one try keeps to them, by the door that shares them out over all tries.
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "plugins/api/operator.h"
#include "plugins/data/pace.h"

namespace udon::data {

// nullptr: a database of a type that has no bounds. `context` outlives it. `id`: of the connection.
std::unique_ptr<Pace> make_pace(TaskContext& context, const std::string& id, const Connection& connection);

// For operators that read by statements of people's own, in one session. From begin() until its end it counts as one
// reader; the session is opened after begin(), so that none is open that waits.
class StatementPace {
 public:
  StatementPace(TaskContext& context, const std::string& id, const Connection& connection);
  Result<void> begin(Pace::Standing standing);
  std::stop_token token() const { return stop_.get_token(); }  // the try is to stop, or the bounds end its reading
  Pace* pace() const { return has_begun_ ? pace_.get() : nullptr; }
  int64_t batch_rows(int64_t most) const { return pace() != nullptr ? pace_->batch_rows(most) : most; }
  // An error after token() was asked to stop, as what asked for it.
  Error explain(const Error& error) const;

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> pass_on_;
  std::unique_ptr<Pace> pace_;
  bool has_begun_ = false;
};

}  // namespace udon::data
