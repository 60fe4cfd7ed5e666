#include <algorithm>
#include <variant>

#include "base/text.h"
#include "store/rules.h"
#include "store/sqlite/parts.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite_assets.h"
#include "store/sqlite/sqlite_waits.h"

namespace udon::sqlite {

namespace {

using Bound = std::variant<int64_t, std::string>;

// The conditions of a list, joined by AND, and the values of their question marks.
class Where {
 public:
  void add(std::string condition) {
    sql_ += sql_.empty() ? " WHERE " : " AND ";
    sql_ += condition;
  }
  void add(std::string condition, Bound value) {
    add(std::move(condition));
    values_.push_back(std::move(value));
  }
  // Among the values; one alone as an equation, so that an index gives the order too. None: no condition.
  template <class T, class F>
  void add_among(const std::string& column, const std::vector<T>& wanted, F as_text) {
    if (wanted.empty()) return;
    std::string marks = "?";
    for (size_t i = 1; i < wanted.size(); ++i) marks += ", ?";
    add(column + (wanted.size() == 1 ? " = ?" : " IN (" + marks + ")"));
    for (const T& value : wanted) values_.emplace_back(std::string(as_text(value)));
  }
  void add_among(const std::string& column, const std::vector<std::string>& wanted) {
    add_among(column, wanted, [](const std::string& text) { return text; });
  }
  void add_range(const std::string& column, const std::optional<TimePoint>& gte, const std::optional<TimePoint>& lte) {
    if (gte) add(column + " >= ?", int64_t{gte->time_since_epoch().count()});
    if (lte) add(column + " <= ?", int64_t{lte->time_since_epoch().count()});
  }

  bool is_empty() const { return sql_.empty(); }
  const std::string& sql() const { return sql_; }
  void bind_to(Query& query) const {
    for (const Bound& value : values_) std::visit([&](const auto& v) { query.add(v); }, value);
  }

 private:
  std::string sql_;
  std::vector<Bound> values_;
};

// " ORDER BY t.state DESC, t.number DESC"
std::string order_by(const Order& order, const std::string& table, const std::string& tie) {
  const std::string direction = order.descending ? " DESC" : "";
  std::string sql = " ORDER BY " + table + std::string(order.column) + direction;
  if (order.column != tie) sql += ", " + table + tie + direction;
  return sql;
}

// How many rows there are in all. A page that is not full is the last one and tells by itself.
template <class T, class Count>
Result<void> fill_total(Page<T>& page, const PageRequest& request, Count count) {
  const auto rows = static_cast<int64_t>(page.rows.size());
  if (rows < request.limit && (rows > 0 || request.offset == 0)) {
    page.total = request.offset + rows;
    return {};
  }
  TRY_ASSIGN(page.total, count());
  return {};
}

Result<int64_t> count_of(Database& database, const std::string& sql, const Where& where) {
  Query query = database.query(sql);
  where.bind_to(query);
  TRY_ASSIGN(const bool has_row, query.next());
  return has_row ? query.integer(0) : 0;
}

// The states that the partial index task_instance_by_state knows; its condition must be repeated word by word for
// SQLite to use it.
constexpr const char* indexed_states =
    "t.state IN ('scheduled', 'queued', 'running', 'failed', 'upstream_failed', 'up_for_retry', 'up_for_reschedule', "
    "'deferred', 'restarting')";
bool is_indexed(TaskState state) {
  switch (state) {
    case TaskState::scheduled:
    case TaskState::queued:
    case TaskState::running:
    case TaskState::failed:
    case TaskState::upstream_failed:
    case TaskState::up_for_retry:
    case TaskState::up_for_reschedule:
    case TaskState::deferred:
    case TaskState::restarting: return true;
    case TaskState::none:
    case TaskState::success:
    case TaskState::skipped:
    case TaskState::removed: return false;
  }
  return false;
}

template <class State, class Fits>
bool all_are(const std::vector<State>& states, Fits fits) {
  return !states.empty() && std::ranges::all_of(states, fits);
}

// Active runs are few: they are found by their own index whatever else is asked, where SQLite would rather walk through
// the history of a DAG.
std::string runs_of(const RunFilter& filter) {
  const bool is_active = all_are(filter.states, [](RunState state) { return !is_finished(state); });
  return is_active ? "dag_run r INDEXED BY dag_run_active" : "dag_run r";
}

Where where_of(const RunFilter& filter) {
  Where where;
  where.add_among("r.dag_id", filter.dag_ids);
  if (filter.run_id) where.add("r.run_id = ?", *filter.run_id);
  where.add_among("r.state", filter.states, [](RunState state) { return to_string(state); });
  // The conditions of the partial indexes, word by word.
  if (all_are(filter.states, [](RunState state) { return !is_finished(state); })) {
    where.add("r.state IN ('queued', 'running')");
  }
  if (all_are(filter.states, [](RunState state) { return state == RunState::failed; })) where.add("r.state = 'failed'");
  where.add_among("r.type", filter.types, [](RunType type) { return to_string(type); });
  where.add_range("r.logical_date", filter.logical_date_gte, filter.logical_date_lte);
  where.add_range("r.run_after", filter.run_after_gte, filter.run_after_lte);
  where.add_range("r.start_date", filter.start_date_gte, filter.start_date_lte);
  where.add_range("r.end_date", filter.end_date_gte, filter.end_date_lte);
  return where;
}

Where where_of(const DagFilter& filter) {
  Where where;
  if (!filter.include_stale) where.add("is_stale = 0");
  if (filter.is_paused) where.add("is_paused = ?", int64_t{*filter.is_paused});
  if (filter.dag_id_like) where.add("instr(lower(dag_id), ?) > 0", lower_ascii(*filter.dag_id_like));
  if (!filter.tags.empty()) {
    Value tags = Value::list();
    for (const std::string& tag : filter.tags) tags.push_back(tag);
    where.add("EXISTS (SELECT 1 FROM json_each(dag.tags) AS have JOIN json_each(?) AS want ON have.value = want.value)",
              to_json(tags));
  }
  return where;
}

const std::string named_instance = "SELECT " + std::string(instance_columns) + ", " + std::string(name_columns) +
                                   " FROM task_instance t CROSS JOIN dag_run r ON r.number = t.run";

EventRecord read_event(const Query& row) {
  EventRecord event;
  event.number = row.integer(0);
  event.at = row.time(1);
  event.event = row.text(2);
  event.dag_id = row.text(3);
  event.run_id = row.text(4);
  event.task_id = row.text(5);
  event.map_index = row.is_null(6) ? -1 : static_cast<int>(row.integer(6));
  event.try_number = static_cast<int>(row.integer(7));
  event.from = row.text(8);
  event.to = row.text(9);
  event.cause = row.text(10);
  event.user = row.text(11);
  event.text = row.text(12);
  return event;
}

// After run_columns: how many task instances it has.
Result<OldRun> read_old_run(const Query& row) {
  OldRun old;
  TRY_ASSIGN(old.row, read_run(row));
  old.instances = row.integer(19);
  return old;
}

class Reader final : public StoreReader {
 public:
  explicit Reader(ReaderPool& readers) : readers_(readers) {}

  Result<std::optional<DagRecord>> dag(const std::string& dag_id) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(dag_columns) + " FROM dag WHERE dag_id = ?");
    return read_one(query.bind(dag_id), read_dag);
  }

  Result<Page<DagRecord>> dags(const DagFilter& filter, const PageRequest& request) override {
    TRY(check_page(request));
    TRY_ASSIGN(const Order order, parse_order(filter.order_by, dag_orders));
    TRY_ASSIGN(const auto db, readers_.borrow());
    TRY_ASSIGN(const auto snapshot, Transaction::begin(*db, Transaction::Kind::read));
    const Where where = where_of(filter);
    Page<DagRecord> page;
    {
      Query query = db->query("SELECT " + std::string(dag_columns) + " FROM dag" + where.sql() +
                              order_by(order, "", "dag_id") + " LIMIT ? OFFSET ?");
      where.bind_to(query);
      TRY_ASSIGN(page.rows, read_all(query.bind(request.limit, request.offset), read_dag));
    }
    TRY(fill_total(page, request, [&] { return count_of(*db, "SELECT count(*) FROM dag" + where.sql(), where); }));
    return page;
  }

  Result<std::optional<DagVersionRecord>> dag_version(const std::string& dag_id, const std::string& version) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query(
        "SELECT dag_id, version, number, created_at, bundle, bundle_version, serialized, source FROM dag_version "
        "WHERE dag_id = ? AND version = ?");
    TRY_ASSIGN(const bool has_row, query.bind(dag_id, version).next());
    if (!has_row) return std::optional<DagVersionRecord>();
    DagVersionRecord row = read_version(query);
    TRY_ASSIGN(row.serialized, read_json(query, 6));
    row.source = query.text(7);
    return std::optional(std::move(row));
  }

  Result<std::vector<DagVersionRecord>> dag_versions(const std::string& dag_id) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query(
        "SELECT dag_id, version, number, created_at, bundle, bundle_version FROM dag_version WHERE dag_id = ? "
        "ORDER BY number");
    query.bind(dag_id);
    std::vector<DagVersionRecord> rows;
    for (;;) {
      TRY_ASSIGN(const bool has_row, query.next());
      if (!has_row) return rows;
      rows.push_back(read_version(query));
    }
  }

  Result<std::optional<DagRun>> run(const std::string& dag_id, const std::string& run_id) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query =
        db->query("SELECT " + std::string(run_columns) + " FROM dag_run r WHERE r.dag_id = ? AND r.run_id = ?");
    return read_one(query.bind(dag_id, run_id), read_run);
  }

  Result<std::optional<DagRun>> run_by_number(RunNumber number) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(run_columns) + " FROM dag_run r WHERE r.number = ?");
    return read_one(query.bind(number), read_run);
  }

  Result<Page<DagRun>> runs(const RunFilter& filter, const PageRequest& request) override {
    TRY(check_page(request));
    TRY_ASSIGN(const Order order, parse_order(filter.order_by, run_orders));
    TRY_ASSIGN(const auto db, readers_.borrow());
    TRY_ASSIGN(const auto snapshot, Transaction::begin(*db, Transaction::Kind::read));
    const Where where = where_of(filter);
    Page<DagRun> page;
    {
      Query query = db->query("SELECT " + std::string(run_columns) + " FROM " + runs_of(filter) + where.sql() +
                              order_by(order, "r.", "number") + " LIMIT ? OFFSET ?");
      where.bind_to(query);
      TRY_ASSIGN(page.rows, read_all(query.bind(request.limit, request.offset), read_run));
    }
    TRY(fill_total(page, request,
                   [&] { return count_of(*db, "SELECT count(*) FROM " + runs_of(filter) + where.sql(), where); }));
    return page;
  }

  Result<std::vector<DagRun>> active_runs() override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(run_columns) +
                            " FROM dag_run r INDEXED BY dag_run_active WHERE r.state IN ('queued', 'running') "
                            "ORDER BY r.number");
    return read_all(query, read_run);
  }

  Result<std::vector<OldRun>> old_runs(TimePoint before, const RunCursor& after, int limit) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(run_columns) +
                            ", r.instances FROM dag_run r WHERE r.end_date < ? AND (r.end_date, r.number) > (?, ?) "
                            "AND r.state IN ('success', 'failed') ORDER BY r.end_date, r.number LIMIT ?");
    query.bind(before, after.end_date, after.number, limit);
    return read_all(query, read_old_run);
  }

  Result<std::vector<DagRun>> rests(RunNumber after, int limit) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    // All names between; no other begins so.
    Query query = db->query("SELECT " + std::string(run_columns) +
                            " FROM dag_run r INDEXED BY dag_run_by_run_id WHERE r.run_id > 'deleted ' "
                            "AND r.run_id < 'deleted!' AND r.number > ? ORDER BY r.number LIMIT ?");
    query.bind(after, limit);
    return read_all(query, read_run);
  }

  Result<int64_t> instances_in(const std::string& dag_id, const std::string& run_id) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT instances FROM dag_run WHERE dag_id = ? AND run_id = ?");
    TRY_ASSIGN(const bool has_row, query.bind(dag_id, run_id).next());
    return has_row ? query.integer(0) : 0;
  }

  Result<int64_t> events_about(RunNumber run, int64_t at_most) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT count(*) FROM (SELECT 1 FROM event WHERE run = ? LIMIT ?)");
    TRY(query.bind(run, at_most).next());
    return query.integer(0);
  }

  Result<Page<QuestionRow>> questions(const QuestionFilter& filter, const PageRequest& request) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    TRY_ASSIGN(const auto snapshot, Transaction::begin(*db, Transaction::Kind::read));
    return sqlite::questions(*db, filter, request);
  }
  Result<std::optional<AskedQuestion>> question(InstanceNumber instance, int try_number) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::question(*db, instance, try_number);
  }
  Result<std::vector<AskedQuestion>> live_questions_of(RunNumber run) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::live_questions_of(*db, run);
  }
  Result<std::vector<Deferral>> deferrals_of(RunNumber run) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::deferrals_of(*db, run);
  }

  Result<std::optional<Backfill>> backfill(BackfillNumber number) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(backfill_columns) + " FROM backfill WHERE number = ?");
    return read_one(query.bind(number), read_backfill);
  }

  Result<Page<Backfill>> backfills(const BackfillFilter& filter, const PageRequest& request) override {
    TRY(check_page(request));
    TRY_ASSIGN(const Order order, parse_order(filter.order_by, backfill_orders));
    TRY_ASSIGN(const auto db, readers_.borrow());
    TRY_ASSIGN(const auto snapshot, Transaction::begin(*db, Transaction::Kind::read));
    Where where;
    if (!filter.dag_id.empty()) where.add("dag_id = ?", filter.dag_id);
    if (filter.only_active) where.add("completed_at IS NULL");
    Page<Backfill> page;
    {
      Query query = db->query("SELECT " + std::string(backfill_columns) + " FROM backfill" + where.sql() +
                              order_by(order, "", "number") + " LIMIT ? OFFSET ?");
      where.bind_to(query);
      TRY_ASSIGN(page.rows, read_all(query.bind(request.limit, request.offset), read_backfill));
    }
    TRY(fill_total(page, request, [&] { return count_of(*db, "SELECT count(*) FROM backfill" + where.sql(), where); }));
    return page;
  }

  Result<BackfillRuns> backfill_runs(BackfillNumber number) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query(
        "SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'running'), "
        "count(*) FILTER (WHERE state = 'success'), count(*) FILTER (WHERE state = 'failed') "
        "FROM dag_run WHERE backfill = ?");
    TRY_ASSIGN(const bool has_row, query.bind(number).next());
    if (!has_row) return BackfillRuns{};
    return BackfillRuns{.queued = query.integer(0),
                        .running = query.integer(1),
                        .success = query.integer(2),
                        .failed = query.integer(3)};
  }

  Result<std::vector<TaskInstance>> instances_of(RunNumber run) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    // Its entries of the index, sorted here: to let SQLite sort whole rows takes twice as long.
    Query query = db->query("SELECT " + std::string(instance_columns) + " FROM task_instance t WHERE t.run = ?");
    TRY_ASSIGN(auto rows, read_all(query.bind(run), read_instance));
    std::ranges::sort(rows, {}, &TaskInstance::number);
    return rows;
  }

  Result<std::optional<InstanceRow>> instance(const TaskInstanceKey& key) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(instance_columns) + ", " + std::string(name_columns) +
                            " FROM dag_run r CROSS JOIN task_instance t ON t.run = r.number "
                            "WHERE r.dag_id = ? AND r.run_id = ? AND t.task_id = ? AND t.map_index = ?");
    return read_one(query.bind(key.dag_id, key.run_id, key.task_id, key.map_index), read_named_instance);
  }

  Result<std::optional<InstanceRow>> instance_by_number(InstanceNumber number) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query(named_instance + " WHERE t.number = ?");
    return read_one(query.bind(number), read_named_instance);
  }

  Result<std::optional<InstanceRow>> instance_of_fence(Fence fence) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query =
        db->query(named_instance + " WHERE t.fence = ? AND t.state IN ('queued', 'running', 'deferred', 'restarting')");
    return read_one(query.bind(fence), read_named_instance);
  }

  Result<Page<InstanceRow>> instances(const InstanceFilter& filter, const PageRequest& request) override {
    TRY(check_page(request));
    TRY_ASSIGN(const Order order, parse_order(filter.order_by, instance_orders));

    // From the runs to their task instances, or the other way round: by whichever leaves less to look at.
    const bool has_index = all_are(filter.states, is_indexed);
    const bool starts_at_runs = !filter.run_ids.empty() || (!filter.dag_ids.empty() && !has_index);
    const bool is_about_runs = filter.task_ids.empty() && !filter.map_index && filter.states.empty();
    std::string from = starts_at_runs ? " FROM dag_run r CROSS JOIN task_instance t ON t.run = r.number"
                                      : " FROM task_instance t CROSS JOIN dag_run r ON r.number = t.run";
    if (is_about_runs && !starts_at_runs) from = " FROM task_instance t";
    Where where;
    where.add_among("r.dag_id", filter.dag_ids);
    where.add_among("r.run_id", filter.run_ids);
    where.add_among("t.task_id", filter.task_ids);
    if (filter.map_index) where.add("t.map_index = ?", int64_t{*filter.map_index});
    where.add_among("t.state", filter.states, [](TaskState state) { return to_string(state); });
    if (has_index && !starts_at_runs) where.add(indexed_states);

    TRY_ASSIGN(const auto db, readers_.borrow());
    TRY_ASSIGN(const auto snapshot, Transaction::begin(*db, Transaction::Kind::read));
    const auto total = [&] {
      const std::string counted =
          is_about_runs ? "SELECT coalesce(sum(r.instances), 0) FROM dag_run r" : "SELECT count(*)" + from;
      return count_of(*db, counted + where.sql(), where);
    };
    Page<InstanceRow> page;
    const bool may_be_near = is_about_runs && starts_at_runs && filter.run_ids.empty() && order.column == "number";
    if (may_be_near) {
      TRY_ASSIGN(const int64_t all, total());
      TRY_ASSIGN(page.rows, instances_near_an_end(*db, where, order, all, request));
      if (static_cast<int64_t>(page.rows.size()) == request.limit) {
        page.total = all;
        return page;
      }
    }
    TRY_ASSIGN(page.rows, chosen_instances(*db, from, where, order, request));
    TRY(fill_total(page, request, total));
    return page;
  }

  Result<std::vector<TryRecord>> tries_of(InstanceNumber instance) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query =
        db->query("SELECT " + std::string(try_columns) + " FROM task_try WHERE instance = ? ORDER BY try_number");
    return read_all(query.bind(instance), read_try);
  }

  Result<std::optional<XComRecord>> xcom(InstanceNumber instance, const std::string& key) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(xcom_columns) + " FROM xcom WHERE instance = ? AND key = ?");
    return read_one(query.bind(instance, key), read_xcom);
  }

  Result<std::vector<XComRecord>> xcoms_of(InstanceNumber instance) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(xcom_columns) + " FROM xcom WHERE instance = ? ORDER BY key");
    return read_all(query.bind(instance), read_xcom);
  }

  Result<std::vector<std::pair<int, Value>>> xcoms_of_task(RunNumber run, const std::string& task_id,
                                                           const std::string& key) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query(
        "SELECT t.map_index, x.value FROM task_instance t CROSS JOIN xcom x ON x.instance = t.number AND x.key = ? "
        "WHERE t.run = ? AND t.task_id = ? ORDER BY t.map_index");
    query.bind(key, run, task_id);
    std::vector<std::pair<int, Value>> values;
    for (;;) {
      TRY_ASSIGN(const bool has_row, query.next());
      if (!has_row) return values;
      TRY_ASSIGN(Value value, read_json(query, 1));
      values.emplace_back(static_cast<int>(query.integer(0)), std::move(value));
    }
  }

  Result<Page<EventRecord>> events(const std::string& dag_id, const std::string& run_id, const std::string& task_id,
                                   const PageRequest& request) override {
    TRY(check_page(request));
    TRY_ASSIGN(const auto db, readers_.borrow());
    TRY_ASSIGN(const auto snapshot, Transaction::begin(*db, Transaction::Kind::read));

    // The numbers of the events that fit: those of the runs that bear these names, and those with names of their own.
    Where of_runs, of_names;
    const auto name = [&](const std::string& of_run, const std::string& of_event, const std::string& value) {
      if (value.empty()) return;
      of_runs.add(of_run + " = ?", value);
      of_names.add(of_event + " = ?", value);
    };
    name("r.dag_id", "e.dag_id", dag_id);
    name("r.run_id", "e.run_id", run_id);
    name("coalesce(e.task_id, t.task_id)", "e.task_id", task_id);
    of_names.add("e.run IS NULL");
    const std::string chosen =
        "SELECT e.number AS number FROM dag_run r CROSS JOIN event e ON e.run = r.number" +
        std::string(task_id.empty() ? "" : " LEFT JOIN task_instance t ON t.number = e.instance") + of_runs.sql() +
        " UNION ALL SELECT e.number FROM event e" + of_names.sql();
    const bool is_all = dag_id.empty() && run_id.empty() && task_id.empty();
    const std::string from = is_all ? "SELECT number FROM event" : chosen;
    const auto bind = [&](Query& query) {
      if (is_all) return;
      of_runs.bind_to(query);
      of_names.bind_to(query);
    };

    Page<EventRecord> page;
    {
      Query query = db->query(
          "SELECT e.number, e.at, e.event, coalesce(e.dag_id, r.dag_id), coalesce(e.run_id, r.run_id), "
          "coalesce(e.task_id, t.task_id), coalesce(e.map_index, t.map_index), e.try_number, e.from_state, e.to_state, "
          "e.cause, e.user, e.text FROM (" +
          from +
          " ORDER BY number DESC LIMIT ? OFFSET ?) AS chosen "
          "CROSS JOIN event e ON e.number = chosen.number LEFT JOIN dag_run r ON r.number = e.run "
          "LEFT JOIN task_instance t ON t.number = e.instance ORDER BY e.number DESC");
      bind(query);
      query.bind(request.limit, request.offset);
      for (;;) {
        TRY_ASSIGN(const bool has_row, query.next());
        if (!has_row) break;
        page.rows.push_back(read_event(query));
      }
    }
    TRY(fill_total(page, request, [&]() -> Result<int64_t> {
      if (is_all) return db->integer("SELECT events FROM counters WHERE one = 1");
      Query query = db->query("SELECT count(*) FROM (" + from + ")");
      bind(query);
      TRY_ASSIGN(const bool has_row, query.next());
      return has_row ? query.integer(0) : 0;
    }));
    return page;
  }

  Result<std::optional<EventRecord>> last_pause(const std::string& dag_id) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query(
        "SELECT number, at, event, dag_id, run_id, task_id, map_index, try_number, from_state, to_state, cause, user, "
        "text FROM event INDEXED BY event_by_name WHERE run IS NULL AND dag_id = ? AND run_id = '' AND "
        "(text GLOB 'paused*' OR text GLOB 'unpaused*') ORDER BY number DESC LIMIT 1");
    TRY_ASSIGN(const bool has_row, query.bind(dag_id).next());
    return has_row ? std::optional(read_event(query)) : std::nullopt;
  }

  Result<Page<AssetRecord>> assets(const AssetFilter& filter, const PageRequest& request) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::assets(*db, filter, request);
  }
  Result<std::optional<AssetRecord>> asset(int64_t number) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::asset(*db, number);
  }
  Result<Page<AssetEvent>> asset_events(const AssetEventFilter& filter, const PageRequest& request) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::asset_events(*db, filter, request);
  }
  Result<std::vector<QueuedAssetEvent>> queued_asset_events(const std::string& dag_id) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::queued_asset_events(*db, dag_id);
  }
  Result<std::vector<AssetEvent>> asset_events_of_run(RunNumber run) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::asset_events_of_run(*db, run);
  }
  Result<std::vector<RunNumber>> runs_of_asset_event(AssetEventNumber event) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    return sqlite::runs_of_asset_event(*db, event);
  }

 private:
  static DagVersionRecord read_version(const Query& row) {
    return {.dag_id = row.text(0),
            .version = row.text(1),
            .number = static_cast<int>(row.integer(2)),
            .created_at = row.time(3),
            .bundle = row.text(4),
            .bundle_version = row.text(5),
            .serialized = {},
            .source = {}};
  }

  // Numbers are chosen and sorted first, whole rows are read for one page only.
  static Result<std::vector<InstanceRow>> chosen_instances(Database& database, const std::string& from,
                                                           const Where& where, const Order& order,
                                                           const PageRequest& request) {
    const std::string sorted = order_by(order, "t.", "number");
    Query query = database.query("SELECT " + std::string(instance_columns) + ", " + std::string(name_columns) +
                                 " FROM (SELECT t.number AS number" + from + where.sql() + sorted +
                                 " LIMIT ? OFFSET ?) AS chosen CROSS JOIN task_instance t ON t.number = chosen.number "
                                 "CROSS JOIN dag_run r ON r.number = t.run" +
                                 sorted);
    where.bind_to(query);
    return read_all(query.bind(request.limit, request.offset), read_named_instance);
  }

  // A page, by number, of the `all` task instances of the runs that fit: from the runs, all of them would have to be
  // gathered and sorted (100,000 runs: half a second). Most DAGs have some near the end of the table where the page
  // begins, so the table itself is walked there, for a quarter of what the other way costs. A page that is not full
  // says nothing: that was not enough.
  static Result<std::vector<InstanceRow>> instances_near_an_end(Database& database, const Where& runs,
                                                                const Order& order, int64_t all,
                                                                const PageRequest& request) {
    const int64_t walked_max = all / 4;
    if (walked_max - request.limit < request.offset) return std::vector<InstanceRow>();
    TRY_ASSIGN(const int64_t end, count_of(database,
                                           order.descending ? "SELECT coalesce(max(number), 0) FROM task_instance"
                                                            : "SELECT coalesce(min(number), 0) FROM task_instance",
                                           Where()));
    Where near = runs;
    if (order.descending)
      near.add("t.number > ?", end - walked_max);
    else
      near.add("t.number < ?", end + walked_max);
    return chosen_instances(database, " FROM task_instance t CROSS JOIN dag_run r ON r.number = t.run", near, order,
                            request);
  }

  ReaderPool& readers_;
};

}  // namespace

std::unique_ptr<StoreReader> make_reader(ReaderPool& readers) { return std::make_unique<Reader>(readers); }

}  // namespace udon::sqlite
