#include "store/outbox.h"
#include "store/rules.h"
#include "store/sqlite/parts.h"
#include "store/sqlite/rows.h"

namespace udon::sqlite {

namespace {

constexpr std::string_view columns =
    "number, run, instance, try_number, event, idx, at, dag_id, run_id, task_id, map_index, notice, context, state, "
    "sends, next_at, changed_at, note";

Result<Notification> read_notification(const Query& row) {
  Notification read;
  read.number = row.integer(0);
  const auto event = parse_notice_event(row.text(4));
  const auto state = parse_notification_state(row.text(13));
  if (!event || !state) {
    return Error{ErrorKind::data, "notification " + std::to_string(read.number) + ": event `" + row.text(4) +
                                      "` or state `" + row.text(13) + "` is none of those known"};
  }
  read.key = {.run = row.integer(1),
              .instance = row.integer(2),
              .try_number = static_cast<int>(row.integer(3)),
              .event = *event,
              .index = static_cast<int>(row.integer(5)),
              .at = row.time(6)};
  read.dag_id = row.text(7);
  read.run_id = row.text(8);
  read.task_id = row.text(9);
  read.map_index = static_cast<int>(row.integer(10));
  TRY_ASSIGN(const Value notice, read_json(row, 11));
  TRY_ASSIGN(read.notice, parse_notice(notice));
  TRY_ASSIGN(read.context, read_json(row, 12));
  read.state = *state;
  read.sends = static_cast<int>(row.integer(14));
  read.next_at = row.optional_time(15);
  read.changed_at = row.optional_time(16);
  read.note = row.text(17);
  return read;
}

Result<std::optional<Notification>> find(Database& db, int64_t number) {
  Query query = db.query("SELECT " + std::string(columns) + " FROM notification WHERE number = ?");
  return read_one(query.bind(number), read_notification);
}

class Outbox final : public StoreOutbox {
 public:
  Outbox(ReaderPool& readers, WriteConnection& writer) : readers_(readers), writer_(writer) {}

  Result<std::optional<Notification>> claim(TimePoint now) override {
    return writer_.write<std::optional<Notification>>([&](Database& db) -> Result<std::optional<Notification>> {
      std::optional<Notification> row;
      {
        Query query = db.query("SELECT " + std::string(columns) +
                               " FROM notification WHERE state = 'pending' AND next_at <= ? ORDER BY next_at LIMIT 1");
        TRY_ASSIGN(row, read_one(query.bind(now), read_notification));
      }
      if (!row) return row;
      row->state = NotificationState::sending;
      row->sends += 1;
      row->next_at.reset();
      row->changed_at = now;
      TRY(db.query(
                "UPDATE notification SET state = 'sending', sends = ?, next_at = NULL, changed_at = ? WHERE number = ?")
              .bind(row->sends, now, row->number)
              .run());
      return row;
    });
  }

  Result<std::optional<TimePoint>> next_due() override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT next_at FROM notification WHERE state = 'pending' ORDER BY next_at LIMIT 1");
    TRY_ASSIGN(const bool has_row, query.next());
    return has_row ? query.optional_time(0) : std::optional<TimePoint>();
  }

  Result<void> finish(int64_t number, int sends, NotificationState state, std::optional<TimePoint> next_at,
                      TimePoint at, const std::string& note) override {
    TRY(check_finish(state, next_at));
    return writer_.write<void>([&](Database& db) -> Result<void> {
      TRY_ASSIGN(const int64_t changed,
                 db.query("UPDATE notification SET state = ?, next_at = ?, changed_at = ?, note = ? "
                          "WHERE number = ? AND state = 'sending' AND sends = ?")
                     .bind(to_string(state), next_at, at, note, number, sends)
                     .run_and_count());
      if (changed > 0) return {};
      TRY_ASSIGN(const auto row, find(db, number));
      return row ? not_sending(number, sends, row->state) : no_such_notification(number);
    });
  }

  Result<int64_t> recover(TimePoint now, const std::string& note) override {
    return writer_.write<int64_t>([&](Database& db) -> Result<int64_t> {
      return db
          .query(
              "UPDATE notification SET state = iif(resends_unknown, 'pending', 'unknown'), "
              "next_at = iif(resends_unknown, ?1, NULL), changed_at = ?1, note = ?2 WHERE state = 'sending'")
          .bind(now, note)
          .run_and_count();
    });
  }

  Result<Notification> resend(int64_t number, TimePoint now) override {
    return writer_.write<Notification>([&](Database& db) -> Result<Notification> {
      TRY_ASSIGN(auto row, find(db, number));
      if (!row) return no_such_notification(number);
      if (!is_done(row->state)) return not_resendable(*row);
      row->state = NotificationState::pending;
      row->sends = 0;
      row->next_at = row->changed_at = now;
      TRY(db.query(
                "UPDATE notification SET state = 'pending', sends = 0, next_at = ?1, changed_at = ?1 WHERE number = ?2")
              .bind(now, number)
              .run());
      return *row;
    });
  }

  Result<std::optional<Notification>> notification(int64_t number) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return find(*db, number);
  }

  Result<Page<Notification>> notifications(const NotificationFilter& filter, const PageRequest& page) override {
    TRY(check_page(page));
    std::string where;
    const auto also = [&](const std::string& condition) { where += (where.empty() ? " WHERE " : " AND ") + condition; };
    std::string marks;
    for (size_t i = 0; i < filter.states.size(); ++i) marks += i == 0 ? "?" : ", ?";
    if (!filter.states.empty()) also("state IN (" + marks + ")");
    if (!filter.dag_id.empty()) also("dag_id = ?");
    if (!filter.run_id.empty()) also("run_id = ?");
    const auto bind = [&](Query& query) {
      for (const NotificationState state : filter.states) query.bind(to_string(state));
      if (!filter.dag_id.empty()) query.bind(filter.dag_id);
      if (!filter.run_id.empty()) query.bind(filter.run_id);
    };
    TRY_ASSIGN(const auto db, readers_.borrow());
    TRY_ASSIGN(const auto snapshot, Transaction::begin(*db, Transaction::Kind::read));
    Page<Notification> found;
    {
      Query count = db->query("SELECT count(*) FROM notification" + where);
      bind(count);
      TRY(count.next());
      found.total = count.integer(0);
    }
    Query query = db->query("SELECT " + std::string(columns) + " FROM notification" + where +
                            " ORDER BY number DESC LIMIT ? OFFSET ?");
    bind(query);
    TRY_ASSIGN(found.rows, read_all(query.bind(page.limit, page.offset), read_notification));
    return found;
  }

 private:
  ReaderPool& readers_;
  WriteConnection& writer_;
};

}  // namespace

std::unique_ptr<StoreOutbox> make_outbox(ReaderPool& readers, WriteConnection& connection) {
  return std::make_unique<Outbox>(readers, connection);
}

}  // namespace udon::sqlite
