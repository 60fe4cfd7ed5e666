#include "store/sqlite/sqlite_assets.h"

#include <variant>

#include "store/rules.h"
#include "store/sqlite/rows.h"

namespace udon::sqlite {

namespace {

// Of asset as a, with its last event.
constexpr std::string_view asset_columns =
    "a.number, a.name, a.created_at, a.updated_at, l.number, l.at FROM asset a LEFT JOIN asset_event l ON l.number = "
    "(SELECT max(number) FROM asset_event WHERE asset = a.number)";

Result<AssetRecord> read_asset(const Query& row) {
  AssetRecord asset{.number = row.integer(0),
                    .name = row.text(1),
                    .created_at = row.time(2),
                    .updated_at = row.time(3),
                    .last_event = {},
                    .last_event_at = row.optional_time(5)};
  if (!row.is_null(4)) asset.last_event = row.integer(4);
  return asset;
}

// Of asset_event as e and asset as a.
constexpr std::string_view event_columns =
    "e.number, a.name, e.at, e.extra, e.source_dag_id, e.source_run_id, e.source_task_id, e.source_map_index, e.user";

Result<AssetEvent> read_event(const Query& row) {
  AssetEvent event;
  event.number = row.integer(0);
  event.asset = row.text(1);
  event.at = row.time(2);
  TRY_ASSIGN(event.extra, read_json(row, 3));
  event.source_dag_id = row.text(4);
  event.source_run_id = row.text(5);
  event.source_task_id = row.text(6);
  event.source_map_index = static_cast<int>(row.integer(7));
  event.user = row.text(8);
  return event;
}

Result<QueuedAssetEvent> read_queued(const Query& row) {
  QueuedAssetEvent queued;
  TRY_ASSIGN(queued.event, read_event(row));
  queued.dag_id = row.text(9);
  return queued;
}

Result<RunNumber> read_number(const Query& row) { return row.integer(0); }

// Conditions joined by AND, and the values of their question marks.
struct Conditions {
  std::string sql;
  std::vector<std::variant<int64_t, std::string>> values;
  template <class T>
  void add(const std::string& condition, const T& value) {
    sql += (sql.empty() ? " WHERE " : " AND ") + condition;
    values.emplace_back(value);
  }
  void bind_to(Query& query) const {
    for (const auto& value : values) std::visit([&](const auto& one) { query.add(one); }, value);
  }
};

template <class T>
Result<Page<T>> read_page(Database& db, const std::string& select, const std::string& from, const Conditions& where,
                          const std::string& order, const PageRequest& request, Result<T> (*read)(const Query&)) {
  TRY_ASSIGN(const auto snapshot, Transaction::begin(db, Transaction::Kind::read));
  Page<T> page;
  {
    Query count = db.query("SELECT count(*) FROM " + from + where.sql);
    where.bind_to(count);
    TRY(count.next());
    page.total = count.integer(0);
  }
  Query query = db.query("SELECT " + select + where.sql + order + " LIMIT ? OFFSET ?");
  where.bind_to(query);
  TRY_ASSIGN(page.rows, read_all(query.bind(request.limit, request.offset), read));
  return page;
}

}  // namespace

Result<void> put_assets(Database& db, const std::vector<std::string>& names, TimePoint at) {
  for (const std::string& name : names) {
    if (const auto problem = problem_of_asset(name)) return Error{ErrorKind::invalid, *problem};
    TRY(db.query("INSERT INTO asset (name, created_at, updated_at) VALUES (?1, ?2, ?2) ON CONFLICT (name) DO NOTHING")
            .bind(name, at)
            .run());
  }
  return {};
}

Result<void> insert_asset_event(Database& db, const InsertAssetEvent& change, TimePoint at) {
  const AssetEvent& row = change.row;
  TRY(put_assets(db, {row.asset}, at));
  TRY(db.query("INSERT INTO asset_event (number, asset, at, extra, source_dag_id, source_run_id, source_task_id, "
               "source_map_index, user) VALUES (?, (SELECT number FROM asset WHERE name = ?), ?, ?, ?, ?, ?, ?, ?)")
          .bind(row.number, row.asset, row.at, to_json(row.extra), row.source_dag_id, row.source_run_id,
                row.source_task_id, row.source_map_index, row.user)
          .run());
  for (const std::string& dag_id : change.consumers) {
    TRY(db.query("INSERT INTO queued_asset_event (dag_id, event) VALUES (?, ?)").bind(dag_id, row.number).run());
  }
  return {};
}

Result<void> take_asset_events(Database& db, const TakeAssetEvents& change) {
  for (const AssetEventNumber event : change.events) {
    TRY_ASSIGN(const int64_t taken, db.query("DELETE FROM queued_asset_event WHERE dag_id = ? AND event = ?")
                                        .bind(change.dag_id, event)
                                        .run_and_count());
    if (taken == 0) return not_queued(change.dag_id, event);
    if (change.run == 0) continue;
    TRY(db.query("INSERT INTO run_asset_event (run, event) VALUES (?, ?)").bind(change.run, event).run());
  }
  return {};
}

Result<Page<AssetRecord>> assets(Database& db, const AssetFilter& filter, const PageRequest& page) {
  TRY(check_page(page));
  TRY_ASSIGN(const Order order, parse_order(filter.order_by, asset_orders));
  Conditions where;
  if (filter.name_like) where.add("instr(lower(a.name), lower(?)) > 0", *filter.name_like);
  if (!filter.names.empty()) {
    std::string marks;
    for (size_t i = 1; i < filter.names.size(); ++i) marks += ", ?";
    where.add("a.name IN (?" + marks + ")", filter.names[0]);
    for (size_t i = 1; i < filter.names.size(); ++i) where.values.emplace_back(filter.names[i]);
  }
  const std::string by = " ORDER BY a." + std::string(order.column) + (order.descending ? " DESC" : "");
  return read_page(db, std::string(asset_columns), "asset a", where, by, page, read_asset);
}

Result<std::optional<AssetRecord>> asset(Database& db, int64_t number) {
  Query query = db.query("SELECT " + std::string(asset_columns) + " WHERE a.number = ?");
  return read_one(query.bind(number), read_asset);
}

Result<Page<AssetEvent>> asset_events(Database& db, const AssetEventFilter& filter, const PageRequest& page) {
  TRY(check_page(page));
  TRY_ASSIGN(const Order order, parse_order(filter.order_by, asset_event_orders));
  Conditions where;
  if (filter.asset) where.add("e.asset = (SELECT number FROM asset WHERE name = ?)", *filter.asset);
  if (filter.source_dag_id) where.add("e.source_dag_id != '' AND e.source_dag_id = ?", *filter.source_dag_id);
  if (filter.source_run_id) where.add("e.source_run_id = ?", *filter.source_run_id);
  if (filter.source_task_id) where.add("e.source_task_id = ?", *filter.source_task_id);
  if (filter.source_map_index) where.add("e.source_map_index = ?", int64_t{*filter.source_map_index});
  if (filter.at_gte) where.add("e.at >= ?", int64_t{filter.at_gte->time_since_epoch().count()});
  if (filter.at_lte) where.add("e.at <= ?", int64_t{filter.at_lte->time_since_epoch().count()});
  const std::string direction = order.descending ? " DESC" : "";
  std::string by = " ORDER BY e." + std::string(order.column) + direction;
  if (order.column != "number") by += ", e.number" + direction;
  return read_page(db, std::string(event_columns) + " FROM asset_event e JOIN asset a ON a.number = e.asset",
                   "asset_event e", where, by, page, read_event);
}

Result<std::vector<QueuedAssetEvent>> queued_asset_events(Database& db, const std::string& dag_id) {
  Query query = db.query("SELECT " + std::string(event_columns) +
                         ", q.dag_id FROM queued_asset_event q CROSS JOIN asset_event e ON e.number = q.event "
                         "CROSS JOIN asset a ON a.number = e.asset" +
                         (dag_id.empty() ? "" : " WHERE q.dag_id = ?") + " ORDER BY q.dag_id, q.event");
  if (!dag_id.empty()) query.bind(dag_id);
  return read_all(query, read_queued);
}

Result<std::vector<AssetEvent>> asset_events_of_run(Database& db, RunNumber run) {
  Query query = db.query("SELECT " + std::string(event_columns) +
                         " FROM run_asset_event r CROSS JOIN asset_event e ON e.number = r.event "
                         "CROSS JOIN asset a ON a.number = e.asset WHERE r.run = ? ORDER BY r.event");
  return read_all(query.bind(run), read_event);
}

Result<std::vector<RunNumber>> runs_of_asset_event(Database& db, AssetEventNumber event) {
  Query query = db.query("SELECT run FROM run_asset_event WHERE event = ? ORDER BY run");
  return read_all(query.bind(event), read_number);
}

}  // namespace udon::sqlite
