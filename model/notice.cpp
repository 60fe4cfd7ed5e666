#include "model/notice.h"

#include <algorithm>
#include <array>

#include "base/ensure.h"
#include "model/fields.h"

namespace udon {

namespace {

template <class E, size_t n>
using Words = std::array<std::pair<E, std::string_view>, n>;

constexpr Words<NoticeEvent, 7> event_words{{{NoticeEvent::success, "success"},
                                             {NoticeEvent::failure, "failure"},
                                             {NoticeEvent::retry, "retry"},
                                             {NoticeEvent::skipped, "skipped"},
                                             {NoticeEvent::asked, "asked"},
                                             {NoticeEvent::deadline, "deadline"},
                                             {NoticeEvent::paused, "paused"}}};
constexpr Words<NoticeWay, 3> way_words{
    {{NoticeWay::webhook, "webhook"}, {NoticeWay::email, "email"}, {NoticeWay::command, "command"}}};
constexpr Words<Deadline::Of, 4> reference_words{{{Deadline::Of::queued_at, "queued_at"},
                                                  {Deadline::Of::logical_date, "logical_date"},
                                                  {Deadline::Of::run_after, "run_after"},
                                                  {Deadline::Of::start_date, "start_date"}}};
constexpr Words<NotificationState, 5> state_words{{{NotificationState::pending, "pending"},
                                                   {NotificationState::sending, "sending"},
                                                   {NotificationState::sent, "sent"},
                                                   {NotificationState::failed, "failed"},
                                                   {NotificationState::unknown, "unknown"}}};

template <class E, size_t n>
std::string_view word_of(const Words<E, n>& words, E value) {
  for (const auto& [known, word] : words)
    if (known == value) return word;
  ENSURE(false, "a value outside its enum");
}
template <class E, size_t n>
std::optional<E> value_of(const Words<E, n>& words, std::string_view text) {
  for (const auto& [value, word] : words)
    if (word == text) return value;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(NoticeEvent event) { return word_of(event_words, event); }
std::optional<NoticeEvent> parse_notice_event(std::string_view text) { return value_of(event_words, text); }
std::string_view to_string(NoticeWay way) { return word_of(way_words, way); }
std::optional<NoticeWay> parse_notice_way(std::string_view text) { return value_of(way_words, text); }
std::string_view to_string(NotificationState state) { return word_of(state_words, state); }
std::optional<NotificationState> parse_notification_state(std::string_view text) { return value_of(state_words, text); }

const std::vector<NoticeEvent>& all_notice_events() {
  static const std::vector<NoticeEvent> all{NoticeEvent::success, NoticeEvent::failure, NoticeEvent::retry,
                                            NoticeEvent::skipped, NoticeEvent::asked};
  return all;
}

const std::vector<NoticeEvent>& dag_notice_events() {
  static const std::vector<NoticeEvent> all{NoticeEvent::success, NoticeEvent::failure, NoticeEvent::paused};
  return all;
}

std::string key_of(NoticeEvent event) {
  if (event == NoticeEvent::deadline) return "deadline.notify";
  return "on_" + std::string(to_string(event));
}

std::optional<NoticeEvent> event_of(TaskState state) {
  switch (state) {
    case TaskState::success: return NoticeEvent::success;
    case TaskState::failed: return NoticeEvent::failure;
    case TaskState::up_for_retry: return NoticeEvent::retry;
    case TaskState::skipped: return NoticeEvent::skipped;
    case TaskState::none:
    case TaskState::scheduled:
    case TaskState::queued:
    case TaskState::running:
    case TaskState::upstream_failed:
    case TaskState::up_for_reschedule:
    case TaskState::deferred:
    case TaskState::restarting:
    case TaskState::removed: return std::nullopt;
  }
  ENSURE(false, "a state outside its enum");
}

std::optional<NoticeEvent> event_of(RunState state) {
  switch (state) {
    case RunState::queued:
    case RunState::running: return std::nullopt;
    case RunState::success: return NoticeEvent::success;
    case RunState::failed: return NoticeEvent::failure;
  }
  ENSURE(false, "a state outside its enum");
}

Value to_value(const Notice& notice) {
  static const Notice plain;
  Value map = Value::map();
  map.set("on", to_string(notice.on));
  map.set("way", to_string(notice.way));
  if (!notice.connection.empty()) map.set("connection", notice.connection);
  map.set("settings", notice.settings);
  if (notice.retries != plain.retries) map.set("retries", notice.retries);
  if (notice.timeout != plain.timeout) map.set("timeout_us", int64_t{notice.timeout.count()});
  if (notice.resends_unknown) map.set("resends_unknown", true);
  return map;
}

Result<Notice> parse_notice(const Value& value) {
  FieldReader fields(value, "notice");
  Notice notice;
  notice.on = fields.word("on", parse_notice_event);
  notice.way = fields.word("way", parse_notice_way);
  notice.connection = fields.optional_text("connection").value_or("");
  notice.settings = fields.map("settings");
  notice.retries = static_cast<int>(fields.optional_integer("retries").value_or(notice.retries));
  notice.timeout = fields.optional_duration("timeout_us").value_or(notice.timeout);
  notice.resends_unknown = fields.optional_flag("resends_unknown").value_or(false);
  TRY(fields.status());
  return notice;
}

std::string_view to_string(Deadline::Of of) { return word_of(reference_words, of); }
std::optional<Deadline::Of> parse_deadline_reference(std::string_view text) { return value_of(reference_words, text); }
const std::vector<Deadline::Of>& all_deadline_references() {
  static const std::vector<Deadline::Of> all{Deadline::Of::queued_at, Deadline::Of::logical_date,
                                             Deadline::Of::run_after, Deadline::Of::start_date};
  return all;
}

Value to_value(const Deadline& deadline) {
  Value notices = Value::list();
  for (const Notice& notice : deadline.notices) notices.push_back(to_value(notice));
  return Value::Map{
      {"of", to_string(deadline.of)}, {"after_us", int64_t{deadline.after.count()}}, {"notices", std::move(notices)}};
}

Result<Deadline> parse_deadline(const Value& value) {
  FieldReader fields(value, "deadline");
  Deadline deadline;
  deadline.of = fields.word("of", parse_deadline_reference);
  deadline.after = fields.duration("after_us");
  for (const Value& item : fields.list("notices")) {
    TRY_ASSIGN(Notice notice, parse_notice(item));
    deadline.notices.push_back(std::move(notice));
  }
  TRY(fields.status());
  return deadline;
}

std::string to_string(const NotificationKey& key) {
  return std::to_string(key.run) + "-" + std::to_string(key.instance) + "-" + std::to_string(key.try_number) + "-" +
         std::string(to_string(key.event)) + "-" + std::to_string(key.index) + "-" +
         std::to_string(key.at.time_since_epoch().count());
}

Duration resend_delay(int next) {
  constexpr Duration first = std::chrono::seconds(10), most = std::chrono::hours(1);
  Duration delay = first;
  for (int i = 2; i < next && delay < most; ++i) delay *= 2;
  return std::min(delay, most);
}

}  // namespace udon
