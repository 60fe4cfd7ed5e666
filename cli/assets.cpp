#include "base/text.h"
#include "cli/command.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/v2/assets";

std::string names_of(const Value& asset, const char* list) {
  std::vector<std::string> names;
  for (const Value& one : asset.get(list).as_list()) {
    const std::string task = one.text("task_id");
    names.push_back(one.text("dag_id") + (task.empty() ? "" : "." + task));
  }
  return join(names, ", ");
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      column("ID", "id"),
      column("ASSET", "name"),
      {"MADE BY", [](const Value& asset) { return names_of(asset, "producing_tasks"); }},
      {"WAITED FOR BY", [](const Value& asset) { return names_of(asset, "scheduled_dags"); }},
      {"LAST MADE", [](const Value& asset) { return asset.get("last_asset_event").text("timestamp"); }}};
  return all;
}

// Of the asset of that very name.
Result<Value> find(Api& api, const std::string& name) {
  TRY_ASSIGN(const Value found, api.get(collection + query_of({{"name", name}})));
  if (found.get("assets").size() > 0) return found.get("assets").as_list()[0];
  TRY_ASSIGN(const Value all, api.get_all(collection, "assets"));
  std::vector<std::string> names;
  for (const Value& asset : all.get("assets").as_list()) names.push_back(asset.text("name"));
  return Error{ErrorKind::not_found, "there is no asset `" + name + "`" + did_you_mean(name, names)};
}

Result<int> list(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value found,
             api->get_all(collection + query_of({{"name_pattern", arguments.text_or("pattern", "")}}), "assets"));
  session.output().list(found, "assets", columns());
  return succeeded;
}

Result<int> details(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value asset, find(*api, arguments.text("ASSET")));
  TRY_ASSIGN(const Value queued, api->get(collection + ("/" + plain_text(asset.get("id"))) + "/queuedEvents"));
  std::vector<Column> rows = columns();
  rows.push_back({"QUEUED FOR", [&](const Value&) {
                    std::vector<std::string> ids;
                    for (const Value& row : queued.get("queued_events").as_list()) ids.push_back(row.text("dag_id"));
                    return join(ids, ", ");
                  }});
  session.output().object(asset, rows);
  return succeeded;
}

Result<int> events(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string name = arguments.text_or("ASSET", "");
  if (!name.empty()) TRY(find(*api, name));
  TRY_ASSIGN(const int64_t most, parse_count("--limit", arguments.text_or("limit", "50")));
  TRY_ASSIGN(const Value found,
             api->get_all(std::string(collection) + "/events" + query_of({{"name", name}, {"order_by", "-timestamp"}}),
                          "asset_events", most));
  session.output().list(found, "asset_events",
                        {column("ID", "id"),
                         column("ASSET", "name"),
                         column("AT", "timestamp"),
                         {"FROM",
                          [](const Value& event) {
                            if (event.text("source_dag_id").empty()) return std::string("outside");
                            const int64_t index = event.integer("source_map_index", -1);
                            return event.text("source_dag_id") + "/" + event.text("source_run_id") + "/" +
                                   event.text("source_task_id") + (index < 0 ? "" : "[" + std::to_string(index) + "]");
                          }},
                         {"RUNS",
                          [](const Value& event) {
                            std::vector<std::string> ids;
                            for (const Value& run : event.get("created_dagruns").as_list())
                              ids.push_back(run.text("dag_id") + "/" + run.text("run_id"));
                            return join(ids, ", ");
                          }},
                         {"EXTRA", [](const Value& event) { return to_json(event.get("extra")); }}});
  return succeeded;
}

Result<int> materialize(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  TRY_ASSIGN(const Value asset, find(*api, arguments.text("ASSET")));
  Value body = Value::map();
  if (arguments.has("conf")) {
    TRY_ASSIGN(Value conf, parse_json(arguments.text("conf")));
    body.set("conf", std::move(conf));
  }
  TRY_ASSIGN(const Value run, api->post(collection + ("/" + plain_text(asset.get("id"))) + "/materialize", body));
  session.output().done(run.text("dag_id") + " " + run.text("dag_run_id") + " is " + run.text("state"), run);
  if (!arguments.has("wait")) return succeeded;
  return wait_for_run(session, run.text("dag_id"), run.text("dag_run_id"), {});
}

Result<int> publish(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  Value body = Value::Map{{"name", arguments.text("ASSET")}};
  if (arguments.has("extra")) {
    TRY_ASSIGN(Value extra, parse_json(arguments.text("extra")));
    body.set("extra", std::move(extra));
  }
  TRY_ASSIGN(const Value event, api->post(std::string(collection) + "/events", body));
  session.output().done("event " + plain_text(event.get("id")) + " of " + event.text("name"), event);
  return succeeded;
}

}  // namespace

std::vector<Command> assets_commands() {
  const Positional asset{"ASSET", "its name, as DAG files write it"};
  return {
      {"assets",
       "list",
       "Lists assets, with who makes them and who waits for them",
       {},
       {{"pattern", "only those with this in their name", "TEXT"}},
       list},
      {"assets", "details", "Shows an asset", {asset}, {}, details},
      {"assets",
       "events",
       "Lists the events of assets, newest first, with the runs that they made due",
       {{"ASSET", "only of this one", Positional::Count::optional}},
       {{"limit", "how many at most; else 50", "N"}},
       events},
      {"assets",
       "materialize",
       "Triggers the DAG that makes an asset",
       {asset},
       {{"conf", "params of the run", "JSON"}, {"wait", "waits for its end; 1 if it fails", ""}},
       materialize},
      {"assets",
       "publish",
       "Tells that an asset was made anew by somebody else",
       {asset},
       {{"extra", "what is to be told of it", "JSON"}},
       publish},
  };
}

}  // namespace udon::cli
