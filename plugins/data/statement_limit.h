#pragma once
// A time limit for statements. Databases differ in what they limit themselves (MySQL: SELECT only), so the limit is
// kept on this side, and the statement is ended as one is that a person kills: on the server too.
#include <functional>
#include <stop_token>
#include <thread>

#include "base/clock.h"
#include "base/result.h"

namespace udon::data {

class StatementLimit {
 public:
  // limit 0: none. `stop`: the try's own.
  StatementLimit(Duration limit, std::stop_token stop);

  std::stop_token token() const { return both_.get_token(); }  // for sessions: the try is to stop, or time is up
  void start();                                                // the time of a statement begins
  void finish();                                               // it has ended, with all of its rows
  // An error of a session as the try's: `cancelled` because time was up is a timeout.
  Error explain(const Error& error) const;

 private:
  const Duration limit_;
  const std::stop_token stop_;
  std::stop_source both_;
  std::stop_callback<std::function<void()>> pass_on_;
  std::jthread watch_;  // while a statement runs
};

}  // namespace udon::data
