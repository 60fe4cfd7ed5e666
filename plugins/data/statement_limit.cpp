#include "plugins/data/statement_limit.h"

#include "plugins/io/io_context.h"

namespace udon::data {

StatementLimit::StatementLimit(Duration limit, std::stop_token stop)
    : limit_(limit), stop_(stop), pass_on_(std::move(stop), [this] { both_.request_stop(); }) {}

void StatementLimit::start() {
  if (limit_ <= Duration(0)) return;
  watch_ = std::jthread([this](const std::stop_token& finished) {
    if (pause_unless_stopped(limit_, finished)) both_.request_stop();
  });
}

void StatementLimit::finish() { watch_ = {}; }

Error StatementLimit::explain(const Error& error) const {
  if (error.kind != ErrorKind::cancelled || stop_.stop_requested() || !both_.stop_requested()) return error;
  return Error{
      ErrorKind::timeout,
      "a statement took longer than " + format_duration(limit_) +
          " (`statement_timeout`); it was ended, on the server too, and its transaction undone: " + error.message};
}

}  // namespace udon::data
