#include <algorithm>
#include <map>

#include "store/leaving.h"
#include "store/rules.h"
#include "store/sqlite/parts.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite_assets.h"
#include "store/sqlite/sqlite_waits.h"

namespace udon::sqlite {

namespace {

struct StoredCounters {
  Epoch epoch = 0;
  Counters last;
  int64_t last_event = 0;
  int64_t events = 0;
};

Result<StoredCounters> read_counters(Database& database) {
  Query query = database.query(
      "SELECT epoch, last_run, last_instance, last_fence, last_event, events, last_asset_event, last_backfill FROM "
      "counters WHERE one = 1");
  TRY_ASSIGN(const bool has_row, query.next());
  if (!has_row) return Error{ErrorKind::data, database.file().string() + " is damaged: its counters are gone"};
  return StoredCounters{.epoch = query.integer(0),
                        .last = {.last_run = query.integer(1),
                                 .last_instance = query.integer(2),
                                 .last_fence = query.integer(3),
                                 .last_asset_event = query.integer(6),
                                 .last_backfill = query.integer(7)},
                        .last_event = query.integer(4),
                        .events = query.integer(5)};
}

Result<void> write_counters(Database& database, const StoredCounters& counters) {
  return database
      .query(
          "UPDATE counters SET epoch = ?, last_run = ?, last_instance = ?, last_fence = ?, last_event = ?, events = ?, "
          "last_asset_event = ?, last_backfill = ? WHERE one = 1")
      .bind(counters.epoch, counters.last.last_run, counters.last.last_instance, counters.last.last_fence,
            counters.last_event, counters.events, counters.last.last_asset_event, counters.last.last_backfill)
      .run();
}

// A row of the history about a run or task instance that is in the store.
struct Event {
  std::string_view event;
  RunNumber run = 0;
  InstanceNumber instance = 0;  // 0: none
  int try_number = 0;
  std::string_view from, to, cause, user, text;
};

// One batch, inside its transaction. A refusal is an error: the transaction is rolled back, nothing to take back here.
class Application {
 public:
  Application(Database& database, const Batch& batch, StoredCounters& counters)
      : db_(database), batch_(batch), counters_(counters), fences_used_(counters.last.last_fence) {}

  Result<void> run() {
    for (size_t i = 0; i < batch_.changes.size(); ++i) {
      const Result<void> done = std::visit([this](const auto& change) { return apply(change); }, batch_.changes[i]);
      if (!done) return in_batch(done.error(), i, batch_.changes.size());
    }
    return {};
  }

 private:
  // A row that another one forbids gives `refusal`, whatever index it was that noticed.
  static Result<void> refused_as(Result<void> done, const auto& refusal) {
    if (!done && done.error().kind == ErrorKind::conflict) return refusal();
    return done;
  }

  Result<void> apply(const InsertRun& change) {
    const DagRun& row = change.row;
    TRY(check_new(row));
    Query query = db_.query(
        "INSERT INTO dag_run (number, dag_id, run_id, type, state, logical_date, interval_begin, interval_end, "
        "run_after, queued_at, start_date, end_date, conf, triggered_by, triggering_user, dag_version, note, backfill, "
        "earlier_versions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    query.bind(row.number, row.dag_id, row.run_id, to_string(row.type), to_string(row.state), row.logical_date);
    bind_interval(query, row);
    query.bind(row.run_after, row.queued_at, row.start_date, row.end_date, to_json(row.conf), row.triggered_by,
               row.triggering_user, row.dag_version, row.note, row.backfill, versions_as_json(row.earlier_versions));
    TRY(refused_as(query.run(), [&] { return duplicate_run(row); }));
    counters_.last.last_run = std::max(counters_.last.last_run, row.number);
    return note({.event = event_names::run, .run = row.number, .to = to_string(row.state), .user = change.user});
  }

  Result<void> apply(const ChangeRun& change) {
    const DagRun& row = change.row;
    // What the row is comes first: a stale belief is a conflict, not an impossible move.
    Query query = db_.query(
        "UPDATE dag_run SET type = ?, state = ?, logical_date = ?, interval_begin = ?, interval_end = ?, run_after = "
        "?, "
        "queued_at = ?, start_date = ?, end_date = ?, conf = ?, triggered_by = ?, triggering_user = ?, dag_version = "
        "?, "
        "note = ?, backfill = ?, earlier_versions = ? WHERE number = ? AND state = ? AND dag_id = ? AND run_id = ?");
    query.bind(to_string(row.type), to_string(row.state), row.logical_date);
    bind_interval(query, row);
    query.bind(row.run_after, row.queued_at, row.start_date, row.end_date, to_json(row.conf), row.triggered_by,
               row.triggering_user, row.dag_version, row.note, row.backfill, versions_as_json(row.earlier_versions),
               row.number, to_string(change.expected_state), row.dag_id, row.run_id);
    const Result<void> done = query.run();
    if (done && db_.rows_changed() == 0) {
      TRY_ASSIGN(const auto stored, find_run(row.number));
      return stored ? mismatch(change, *stored) : missing_run(row.number);
    }
    TRY(check_change(change));
    TRY(refused_as(done, [&] { return duplicate_run(row); }));
    if (change.expected_state == row.state && change.event_text.empty()) return {};
    return note({.event = event_names::run,
                 .run = row.number,
                 .from = to_string(change.expected_state),
                 .to = to_string(row.state),
                 .cause = to_string(change.cause),
                 .user = change.user,
                 .text = change.event_text});
  }

  Result<void> apply(const DeleteRunRows& change) {
    TRY_ASSIGN(const auto stored, find_run(change.run));
    if (!stored) return missing_run(change.run);
    if (!is_finished(stored->state)) return unfinished_run(*stored);
    TRY_ASSIGN(const bool is_whole, delete_part(*stored));
    if (!is_whole) return is_rest(*stored) ? Result<void>() : note_deleted(*stored, change.user);
    TRY(db_.query("DELETE FROM task_instance WHERE run = ?").bind(change.run).run());
    TRY(db_.query("DELETE FROM dag_run WHERE number = ?").bind(change.run).run());
    // What is still to be told stays.
    TRY(db_.query("DELETE FROM notification WHERE run = ? AND state NOT IN ('pending', 'sending')")
            .bind(change.run)
            .run());
    TRY_ASSIGN(const int64_t events, db_.query("DELETE FROM event WHERE run = ?").bind(change.run).run_and_count());
    counters_.events -= events;
    return is_rest(*stored) ? Result<void>() : note_deleted(*stored, change.user);
  }

  // True: it is small enough to go as a whole.
  Result<bool> delete_part(const DagRun& run) {
    {
      Query look = db_.query(
          "SELECT instances, (SELECT count(*) FROM (SELECT 1 FROM event WHERE run = ?1 LIMIT ?2)) FROM dag_run "
          "WHERE number = ?1");
      TRY(look.bind(run.number, deleted_events_max + 1).next());
      if (look.integer(0) <= deleted_instances_max && look.integer(1) <= deleted_events_max) return true;
    }
    TRY_ASSIGN(const int64_t deleted,
               db_.query("DELETE FROM task_instance WHERE number IN (SELECT number FROM task_instance WHERE run = ? "
                         "ORDER BY task_id, map_index LIMIT ?)")
                   .bind(run.number, deleted_instances_max)
                   .run_and_count());
    TRY_ASSIGN(
        const int64_t events,
        db_.query("DELETE FROM event WHERE number IN (SELECT number FROM event WHERE run = ? ORDER BY number LIMIT ?)")
            .bind(run.number, deleted_events_max)
            .run_and_count());
    counters_.events -= events;
    TRY(db_.query(
               "UPDATE dag_run SET instances = instances - ?, run_id = ?, logical_date = NULL, interval_begin = NULL, "
               "interval_end = NULL, backfill = NULL, end_date = coalesce(end_date, queued_at) WHERE number = ?")
            .bind(deleted, name_of_rest(run.number), run.number)
            .run());
    return false;
  }

  Result<void> note_deleted(const DagRun& run, const std::string& user) {
    EventRecord record;
    record.event = event_names::run;
    record.dag_id = run.dag_id;
    record.run_id = run.run_id;
    record.from = to_string(run.state);
    record.to = event_names::deleted;
    record.cause = to_string(MoveCause::command);
    record.user = user;
    return append(record, 0);
  }

  Result<void> apply(const InsertInstances& change) {
    std::map<RunNumber, int64_t> inserted;
    for (const TaskInstance& row : change.rows) {
      TRY(check_new(row));
      Query query = db_.query(
          "INSERT INTO task_instance (number, run, task_id, map_index, state, try_number, max_tries, fence, "
          "scheduled_at, queued_at, start_date, end_date, next_try_at, note) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
      query.bind(row.number, row.run, row.task_id, row.map_index, to_string(row.state), row.try_number, row.max_tries,
                 row.fence, row.scheduled_at, row.queued_at, row.start_date, row.end_date, row.next_try_at, row.note);
      if (const auto done = query.run(); !done) {
        if (done.error().kind != ErrorKind::conflict) return done;
        TRY_ASSIGN(const auto run, find_run(row.run));
        return run ? duplicate_instance(row) : missing_run(row.run);
      }
      ++inserted[row.run];
      counters_.last.last_instance = std::max(counters_.last.last_instance, row.number);
    }
    for (const auto& [run, count] : inserted) {
      TRY(db_.query("UPDATE dag_run SET instances = instances + ? WHERE number = ?").bind(count, run).run());
    }
    return {};
  }

  Result<void> apply(const ChangeInstance& change) {
    const TaskInstance& row = change.row;
    Query query = db_.query(
        "UPDATE task_instance SET state = ?, try_number = ?, max_tries = ?, fence = ?, scheduled_at = ?, queued_at = "
        "?, "
        "start_date = ?, end_date = ?, next_try_at = ?, note = ? "
        "WHERE number = ? AND state = ? AND fence = ? AND run = ? AND task_id = ? AND map_index = ?");
    query.bind(to_string(row.state), row.try_number, row.max_tries, row.fence, row.scheduled_at, row.queued_at,
               row.start_date, row.end_date, row.next_try_at, row.note, row.number, to_string(change.expected_state),
               change.expected_fence, row.run, row.task_id, row.map_index);
    const Result<void> done = query.run();
    if (done && db_.rows_changed() == 0) {
      Query look = db_.query("SELECT " + std::string(instance_columns) + " FROM task_instance t WHERE t.number = ?");
      TRY_ASSIGN(const auto stored, read_one(look.bind(row.number), read_instance));
      return stored ? mismatch(change, *stored) : missing_instance(row.number);
    }
    TRY(check_change(change, fences_used_));
    TRY(refused_as(done, [&] { return duplicate_fence(row); }));
    counters_.last.last_fence = std::max(counters_.last.last_fence, row.fence);

    Event event{.event = event_names::task,
                .run = row.run,
                .instance = row.number,
                .try_number = row.try_number,
                .from = to_string(row.state),
                .to = to_string(row.state),
                .cause = to_string(change.cause),
                .user = change.user,
                .text = change.event_text};
    Result<void> noted;
    bool has_moved = false;
    each_step(change, [&](TaskState from, TaskState to) {
      has_moved = true;
      event.from = to_string(from);
      event.to = to_string(to);
      if (noted) noted = note(event);
    });
    if (has_moved || change.event_text.empty()) return noted;
    return note(event);
  }

  Result<void> apply(const PutTry& change) {
    const TryRecord& row = change.row;
    Query query = db_.query(
        "INSERT INTO task_try (instance, try_number, fence, state, queued_at, start_date, end_date, hostname, pid, "
        "log_file, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (instance, try_number) DO UPDATE SET "
        "fence = excluded.fence, state = excluded.state, queued_at = excluded.queued_at, "
        "start_date = excluded.start_date, end_date = excluded.end_date, hostname = excluded.hostname, "
        "pid = excluded.pid, log_file = excluded.log_file, note = excluded.note");
    query.bind(row.instance, row.try_number, row.fence, to_string(row.state), row.queued_at, row.start_date,
               row.end_date, row.hostname, row.pid, row.log_file, row.note);
    return refused_as(query.run(), [&] { return missing_instance(row.instance); });
  }

  Result<void> apply(const PutXCom& change) {
    const XComRecord& row = change.row;
    Query query = db_.query(
        "INSERT INTO xcom (instance, key, value, at) VALUES (?, ?, ?, ?) ON CONFLICT (instance, key) DO UPDATE SET "
        "value = excluded.value, at = excluded.at");
    query.bind(row.instance, row.key, to_json(row.value), row.at);
    return refused_as(query.run(), [&] { return missing_instance(row.instance); });
  }

  Result<void> apply(const DeleteXComs& change) {
    TRY_ASSIGN(const int64_t deleted,
               db_.query("DELETE FROM xcom WHERE instance = ?").bind(change.instance).run_and_count());
    if (deleted > 0) return {};
    Query look = db_.query("SELECT 1 FROM task_instance WHERE number = ?");
    TRY_ASSIGN(const bool is_there, look.bind(change.instance).next());
    if (!is_there) return missing_instance(change.instance);
    return {};
  }

  Result<void> apply(const PutDag& change) {
    const DagRecord& row = change.row;
    return db_
        .query("INSERT OR REPLACE INTO dag (" + std::string(dag_columns) +
               ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(row.dag_id, row.file, row.version, row.description, row.schedule_text, row.timezone,
              texts_as_json(row.tags), row.is_paused, row.is_stale, row.last_parsed_at, row.last_scheduled_logical_date,
              row.next_run_after, texts_as_json(row.assets))
        .run();
  }

  Result<void> apply(const PutBackfill& change) {
    const Backfill& row = change.row;
    counters_.last.last_backfill = std::max(counters_.last.last_backfill, row.number);
    return db_
        .query("INSERT OR REPLACE INTO backfill (" + std::string(backfill_columns) +
               ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(row.number, row.dag_id, row.from, row.to, to_string(row.reprocess), row.runs_backwards,
              row.max_active_runs, to_json(row.conf), row.is_paused, row.user, row.created_at, row.updated_at,
              row.completed_at, row.is_cancelled, row.last_date, row.has_all_dates, row.dates, row.created, row.cleared,
              row.skipped, row.on_latest_version)
        .run();
  }

  Result<void> apply(const PutDagVersion& change) {
    const DagVersionRecord& row = change.row;
    return db_
        .query(
            "INSERT INTO dag_version (dag_id, number, version, created_at, serialized, source, bundle, "
            "bundle_version) "
            "VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM dag_version WHERE dag_id = ?1), ?2, ?3, ?4, ?5, ?6, "
            "?7) "
            "ON CONFLICT (dag_id, version) DO NOTHING")
        .bind(row.dag_id, row.version, row.created_at, to_json(row.serialized), row.source, row.bundle,
              row.bundle_version)
        .run();
  }

  Result<void> apply(const PutAssets& change) { return put_assets(db_, change.names, batch_.at); }
  Result<void> apply(const InsertAssetEvent& change) {
    TRY(check_new(change.row, counters_.last.last_asset_event));
    counters_.last.last_asset_event = change.row.number;
    return insert_asset_event(db_, change, batch_.at);
  }
  Result<void> apply(const TakeAssetEvents& change) {
    if (change.run != 0) {
      TRY_ASSIGN(const auto run, find_run(change.run));
      if (!run) return missing_run(change.run);
    }
    return take_asset_events(db_, change);
  }

  Result<void> apply(const PutQuestion& change) { return put_question(db_, change.row); }
  Result<void> apply(const PutDeferral& change) { return put_deferral(db_, change.row); }
  Result<void> apply(const DropDeferral& change) { return drop_deferral(db_, change.instance); }

  Result<void> apply(const AppendEvent& change) {
    Query look = db_.query("SELECT number FROM dag_run WHERE dag_id = ? AND run_id = ?");
    TRY_ASSIGN(const bool has_run, look.bind(change.row.dag_id, change.row.run_id).next());
    return append(change.row, has_run ? look.integer(0) : 0);
  }

  Result<void> apply(const QueueNotification& change) {
    const Notification& row = change.row;
    TRY(check_new(row));
    Query query = db_.query(
        "INSERT INTO notification (run, instance, try_number, event, idx, at, dag_id, run_id, task_id, map_index, "
        "notice, context, resends_unknown, state, sends, next_at, note) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (run, instance, try_number, event, idx, at) DO NOTHING");
    query.bind(row.key.run, row.key.instance, row.key.try_number, to_string(row.key.event), row.key.index, row.key.at,
               row.dag_id, row.run_id, row.task_id, row.map_index, to_json(to_value(row.notice)), to_json(row.context),
               row.notice.resends_unknown, to_string(row.state), row.sends, row.next_at, row.note);
    return query.run();
  }

  Result<void> note(const Event& event) {
    ++counters_.events;
    Query query = db_.query(
        "INSERT INTO event (number, at, event, run, instance, try_number, from_state, to_state, cause, user, text) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    query.bind(++counters_.last_event, batch_.at, event.event, event.run);
    if (event.instance == 0) {
      query.bind(std::nullopt);
    } else {
      query.bind(event.instance);
    }
    query.bind(event.try_number, event.from, event.to, event.cause, event.user, event.text);
    return query.run();
  }

  // With words of its own; of `run` unless that is 0.
  Result<void> append(const EventRecord& record, RunNumber run) {
    ++counters_.events;
    Query query = db_.query(
        "INSERT INTO event (number, at, event, run, dag_id, run_id, task_id, map_index, try_number, from_state, "
        "to_state, cause, user, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    query.bind(++counters_.last_event, batch_.at, record.event);
    if (run == 0) {
      query.bind(std::nullopt);
    } else {
      query.bind(run);
    }
    query.bind(record.dag_id, record.run_id, record.task_id, record.map_index, record.try_number, record.from,
               record.to, record.cause, record.user, record.text);
    return query.run();
  }

  static void bind_interval(Query& query, const DagRun& row) {
    if (row.data_interval) {
      query.bind(row.data_interval->begin, row.data_interval->end);
    } else {
      query.bind(std::nullopt, std::nullopt);
    }
  }

  Result<std::optional<DagRun>> find_run(RunNumber number) {
    Query query = db_.query("SELECT " + std::string(run_columns) + " FROM dag_run r WHERE r.number = ?");
    return read_one(query.bind(number), read_run);
  }

  Database& db_;
  const Batch& batch_;
  StoredCounters& counters_;
  const Fence fences_used_;
};

class Writer final : public StoreWriter {
 public:
  explicit Writer(WriteConnection& connection) : connection_(connection) {}

  Result<Epoch> acquire_epoch(TimePoint at) override {
    return connection_.write<Epoch>([&](Database& database) -> Result<Epoch> {
      TRY_ASSIGN(StoredCounters counters, read_counters(database));
      const Epoch epoch = ++counters.epoch;
      EventRecord record;
      record.event = event_names::scheduler;
      record.text = text_of_term(epoch);
      const Batch batch{.epoch = epoch, .at = at, .changes = {AppendEvent{record}}};
      TRY(Application(database, batch, counters).run());
      TRY(write_counters(database, counters));
      return epoch;
    });
  }

  Result<Counters> counters() override {
    return connection_.use<Counters>([](Database& database) -> Result<Counters> {
      TRY_ASSIGN(const StoredCounters counters, read_counters(database));
      return counters.last;
    });
  }

  Result<void> commit(const Batch& batch) override {
    return connection_.write<void>([&](Database& database) -> Result<void> {
      TRY_ASSIGN(StoredCounters counters, read_counters(database));
      if (batch.epoch != counters.epoch) return wrong_epoch(batch.epoch, counters.epoch);
      TRY(Application(database, batch, counters).run());
      return write_counters(database, counters);
    });
  }

 private:
  WriteConnection& connection_;
};

}  // namespace

std::unique_ptr<StoreWriter> make_writer(WriteConnection& connection) { return std::make_unique<Writer>(connection); }

}  // namespace udon::sqlite
