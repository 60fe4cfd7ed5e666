#include <algorithm>

#include "store/memory_state.h"
#include "store/rules.h"

namespace udon::memory {

namespace {

class Outbox final : public StoreOutbox {
 public:
  explicit Outbox(State& state) : state_(state) {}

  Result<std::optional<Notification>> claim(TimePoint now) override {
    const std::lock_guard lock(state_.mutex);
    Notification* row = first_pending();
    if (row == nullptr || *row->next_at > now) return std::optional<Notification>();
    row->state = NotificationState::sending;
    row->sends += 1;
    row->next_at.reset();
    row->changed_at = now;
    return std::optional(*row);
  }

  Result<std::optional<TimePoint>> next_due() override {
    const std::lock_guard lock(state_.mutex);
    const Notification* row = first_pending();
    return row == nullptr ? std::optional<TimePoint>() : row->next_at;
  }

  Result<void> finish(int64_t number, int sends, NotificationState state, std::optional<TimePoint> next_at,
                      TimePoint at, const std::string& note) override {
    TRY(check_finish(state, next_at));
    const std::lock_guard lock(state_.mutex);
    const auto found = state_.outbox.find(number);
    if (found == state_.outbox.end()) return no_such_notification(number);
    Notification& row = found->second;
    if (row.state != NotificationState::sending || row.sends != sends) return not_sending(number, sends, row.state);
    row.state = state;
    row.next_at = next_at;
    row.changed_at = at;
    row.note = note;
    return {};
  }

  Result<int64_t> recover(TimePoint now, const std::string& note) override {
    const std::lock_guard lock(state_.mutex);
    int64_t count = 0;
    for (auto& [number, row] : state_.outbox) {
      if (row.state != NotificationState::sending) continue;
      row.state = row.notice.resends_unknown ? NotificationState::pending : NotificationState::unknown;
      row.next_at = row.notice.resends_unknown ? std::optional(now) : std::nullopt;
      row.changed_at = now;
      row.note = note;
      ++count;
    }
    return count;
  }

  Result<Notification> resend(int64_t number, TimePoint now) override {
    const std::lock_guard lock(state_.mutex);
    const auto found = state_.outbox.find(number);
    if (found == state_.outbox.end()) return no_such_notification(number);
    Notification& row = found->second;
    if (!is_done(row.state)) return not_resendable(row);
    row.state = NotificationState::pending;
    row.sends = 0;
    row.next_at = row.changed_at = now;
    return row;
  }

  Result<std::optional<Notification>> notification(int64_t number) override {
    const std::lock_guard lock(state_.mutex);
    const auto found = state_.outbox.find(number);
    return found == state_.outbox.end() ? std::optional<Notification>() : std::optional(found->second);
  }

  Result<Page<Notification>> notifications(const NotificationFilter& filter, const PageRequest& page) override {
    TRY(check_page(page));
    const std::lock_guard lock(state_.mutex);
    std::vector<Notification> rows;
    for (auto at = state_.outbox.rbegin(); at != state_.outbox.rend(); ++at) {
      const Notification& row = at->second;
      if (!filter.states.empty() && std::ranges::find(filter.states, row.state) == filter.states.end()) continue;
      if (!filter.dag_id.empty() && filter.dag_id != row.dag_id) continue;
      if (!filter.run_id.empty() && filter.run_id != row.run_id) continue;
      rows.push_back(row);
    }
    return cut_page(std::move(rows), page);
  }

 private:
  Notification* first_pending() {
    Notification* first = nullptr;
    for (auto& [number, row] : state_.outbox) {
      if (row.state != NotificationState::pending) continue;
      if (first == nullptr || *row.next_at < *first->next_at) first = &row;
    }
    return first;
  }

  State& state_;
};

}  // namespace

std::unique_ptr<StoreOutbox> make_outbox(State& state) { return std::make_unique<Outbox>(state); }

}  // namespace udon::memory
