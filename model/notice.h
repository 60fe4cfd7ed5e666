#pragma once
// Whom to tell when a task instance or dag run comes to an end: what a DAG file says of it, and what became of telling.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"
#include "model/state.h"

namespace udon {

// What is told of. Named as in DAG files: on_success, on_failure, on_retry, on_skipped,
// on_asked (an answer is needed), on_paused (of a DAG: too many of its runs have failed in a row).
enum class NoticeEvent { success, failure, retry, skipped, asked, deadline, paused };
std::string_view to_string(NoticeEvent event);
std::optional<NoticeEvent> parse_notice_event(std::string_view text);
const std::vector<NoticeEvent>& all_notice_events();  // those of tasks
const std::vector<NoticeEvent>& dag_notice_events();  // those of a DAG itself, deadlines left out
std::string key_of(NoticeEvent event);                // "on_failure"; "deadline.notify"
// Upstream failures are not told, as in Airflow: what failed above has been.
std::optional<NoticeEvent> event_of(TaskState state);
std::optional<NoticeEvent> event_of(RunState state);

enum class NoticeWay { webhook, email, command };
std::string_view to_string(NoticeWay way);
std::optional<NoticeWay> parse_notice_way(std::string_view text);

// One wish of a DAG file. Immutable, kept in the DAG's version and copied into each notification.
struct Notice {
  NoticeEvent on = NoticeEvent::failure;
  NoticeWay way = NoticeWay::webhook;
  std::string connection;              // of webhook and email
  Value settings = Value::map();       // templates not rendered: text, body, to, subject, argv
  int retries = 5;                     // sendings after the first
  Duration timeout = default_timeout;  // of one sending
  bool resends_unknown = false;        // once more where nobody knows whether it has arrived
  static constexpr Duration default_timeout = std::chrono::seconds(30);
  bool operator==(const Notice&) const = default;
};
Value to_value(const Notice& notice);
Result<Notice> parse_notice(const Value& value);

// A run should have ended so long after a moment of it; if it has not, these are told, once.
struct Deadline {
  enum class Of { queued_at, logical_date, run_after, start_date };
  Of of = Of::queued_at;
  Duration after{};
  std::vector<Notice> notices;
  bool operator==(const Deadline&) const = default;
};
std::string_view to_string(Deadline::Of of);
std::optional<Deadline::Of> parse_deadline_reference(std::string_view text);
const std::vector<Deadline::Of>& all_deadline_references();
Value to_value(const Deadline& deadline);
Result<Deadline> parse_deadline(const Value& value);

// pending → sending → sent | pending again | failed | unknown.
enum class NotificationState {
  pending,  // to be sent at next_at
  sending,  // a sender has it; found so after a restart it is unknown
  sent,     // the other side has said that it has it
  failed,   // refused for good, or as often as allowed
  unknown,  // it may have arrived: the answer was lost. Not sent again by itself unless the notice says so
};
std::string_view to_string(NotificationState state);
std::optional<NotificationState> parse_notification_state(std::string_view text);
inline bool is_done(NotificationState state) {
  return state == NotificationState::sent || state == NotificationState::failed || state == NotificationState::unknown;
}

// One thing to be told, once. Two moves never have the same key, and one move is told of once by each notice.
struct NotificationKey {
  int64_t run = 0;
  int64_t instance = 0;  // 0: of the run itself
  int try_number = 0;    // 0: of the run, or it had no try
  NoticeEvent event = NoticeEvent::failure;
  int index = 0;   // of the notice among all of its task or DAG
  TimePoint at{};  // of the move: what was cleared may come to the same end again with the same try
  auto operator<=>(const NotificationKey&) const = default;
};
// "12-34-1-failure-0-1769817600000000": the Idempotency-Key of a webhook, the Message-ID of an e-mail.
std::string to_string(const NotificationKey& key);

struct Notification {
  int64_t number = 0;  // given by the store
  NotificationKey key;
  std::string dag_id;
  std::string run_id;
  std::string task_id;  // empty: of the run
  int map_index = -1;
  Notice notice;
  Value context = Value::map();  // for its templates; no secrets
  NotificationState state = NotificationState::pending;
  int sends = 0;                        // so far
  std::optional<TimePoint> next_at;     // pending
  std::optional<TimePoint> changed_at;  // when it last was sent or given up
  std::string note;                     // what the last sending gave, in words
  bool operator==(const Notification&) const = default;
};

// Before sending number `next` (2: after the first failed): 10 s, doubling, at most an hour.
Duration resend_delay(int next);

}  // namespace udon
