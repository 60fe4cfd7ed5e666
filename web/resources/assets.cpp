// Assets, their events, and who waits for them. An asset of ours has one name; Airflow's `name` and `uri` are both
// that.
#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "model/asset.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Error no_such_asset(std::string_view number) {
  return {ErrorKind::not_found, "The Asset with ID: `" + std::string(number) + "` was not found"};
}

// By the path's {asset_id}.
Result<AssetRecord> need_asset(World& world, const Call& call) {
  Problems problems;
  const auto number = path_integer(call, "asset_id", problems);
  if (!number) return Error{ErrorKind::invalid, "asset_id: `" + call.part("asset_id") + "` is no number"};
  TRY_ASSIGN(const auto asset, world.reader.asset(*number));
  if (!asset) return no_such_asset(call.part("asset_id"));
  return *asset;
}

// Who makes, reads and waits for assets, as the DAG files say it.
class References {
 public:
  explicit References(World& world) : catalog_(world.catalog ? world.catalog() : nullptr) {}

  Value show(const AssetRecord& asset) {
    const std::string since = format_time(asset.created_at);
    Value::List scheduled, producing, consuming;
    for (const auto& [id, dag] : dags()) {
      if (dag->schedule.assets && std::ranges::binary_search(assets_of(*dag->schedule.assets), asset.name))
        scheduled.push_back(Value::Map{{"dag_id", id}, {"created_at", since}, {"updated_at", since}});
      for (const Task& task : dag->tasks) {
        const Value shown =
            Value::Map{{"dag_id", id}, {"task_id", task.task_id}, {"created_at", since}, {"updated_at", since}};
        if (std::ranges::find(task.outlets, asset.name) != task.outlets.end()) producing.push_back(shown);
        if (std::ranges::find(task.inlets, asset.name) != task.inlets.end()) consuming.push_back(shown);
      }
    }
    return Value::Map{{"id", asset.number},
                      {"name", asset.name},
                      {"uri", asset.name},
                      {"group", "asset"},
                      {"extra", Value::map()},
                      {"created_at", since},
                      {"updated_at", format_time(asset.updated_at)},
                      {"scheduled_dags", std::move(scheduled)},
                      {"producing_tasks", std::move(producing)},
                      {"consuming_tasks", std::move(consuming)},
                      {"aliases", Value::list()},
                      {"watchers", Value::list()},
                      {"last_asset_event", Value::Map{{"id", asset.last_event ? Value(*asset.last_event) : Value()},
                                                      {"timestamp", show_time(asset.last_event_at)}}}};
  }

  // Of DAGs one of whose tasks makes it by name.
  std::vector<std::string> producers(const std::string& asset) {
    std::vector<std::string> ids;
    for (const auto& [id, dag] : dags()) {
      if (std::ranges::any_of(dag->tasks, [&](const Task& task) {
            return std::ranges::find(task.outlets, asset) != task.outlets.end();
          }))
        ids.push_back(id);
    }
    return ids;
  }

 private:
  const std::map<std::string, DagPtr, std::less<>>& dags() const {
    static const std::map<std::string, DagPtr, std::less<>> none;
    return catalog_ ? catalog_->dags : none;
  }
  CatalogPtr catalog_;
};

// Shows events; remembers the numbers of assets.
class EventShower {
 public:
  explicit EventShower(World& world) : world_(world) {}

  Result<Value> show(const AssetEvent& event) {
    TRY_ASSIGN(const int64_t asset, number_of(event.asset));
    TRY_ASSIGN(const std::vector<RunNumber> numbers, world_.reader.runs_of_asset_event(event.number));
    Value::List runs;
    for (const RunNumber number : numbers) {
      TRY_ASSIGN(const auto run, world_.reader.run_by_number(number));
      if (!run) continue;
      TRY_ASSIGN(const auto of_run, world_.reader.asset_events_of_run(number));
      runs.push_back(
          Value::Map{{"run_id", run->run_id},
                     {"dag_id", run->dag_id},
                     {"logical_date", show_time(run->logical_date)},
                     {"start_date", show_time(run->start_date ? *run->start_date : run->queued_at)},
                     {"end_date", show_time(run->end_date)},
                     {"state", to_string(run->state)},
                     {"data_interval_start", run->data_interval ? show_time(run->data_interval->begin) : Value()},
                     {"data_interval_end", run->data_interval ? show_time(run->data_interval->end) : Value()},
                     {"partition_key", nullptr},
                     {"triggering", !of_run.empty() && of_run.back().number == event.number}});
    }
    return Value::Map{{"id", event.number},
                      {"asset_id", asset},
                      {"uri", event.asset},
                      {"name", event.asset},
                      {"group", "asset"},
                      {"extra", event.extra},
                      {"source_task_id", text_or_null(event.source_task_id)},
                      {"source_dag_id", text_or_null(event.source_dag_id)},
                      {"source_run_id", text_or_null(event.source_run_id)},
                      {"source_map_index", event.source_map_index},
                      {"created_dagruns", std::move(runs)},
                      {"timestamp", format_time(event.at)},
                      {"partition_key", nullptr}};
  }

  Result<int64_t> number_of(const std::string& name) {
    const auto known = numbers_.find(name);
    if (known != numbers_.end()) return known->second;
    TRY_ASSIGN(const auto found, world_.reader.assets({.names = {name}}, {.limit = 1}));
    const int64_t number = found.rows.empty() ? 0 : found.rows[0].number;
    numbers_.emplace(name, number);
    return number;
  }

 private:
  World& world_;
  std::map<std::string, int64_t> numbers_;
};

Result<Response> show_events(World& world, const std::vector<AssetEvent>& events, int64_t total) {
  EventShower shower(world);
  Value::List rows;
  for (const AssetEvent& event : events) {
    TRY_ASSIGN(Value shown, shower.show(event));
    rows.push_back(std::move(shown));
  }
  return json_response(200, show_list("asset_events", std::move(rows), total));
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  AssetFilter filter;
  const std::vector<std::string> dag_ids = query.texts("dag_ids");
  if (!problems.empty()) return problems.response();
  // The API's patterns have % at both ends, or none.
  for (const char* name : {"name_pattern", "uri_pattern", "name_prefix_pattern", "uri_prefix_pattern"}) {
    if (auto pattern = query.text(name)) {
      std::string_view part = *pattern;
      while (part.starts_with('%')) part.remove_prefix(1);
      while (part.ends_with('%')) part.remove_suffix(1);
      filter.name_like = std::string(part);
    }
  }
  if (const auto name = query.text("name")) filter.names = {*name};  // ours
  TRY(query.refuse({"only_active"}));
  TRY_ASSIGN(filter.order_by, query.order_by("id", {{"id", "number"}, {"name", "name"}, {"uri", "name"}}));
  if (!dag_ids.empty()) {
    const CatalogPtr catalog = world.catalog ? world.catalog() : nullptr;
    filter.names = {""};  // of none, unless the DAGs name some
    for (const std::string& id : dag_ids) {
      if (!catalog) continue;
      const auto dag = catalog->dags.find(id);
      if (dag == catalog->dags.end()) continue;
      if (dag->second->schedule.assets) {
        for (std::string& name : assets_of(*dag->second->schedule.assets)) filter.names.push_back(std::move(name));
      }
      for (const Task& task : dag->second->tasks) {
        filter.names.insert(filter.names.end(), task.outlets.begin(), task.outlets.end());
        filter.names.insert(filter.names.end(), task.inlets.begin(), task.inlets.end());
      }
    }
  }
  TRY_ASSIGN(const auto found, world.reader.assets(filter, page));
  References references(world);
  Value::List rows;
  for (const AssetRecord& asset : found.rows) rows.push_back(references.show(asset));
  return json_response(200, show_list("assets", std::move(rows), found.total));
}

Result<Response> list_events(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  AssetEventFilter filter;
  const auto asset_id = query.integer("asset_id", 0);
  filter.asset = query.text("name");  // ours
  filter.source_dag_id = query.text("source_dag_id");
  filter.source_task_id = query.text("source_task_id");
  filter.source_run_id = query.text("source_run_id");
  if (const auto index = query.integer("source_map_index", -1)) filter.source_map_index = static_cast<int>(*index);
  query.time_range("timestamp", filter.at_gte, filter.at_lte);
  if (!problems.empty()) return problems.response();
  TRY(query.refuse({"name_pattern", "name_prefix_pattern"}));
  TRY_ASSIGN(filter.order_by, query.order_by("timestamp", {{"id", "number"}, {"timestamp", "at"}}));
  if (asset_id) {
    TRY_ASSIGN(const auto asset, world.reader.asset(*asset_id));
    filter.asset = asset ? asset->name : "";  // none has that name
  }
  TRY_ASSIGN(const auto found, world.reader.asset_events(filter, page));
  return show_events(world, found.rows, found.total);
}

Result<Response> create_event(World& world, const Call& call) {
  Problems problems;
  BodyFields body(call.request, problems);
  // Ours: by name, which need not be known yet.
  const auto name = body.text("name");
  const auto asset_id =
      body.integer("asset_id", 0, INT32_MAX, name ? BodyFields::Need::optional : BodyFields::Need::required);
  Value extra = body.map("extra").value_or(Value::map());
  body.only({"asset_id", "name", "extra", "partition_key", "access_control"});
  if (!problems.empty()) return problems.response();
  CreateAssetEvent command{.asset = name.value_or(""), .extra = {}, .user = call.user.name};
  if (!name) {
    TRY_ASSIGN(const auto asset, world.reader.asset(*asset_id));
    if (!asset) return Error{ErrorKind::not_found, "Asset with ID: `" + std::to_string(*asset_id) + "` was not found"};
    command.asset = asset->name;
  }
  extra.set("from_rest_api", true);
  command.extra = std::move(extra);
  TRY_ASSIGN(const CommandOutcome outcome, world.control.submit(std::move(command)));
  if (outcome.asset_events.empty()) return Error{ErrorKind::unavailable, "the event was not made"};
  EventShower shower(world);
  TRY_ASSIGN(Value shown, shower.show(outcome.asset_events[0]));
  return json_response(200, std::move(shown));
}

Result<Response> materialize(World& world, const Call& call) {
  Problems problems;
  Value conf = Value::map();
  std::string note;
  std::optional<std::string> run_id;
  std::optional<TimePoint> logical_date;
  if (!trim(call.request.body).empty()) {
    BodyFields body(call.request, problems);
    run_id = body.text("dag_run_id");
    logical_date = body.time("logical_date");
    conf = body.map("conf").value_or(Value::map());
    note = body.text("note").value_or("");
    body.only({"dag_run_id", "logical_date", "run_after", "data_interval_start", "data_interval_end", "conf", "note",
               "partition_key"});
  }
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const AssetRecord asset, need_asset(world, call));
  const std::vector<std::string> producers = References(world).producers(asset.name);
  if (producers.empty())
    return Error{ErrorKind::not_found, "No Dag materializes asset with ID: " + std::to_string(asset.number)};
  if (producers.size() > 1)
    return Error{ErrorKind::conflict, "More than one Dag materializes asset with ID: " + std::to_string(asset.number) +
                                          ": " + join(producers, ", ")};
  TriggerRun trigger{.dag_id = producers[0], .run_id = run_id, .logical_date = logical_date};
  trigger.has_logical_date = logical_date.has_value();
  trigger.conf = std::move(conf);
  trigger.note = std::move(note);
  trigger.triggered_by = "rest_api";
  trigger.user = call.user.name;
  TRY_ASSIGN(const CommandOutcome outcome, world.control.submit(std::move(trigger)));
  if (!outcome.run) return Error{ErrorKind::unavailable, "no run was made"};
  return json_response(200, show_run(world, *outcome.run));
}

// One row for each asset of a DAG of which something is queued, with the first event: as Airflow's queue is.
Result<Response> show_queued(World& world, const std::vector<QueuedAssetEvent>& queued) {
  EventShower shower(world);
  std::set<std::pair<std::string, std::string>> seen;
  Value::List rows;
  for (const QueuedAssetEvent& row : queued) {
    if (!seen.insert({row.dag_id, row.event.asset}).second) continue;
    TRY_ASSIGN(const int64_t asset, shower.number_of(row.event.asset));
    rows.push_back(Value::Map{{"dag_id", row.dag_id},
                              {"asset_id", asset},
                              {"created_at", format_time(row.event.at)},
                              {"dag_display_name", row.dag_id}});
  }
  const auto total = static_cast<int64_t>(rows.size());
  return json_response(200, show_list("queued_events", std::move(rows), total));
}

Result<Response> queued_of_dag(World& world, const Call& call) {
  TRY(need_dag(world, call.part("dag_id")));
  TRY_ASSIGN(const auto queued, world.reader.queued_asset_events(call.part("dag_id")));
  return show_queued(world, queued);
}

Result<Response> forget(World& world, const std::string& dag_id, std::optional<std::string> asset,
                        const std::string& user) {
  TRY(world.control.submit(ForgetAssetEvents{.dag_id = dag_id, .asset = std::move(asset), .user = user}));
  return no_content();
}

// What the next run of a DAG waits for, in words and asset by asset: ours.
Result<Response> waiting(World& world, const Call& call) {
  TRY_ASSIGN(const DagRecord record, need_dag(world, call.part("dag_id")));
  const DagInfoPtr info = world.dags.find(record.dag_id, record.version);
  TRY_ASSIGN(const auto queued, world.reader.queued_asset_events(record.dag_id));
  std::map<std::string, int64_t> events;
  for (const QueuedAssetEvent& row : queued) events[row.event.asset] += 1;
  Value::List rows;
  std::vector<std::string> missing;
  for (const std::string& asset : record.assets) {
    const int64_t there = events.contains(asset) ? events[asset] : 0;
    rows.push_back(Value::Map{{"name", asset}, {"queued_events", there}});
    if (there == 0) missing.push_back("`" + asset + "`");
  }
  std::string text;
  const bool is_due =
      info && info->dag->schedule.assets &&
      holds(*info->dag->schedule.assets, [&](const std::string& asset) { return events.contains(asset); });
  if (record.assets.empty()) {
    text = "it waits for no assets";
  } else if (record.is_paused) {
    text = "it is paused, and misses what is made meanwhile";
  } else if (is_due) {
    text = "all is there: its next run waits for one of max_active_runs";
  } else {
    const bool is_any = info && info->dag->schedule.assets && info->dag->schedule.assets->is == AssetCondition::Is::any;
    text = std::string("waits for ") + (is_any && missing.size() > 1 ? "one of " : "") + join(missing, ", ") +
           "; has " + std::to_string(record.assets.size() - missing.size()) + " of " +
           std::to_string(record.assets.size());
  }
  return json_response(
      200, Value::Map{{"dag_id", record.dag_id},
                      {"expression",
                       info && info->dag->schedule.assets ? Value(to_string(*info->dag->schedule.assets)) : Value()},
                      {"assets", std::move(rows)},
                      {"is_due", is_due},
                      {"text", text}});
}

}  // namespace

void add_assets(Router& router, World& world) {
  const std::string one = "/api/v2/assets/{asset_id}", of_dag = "/api/v2/dags/{dag_id}/assets";
  router.add("GET", "/api/v2/assets", at_least(Role::viewer), "Assets, with who makes and who waits for them",
             [&world](const Call& call) { return list(world, call); });
  router.add("GET", "/api/v2/assets/events", at_least(Role::viewer), "Events of assets",
             [&world](const Call& call) { return list_events(world, call); });
  router.add("POST", "/api/v2/assets/events", at_least(Role::user), "Tells that an asset was made anew",
             [&world](const Call& call) { return create_event(world, call); });
  router.add("GET", "/api/v2/assets/aliases", at_least(Role::viewer), "Aliases of assets: there are none",
             [](const Call&) -> Result<Response> { return json_response(200, show_list("asset_aliases", {}, 0)); });
  router.add("GET", one, at_least(Role::viewer), "An asset", [&world](const Call& call) -> Result<Response> {
    TRY_ASSIGN(const AssetRecord asset, need_asset(world, call));
    return json_response(200, References(world).show(asset));
  });
  router.add("POST", one + "/materialize", at_least(Role::user), "Triggers the DAG that makes an asset",
             [&world](const Call& call) { return materialize(world, call); });
  router.add("GET", one + "/queuedEvents", at_least(Role::viewer), "For whom events of an asset are queued",
             [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const AssetRecord asset, need_asset(world, call));
               TRY_ASSIGN(auto queued, world.reader.queued_asset_events(""));
               std::erase_if(queued, [&](const QueuedAssetEvent& row) { return row.event.asset != asset.name; });
               return show_queued(world, queued);
             });
  router.add("DELETE", one + "/queuedEvents", at_least(Role::user), "Forgets the events of an asset that are queued",
             [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const AssetRecord asset, need_asset(world, call));
               TRY_ASSIGN(auto queued, world.reader.queued_asset_events(""));
               std::set<std::string> dag_ids;
               for (const QueuedAssetEvent& row : queued)
                 if (row.event.asset == asset.name) dag_ids.insert(row.dag_id);
               for (const std::string& id : dag_ids) TRY(forget(world, id, asset.name, call.user.name));
               return no_content();
             });
  router.add("GET", of_dag + "/queuedEvents", at_least(Role::viewer), "What is queued for a DAG",
             [&world](const Call& call) { return queued_of_dag(world, call); });
  router.add("DELETE", of_dag + "/queuedEvents", at_least(Role::user), "Forgets what is queued for a DAG",
             [&world](const Call& call) -> Result<Response> {
               TRY(need_dag(world, call.part("dag_id")));
               return forget(world, call.part("dag_id"), {}, call.user.name);
             });
  router.add("GET", of_dag + "/{asset_id}/queuedEvents", at_least(Role::viewer),
             "Whether an event of an asset is queued for a DAG", [&world](const Call& call) -> Result<Response> {
               TRY(need_dag(world, call.part("dag_id")));
               TRY_ASSIGN(const AssetRecord asset, need_asset(world, call));
               TRY_ASSIGN(auto queued, world.reader.queued_asset_events(call.part("dag_id")));
               for (const QueuedAssetEvent& row : queued) {
                 if (row.event.asset != asset.name) continue;
                 return json_response(200, Value::Map{{"dag_id", row.dag_id},
                                                      {"asset_id", asset.number},
                                                      {"created_at", format_time(row.event.at)},
                                                      {"dag_display_name", row.dag_id}});
               }
               return Error{ErrorKind::not_found, "Queued event with dag_id: `" + call.part("dag_id") +
                                                      "` and asset_id: `" + call.part("asset_id") + "` was not found"};
             });
  router.add("DELETE", of_dag + "/{asset_id}/queuedEvents", at_least(Role::user),
             "Forgets the events of an asset that are queued for a DAG",
             [&world](const Call& call) -> Result<Response> {
               TRY(need_dag(world, call.part("dag_id")));
               TRY_ASSIGN(const AssetRecord asset, need_asset(world, call));
               return forget(world, call.part("dag_id"), asset.name, call.user.name);
             });
  router.add("GET", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents", at_least(Role::viewer),
             "The events that made a run due", [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const DagRun run, need_run(world, call));
               TRY_ASSIGN(const auto events, world.reader.asset_events_of_run(run.number));
               return show_events(world, events, static_cast<int64_t>(events.size()));
             });
  router.add("GET", "/api/udon/dags/{dag_id}/assets", at_least(Role::viewer),
             "What the next run of a DAG waits for, in words",
             [&world](const Call& call) { return waiting(world, call); });
}

}  // namespace udon::web
