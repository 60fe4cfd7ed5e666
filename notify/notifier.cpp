#include "notify/notifier.h"

#include <signal.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/text.h"
#include "dagfile/templates.h"
#include "plugins/api/child_process.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

// Somebody may have set the clock, or written to the store beside us.
constexpr auto look_interval = 10s;
// While the store does not answer.
constexpr auto store_pause = 2s;
// For sendings that run while the server stops.
constexpr auto grace = 3s;
constexpr size_t answer_bytes_max = 1 << 20;

std::string shown_name(const Notification& row) {
  std::string name = row.dag_id + "/" + row.run_id;
  if (!row.task_id.empty()) name += "/" + row.task_id;
  if (row.map_index >= 0) name += "[" + std::to_string(row.map_index) + "]";
  return name;
}

std::string words_of(NoticeEvent event) {
  switch (event) {
    case NoticeEvent::success: return "succeeded";
    case NoticeEvent::failure: return "failed";
    case NoticeEvent::retry: return "failed and is tried again";
    case NoticeEvent::skipped: return "was skipped";
    case NoticeEvent::asked: return "needs an answer";
    case NoticeEvent::deadline: return "is late";
    case NoticeEvent::paused: return "failed, and its DAG is paused";
  }
  return {};
}

std::string link_of(const Notification& row, const std::string& base_url) {
  std::string link = base_url + "/api/v2/dags/" + percent_encode(row.dag_id) + "/dagRuns/" + percent_encode(row.run_id);
  if (row.task_id.empty()) return link;
  link += "/taskInstances/" + percent_encode(row.task_id);
  if (row.key.try_number == 0) return link;  // it never ran: there is no log
  link += "/logs/" + std::to_string(row.key.try_number);
  if (row.map_index >= 0) link += "?map_index=" + std::to_string(row.map_index);
  return link;
}

// What is said where the DAG file gives no words.
std::string usual_text(const Notification& row, const std::string& link) {
  std::string text = shown_name(row) + " " + words_of(row.key.event);
  const std::string why = row.context.text("reason");
  if (!why.empty()) text += ": " + why;
  return text + "\n" + link;
}

}  // namespace

Result<DeliveryOrder> make_order(const Notification& row, const ConnectionSource& connections,
                                 const VariableSource& variables, const std::string& installation,
                                 const std::string& base_url) {
  const std::string link = link_of(row, base_url);
  DeliveryOrder order;
  order.way = row.notice.way;
  order.key = installation + "-" + to_string(row.key);
  order.timeout = row.notice.timeout;
  order.context = row.context;
  order.context.set("udon", Value::Map{{"key", order.key}, {"number", row.number}, {"link", link}});
  if (const Value* ti = order.context.find("ti")) {
    Value with_link = *ti;
    with_link.set("log_url", link);
    order.context.set("ti", std::move(with_link));
  }
  TemplateLookups lookups;
  lookups.variable = [&](const std::string& key) -> Result<Value> {
    TRY_ASSIGN(std::string value, variables.find(key));
    return Value(std::move(value));
  };
  TRY_ASSIGN(order.settings, render(row.notice.settings, order.context, lookups));
  for (const char* key : {"text", "subject"}) {
    const Value* value = order.settings.find(key);
    if (value != nullptr && !value->is_string()) order.settings.set(key, to_json(*value));
  }
  if (order.settings.find("text") == nullptr && order.settings.find("body") == nullptr)
    order.settings.set("text", usual_text(row, link));
  if (order.settings.find("subject") == nullptr)
    order.settings.set("subject", shown_name(row) + " " + words_of(row.key.event));
  if (order.way != NoticeWay::command) {
    TRY_ASSIGN(order.connection, connections.find(row.notice.connection));
  }
  return order;
}

AfterSending after_sending(const Notification& row, const DeliveryAnswer& answer, TimePoint now) {
  const auto again = [&](std::string note) -> AfterSending {
    if (row.sends > row.notice.retries)
      return {NotificationState::failed, {}, note + "; given up after " + std::to_string(row.sends) + " sendings"};
    return {NotificationState::pending, now + resend_delay(row.sends + 1), std::move(note)};
  };
  switch (answer.verdict) {
    case DeliveryAnswer::Verdict::accepted: return {NotificationState::sent, {}, answer.message};
    case DeliveryAnswer::Verdict::refused: return {NotificationState::failed, {}, answer.message};
    case DeliveryAnswer::Verdict::not_now: return again(answer.message);
    case DeliveryAnswer::Verdict::unknown: {
      const std::string note = "it may have arrived: " + answer.message;
      return row.notice.resends_unknown ? again(note) : AfterSending{NotificationState::unknown, {}, note};
    }
  }
  return {};
}

Notifier::Notifier(NotifierOptions options, const Clock& clock, StoreOutbox& outbox,
                   const ConnectionSource& connections, const VariableSource& variables)
    : options_(std::move(options)), clock_(clock), outbox_(outbox), connections_(connections), variables_(variables) {}

Notifier::~Notifier() { stop(); }

Result<void> Notifier::start() {
  TRY_ASSIGN(const int64_t found,
             outbox_.recover(clock_.now(), "the server ended while it was being sent: it may have arrived"));
  if (found > 0)
    log_warning("notifier", std::to_string(found) + " notifications were being sent when the server ended");
  for (int i = 0; i < options_.senders; ++i) threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  return {};
}

void Notifier::wake() {
  {
    const std::lock_guard lock(mutex_);
    ++wakes_;
  }
  changed_.notify_all();
}

void Notifier::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  wake();
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, grace, [this] { return busy_ == 0; });
  }
  kill_.request_stop();
  threads_.clear();
}

void Notifier::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    uint64_t seen = 0;
    {
      const std::lock_guard lock(mutex_);
      seen = wakes_;
      ++busy_;
    }
    const bool had_one = send_next();
    {
      const std::lock_guard lock(mutex_);
      --busy_;
    }
    changed_.notify_all();
    if (had_one) continue;
    const auto due = outbox_.next_due();
    const TimePoint now = clock_.now();
    Duration pause = due ? Duration(look_interval) : Duration(store_pause);
    if (due && *due) pause = std::clamp<Duration>(**due - now, Duration(0), look_interval);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, pause, [&] { return wakes_ != seen; });
  }
}

bool Notifier::send_next() {
  // Looked at first: a claim takes the lock of whoever writes.
  const auto due = outbox_.next_due();
  if (due && (!*due || **due > clock_.now())) return false;
  const auto claimed = outbox_.claim(clock_.now());
  if (!claimed) {
    log_error("notifier", "the outbox cannot be read: " + claimed.error().message);
    return false;
  }
  if (!*claimed) return false;
  const Notification& row = **claimed;
  const auto order = make_order(row, connections_, variables_, options_.installation, options_.base_url);
  DeliveryAnswer answer;
  if (order) {
    answer = carry_out(*order);
  } else {
    const ErrorKind kind = order.error().kind;
    const bool may_pass = kind == ErrorKind::not_found || kind == ErrorKind::unavailable || kind == ErrorKind::io;
    answer = {may_pass ? DeliveryAnswer::Verdict::not_now : DeliveryAnswer::Verdict::refused, order.error().message};
  }
  const TimePoint now = clock_.now();
  const AfterSending after = after_sending(row, answer, now);
  if (after.state != NotificationState::sent) {
    log_warning("notifier", "notification " + std::to_string(row.number) + " of " + shown_name(row) + " is " +
                                std::string(to_string(after.state)) + ": " + after.note);
  }
  // An answer that cannot be written is lost: the row stays `sending`, and the next start says that it is unknown.
  const auto done = outbox_.finish(row.number, row.sends, after.state, after.next_at, now, after.note);
  if (!done)
    log_error("notifier",
              "what became of notification " + std::to_string(row.number) + " is lost: " + done.error().message);
  return true;
}

DeliveryAnswer Notifier::carry_out(const DeliveryOrder& order) {
  std::string said, complaint;
  ChildProcess process([](SpawnRequest request) { return spawn(request); }, kill_.get_token(),
                       [&](int stream, std::string_view bytes) {
                         std::string& to = stream == 1 ? said : complaint;
                         if (to.size() + bytes.size() <= answer_bytes_max) to += bytes;
                       });
  SpawnRequest request;
  request.argv = options_.argv;
  request.environment = options_.environment;
  if (const auto started = process.start(std::move(request), to_json(to_value(order))); !started)
    return {DeliveryAnswer::Verdict::not_now, "its sender cannot be started: " + started.error().message};
  const auto ended = process.wait();
  if (!ended) return {DeliveryAnswer::Verdict::unknown, ended.error().message};
  if (const auto value = parse_json(trim(said)); value && ended->succeeded())
    if (auto answer = parse_delivery_answer(*value)) return std::move(*answer);
  return {DeliveryAnswer::Verdict::unknown, "its sender ended with " + describe(*ended) + " and gave no answer"};
}

}  // namespace udon
