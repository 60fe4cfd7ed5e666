#include "store/sqlite/clean_rows.h"

#include <algorithm>

#include "base/ensure.h"

namespace udon::sqlite {

namespace {

// Some milliseconds of the one connection that writes.
constexpr int rows_per_step = 500;
// Whether a run has a version is asked of the DAG's runs, one by one, until one has it.
constexpr int versions_per_step = 20;

struct TableRules {
  RowTable table;
  const char* from;       // the table, as `x`
  const char* place;      // what rows are gone through by
  const char* dag_id;     // whose it is
  const char* at;         // its age; NULL: it does not age yet
  bool is_in_order;       // of its age, too: behind the first that is not old, none is
  const char* is_of_use;  // to something that stays
};

const std::vector<TableRules>& tables() {
  static const std::vector<TableRules> tables{
      {RowTable::asset_event, "asset_event", "number", "source_dag_id", "at", true,
       "EXISTS (SELECT 1 FROM queued_asset_event q WHERE q.event = x.number) "
       "OR EXISTS (SELECT 1 FROM run_asset_event r WHERE r.event = x.number) "
       "OR EXISTS (SELECT 1 FROM dag_run r WHERE r.dag_id = x.source_dag_id AND r.run_id = x.source_run_id) "
       "OR x.number = (SELECT max(number) FROM asset_event WHERE asset = x.asset)"},
      {RowTable::backfill, "backfill", "number", "dag_id", "completed_at", false,
       "EXISTS (SELECT 1 FROM dag_run r WHERE r.backfill = x.number)"},
      // Versions are named by what they hold: JSON has nothing in it that could be mistaken for one.
      {RowTable::dag_version, "dag_version", "rowid", "dag_id", "created_at", false,
       "x.number = (SELECT max(number) FROM dag_version WHERE dag_id = x.dag_id) "
       "OR EXISTS (SELECT 1 FROM dag d WHERE d.dag_id = x.dag_id AND d.version = x.version) "
       "OR EXISTS (SELECT 1 FROM dag_run r WHERE r.dag_id = x.dag_id "
       "AND (r.dag_version = x.version OR instr(r.earlier_versions, '\"' || x.version || '\"') > 0))"},
      {RowTable::notification, "notification", "number", "dag_id", "at", true,
       "x.state IN ('pending', 'sending') OR EXISTS (SELECT 1 FROM dag_run r WHERE r.number = x.run)"},
      // As StoreReader::last_pause finds it: why a paused DAG is paused.
      {RowTable::log, "event", "number", "dag_id", "at", true,
       "x.run IS NOT NULL OR (x.run_id = '' AND x.text GLOB 'paused*' "
       "AND EXISTS (SELECT 1 FROM dag d WHERE d.dag_id = x.dag_id AND d.is_paused) "
       "AND NOT EXISTS (SELECT 1 FROM event e INDEXED BY event_by_name WHERE e.run IS NULL AND e.dag_id = x.dag_id "
       "AND e.run_id = '' AND e.number > x.number AND (e.text GLOB 'paused*' OR e.text GLOB 'unpaused*')))"},
  };
  return tables;
}

const TableRules& rules_of(RowTable table) { return *std::ranges::find(tables(), table, &TableRules::table); }

}  // namespace

Result<RowsCleaned> clean_rows(Database& database, const RowsStep& step) {
  const TableRules& rules = rules_of(step.table);
  const std::string x = "x.", place = x + rules.place;
  const int limit = step.table == RowTable::dag_version ? versions_per_step : rows_per_step;
  RowsCleaned cleaned;
  cleaned.next = step.after;
  std::vector<int64_t> going;
  int looked_at = 0;
  bool is_behind_old = false;
  {
    // The age first: what is young costs no more than a look.
    Query query = database.query("SELECT " + place + ", coalesce(x." + rules.dag_id + ", ''), coalesce(x." + rules.at +
                                 " < ?1, 0), CASE WHEN x." + rules.at + " < ?1 THEN NOT (" + rules.is_of_use +
                                 ") ELSE 0 END FROM " + rules.from + " x WHERE " + place + " > ?2 ORDER BY " + place +
                                 " LIMIT ?3");
    query.bind(step.before, step.after, limit);
    for (;;) {
      TRY_ASSIGN(const bool has_row, query.next());
      if (!has_row) break;
      ++looked_at;
      const bool is_old = query.integer(2) != 0;
      if (!is_old && rules.is_in_order) {
        is_behind_old = true;
        break;
      }
      cleaned.next = query.integer(0);
      const bool is_asked_for =
          step.dag_ids.empty() || std::ranges::find(step.dag_ids, query.text(1)) != step.dag_ids.end();
      if (query.integer(3) != 0 && is_asked_for) going.push_back(query.integer(0));
    }
  }
  cleaned.is_done = is_behind_old || looked_at < limit;
  cleaned.rows = static_cast<int64_t>(going.size());
  if (step.dry_run) return cleaned;
  for (const int64_t number : going) {
    TRY_ASSIGN(const int64_t deleted,
               database.query("DELETE FROM " + std::string(rules.from) + " WHERE " + rules.place + " = ?")
                   .bind(number)
                   .run_and_count());
    ENSURE(deleted == 1, "a row that was just read is there");
  }
  if (step.table == RowTable::log && !going.empty())
    TRY(database.query("UPDATE counters SET events = events - ? WHERE one = 1").bind(cleaned.rows).run());
  return cleaned;
}

}  // namespace udon::sqlite
