#pragma once
// Sends what is in the outbox, beside the loop and never in its way. Each sending is claimed durably first, then
// carried out by a child, then its answer is written: of one whose answer was lost, by a crash or a cut connection,
// nobody knows whether it has arrived. It is told as `unknown`, and sent again only where its notice says so.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "connections/secrets/sources.h"
#include "notify/delivery.h"
#include "store/outbox.h"

namespace udon {

// The order for one sending: templates rendered, connection found. Errors are of this sending: not_found and the like
// may pass, invalid never does.
Result<DeliveryOrder> make_order(const Notification& row, const ConnectionSource& connections,
                                 const VariableSource& variables, const std::string& installation,
                                 const std::string& base_url);

// What becomes of it after an answer.
struct AfterSending {
  NotificationState state = NotificationState::failed;
  std::optional<TimePoint> next_at;
  std::string note;
};
AfterSending after_sending(const Notification& row, const DeliveryAnswer& answer, TimePoint now);

struct NotifierOptions {
  std::string installation;
  std::string base_url;           // of links, without a slash at its end
  std::vector<std::string> argv;  // of the child
  std::vector<std::string> environment;
  int senders = 4;
};

class Notifier {
 public:
  // References outlive it.
  Notifier(NotifierOptions options, const Clock& clock, StoreOutbox& outbox, const ConnectionSource& connections,
           const VariableSource& variables);
  ~Notifier();

  // Takes stock of what an earlier life left in the middle, then sends from threads of its own.
  Result<void> start();
  // There may be something new; from any thread.
  void wake();
  // What is being sent has a moment to come to its end.
  void stop();

 private:
  void work(const std::stop_token& stop);
  // Whether there was one.
  bool send_next();
  DeliveryAnswer carry_out(const DeliveryOrder& order);

  const NotifierOptions options_;
  const Clock& clock_;
  StoreOutbox& outbox_;
  const ConnectionSource& connections_;
  const VariableSource& variables_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  uint64_t wakes_ = 0;  // guarded by mutex_
  int busy_ = 0;        // guarded by mutex_
  std::stop_source kill_;
  std::vector<std::jthread> threads_;
};

}  // namespace udon
