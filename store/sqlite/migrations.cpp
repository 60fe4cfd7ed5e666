// The steps of the schema, with what is lost where one is taken back.
#include "store/sqlite/migrate.h"

namespace udon {
extern const char migration_0001[];
extern const char migration_0002[];
extern const char migration_0002_down[];
extern const char migration_0003[];
extern const char migration_0003_down[];
extern const char migration_0004[];
extern const char migration_0004_down[];
extern const char migration_0005[];
extern const char migration_0005_down[];
extern const char migration_0006[];
extern const char migration_0006_down[];
extern const char migration_0007[];
extern const char migration_0007_down[];
}  // namespace udon

namespace udon::sqlite {

namespace {

constexpr const char* open_question =
    "question q JOIN task_instance t ON t.number = q.instance AND t.try_number = q.try_number "
    "WHERE q.answer IS NULL AND t.state = 'deferred'";

// Shown as history: its try failed, was killed or cleared before anybody answered.
constexpr const char* unanswered_question =
    "question q LEFT JOIN task_instance t ON t.number = q.instance AND t.try_number = q.try_number "
    "AND t.state = 'deferred' WHERE q.answer IS NULL AND t.number IS NULL";

std::vector<Migration> make_migrations() {
  return {
      {1, "store", migration_0001},
      {2,
       "outbox",
       migration_0002,
       migration_0002_down,
       {{"notification that is not sent yet", "notifications that are not sent yet",
         "notification WHERE state IN ('pending', 'sending')"},
        {"record of a notification", "records of notifications",
         "notification WHERE state NOT IN ('pending', 'sending')"}}},
      {3,
       "assets",
       migration_0003,
       migration_0003_down,
       {{"asset", "assets", "asset"},
        {"asset event", "asset events", "asset_event"},
        {"event that a DAG waits to run for", "events that DAGs wait to run for", "queued_asset_event"}}},
      {4,
       "backfill",
       migration_0004,
       migration_0004_down,
       {{"backfill that goes on", "backfills that go on", "backfill WHERE completed_at IS NULL"},
        {"backfill that is over", "backfills that are over", "backfill WHERE completed_at IS NOT NULL"}}},
      {5, "retention", migration_0005, migration_0005_down},
      {6,
       "waits",
       migration_0006,
       migration_0006_down,
       {{"open question", "open questions", open_question},
        {"question that nobody answered in time", "questions that nobody answered in time", unanswered_question},
        {"answer to a question", "answers to questions", "question WHERE answer IS NOT NULL"},
        {"try that waits without a process", "tries that wait without a process", "deferral"},
        {"notification of a question", "notifications of questions", "notification WHERE event = 'asked'"}}},
      {7,
       "versions",
       migration_0007,
       migration_0007_down,
       {{"run's earlier versions", "runs' earlier versions", "dag_run WHERE earlier_versions != '[]'"},
        {"version's commit", "versions' commits", "dag_version WHERE bundle != ''"},
        {"backfill's wish for the newest version", "backfills' wishes for the newest version",
         "backfill WHERE on_latest_version AND completed_at IS NULL"},
        {"notification of a pause", "notifications of pauses", "notification WHERE event = 'paused'"}}},
  };
}

}  // namespace

std::span<const Migration> all_migrations() {
  static const std::vector<Migration> migrations = make_migrations();
  return migrations;
}

}  // namespace udon::sqlite
