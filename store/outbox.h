#pragma once
// What is to be told to people and what has become of it. Rows come in by StoreWriter alone, in the commit of the move
// that they tell of; from then on the sender moves them, each step by what it believes the row to be.
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/notice.h"
#include "store/types.h"

namespace udon {

struct NotificationFilter {
  std::vector<NotificationState> states;  // empty: all
  std::string dag_id;                     // empty: all
  std::string run_id;
};

class StoreOutbox {
 public:
  virtual ~StoreOutbox() = default;

  // The pending one that is due first, now `sending`; durable when it returns. Nothing: none is due.
  virtual Result<std::optional<Notification>> claim(TimePoint now) = 0;
  // When the next pending one is due; an index, not a scan.
  virtual Result<std::optional<TimePoint>> next_due() = 0;
  // What the sending number `sends` gave. conflict: the row is not `sending` for that time (any more), and stays.
  virtual Result<void> finish(int64_t number, int sends, NotificationState state, std::optional<TimePoint> next_at,
                              TimePoint at, const std::string& note) = 0;
  // At a start, when nobody sends: what is `sending` was being sent when the server died. It becomes unknown, or
  // pending where its notice says so. Gives how many.
  virtual Result<int64_t> recover(TimePoint now, const std::string& note) = 0;
  // Somebody wants it sent once more: failed, unknown or sent → pending, with all its retries. not_found; conflict
  // where it is pending or sending anyway.
  virtual Result<Notification> resend(int64_t number, TimePoint now) = 0;

  virtual Result<std::optional<Notification>> notification(int64_t number) = 0;
  virtual Result<Page<Notification>> notifications(const NotificationFilter& filter,
                                                   const PageRequest& page) = 0;  // newest first
};

// For all stores alike.
Error no_such_notification(int64_t number);
Error not_sending(int64_t number, int sends, NotificationState state);
Error not_resendable(const Notification& row);

}  // namespace udon
