#include "web/task_api.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/text.h"
#include "web/auth.h"
#include "web/run_door.h"
#include "web/source_door.h"

namespace udon::web {
namespace {

Response refuse(int status, const Error& error) {
  return json_response(status, Value::Map{{"kind", to_string(error.kind)}, {"message", error.message}});
}

// Who asks, or why it is not answered.
Result<TryRequest> need_live_try(World& world, const Request& request) {
  const Error denied{ErrorKind::denied, "this door is for live tries: no valid token"};
  if (!request.peer.is_local_socket) return denied;
  const std::string *id_text = request.header("x-udon-try"), *authorization = request.header("authorization");
  if (!id_text || !authorization || !authorization->starts_with("Bearer ")) return denied;
  const std::optional<TryId> id = parse_try_id(*id_text);
  if (!id || !equal_secretly(authorization->substr(7), world.make_token(*id))) return denied;
  Result<TryRequest> found = world.spool.read_request(*id);
  if (!found)
    return found.error().kind == ErrorKind::not_found ? Error{ErrorKind::denied, "try " + *id_text + " has ended"}
                                                      : found.error();
  TRY_ASSIGN(const std::optional<InstanceRow> row, world.reader.instance_by_number(found->instance));
  if (!row || row->instance.fence != id->fence || !is_live(row->instance.state))
    return Error{ErrorKind::denied, "try " + *id_text + " is not the current try of " + to_string(found->key)};
  return found;
}

Result<Connection> allowed_connection(World& world, const TryRequest& request, const std::string& id) {
  const auto& allowed = request.connections;
  if (std::find(allowed.begin(), allowed.end(), id) == allowed.end())
    return Error{ErrorKind::denied,
                 "task " + request.key.task_id + " may not open connection `" + id +
                     "`: its DAG file does not name it, neither in a parameter nor in `connections`"};
  return world.connections.find(id);
}

Result<Value> connection(World& world, const TryRequest& request, const std::string& id) {
  TRY_ASSIGN(const Connection found, allowed_connection(world, request, id));
  return Value(Value::Map{{"uri", to_uri(found)}});
}

Result<Value> source(World& world, SourceDoor& sources, const TryRequest& request, const std::string& body) {
  TRY_ASSIGN(const Value value, parse_json(body));
  TRY_ASSIGN(const SourceAsk ask, parse_source_ask(value));
  TRY_ASSIGN(const Connection found, allowed_connection(world, request, ask.connection));
  TRY_ASSIGN(const SourceGrant grant, sources.ask(request, found, ask));
  return to_value(grant);
}

bool share_mapped_group(const Dag& dag, const std::string& one, const std::string& other) {
  const int first = dag.index_of(one), second = dag.index_of(other);
  if (first < 0 || second < 0) return false;
  const std::string& group = dag.tasks[static_cast<size_t>(first)].mapped_group;
  return !group.empty() && group == dag.tasks[static_cast<size_t>(second)].mapped_group;
}

Result<Value> xcom(World& world, const TryRequest& request, const Request& http) {
  std::string task_id, key = "return_value";
  std::optional<int> map_index;
  for (const auto& [name, value] : http.query) {
    if (name == "task_id") task_id = value;
    if (name == "key") key = value;
    if (name == "map_index") {
      int number = -1;
      const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (problem != std::errc{} || end != value.data() + value.size())
        return Error{ErrorKind::invalid, "map_index is an integer, not `" + value + "`"};
      map_index = number;
    }
  }
  // In a mapped group the task next door speaks of the same index, unless another is asked for.
  if (!map_index && request.key.map_index >= 0) {
    TRY_ASSIGN(const std::optional<DagRun> run, world.reader.run_by_number(request.run));
    const DagInfoPtr info = run ? world.dags.find(run->dag_id, run->dag_version) : nullptr;
    if (info != nullptr && share_mapped_group(*info->dag, request.key.task_id, task_id)) {
      map_index = request.key.map_index;
    }
  }
  const auto answer = [](std::optional<Value> value) {
    return Value(Value::Map{{"found", value.has_value()}, {"value", value ? *std::move(value) : Value()}});
  };
  const auto value_of = [&](InstanceNumber instance) -> Result<std::optional<Value>> {
    TRY_ASSIGN(std::optional<XComRecord> record, world.reader.xcom(instance, key));
    if (!record) return std::optional<Value>();
    return std::optional<Value>(std::move(record->value));
  };
  TRY_ASSIGN(const std::optional<InstanceRow> row,
             world.reader.instance({request.key.dag_id, request.key.run_id, task_id, map_index.value_or(-1)}));
  if (row) {
    TRY_ASSIGN(std::optional<Value> value, value_of(row->instance.number));
    if (value || map_index) return answer(std::move(value));
  }
  if (map_index) return answer(std::nullopt);
  // A mapped task gives a list over its map indexes; those that pushed nothing are left out.
  InstanceFilter first;
  first.dag_ids = {request.key.dag_id}, first.run_ids = {request.key.run_id}, first.task_ids = {task_id};
  first.map_index = 0;
  TRY_ASSIGN(const Page<InstanceRow> mapped, world.reader.instances(first, {.limit = 1, .offset = 0}));
  if (mapped.total == 0) return answer(std::nullopt);
  TRY_ASSIGN(auto values, world.reader.xcoms_of_task(request.run, task_id, key));
  Value::List list;
  for (auto& [index, value] : values)
    if (index >= 0) list.push_back(std::move(value));
  return answer(Value(std::move(list)));
}

using Answer = std::function<Result<Value>(const TryRequest&, const Call&)>;

void add(Router& router, World& world, std::string_view method, std::string_view pattern, std::string_view summary,
         Answer answer) {
  router.add(method, pattern, for_live_tries, summary,
             [&world, answer = std::move(answer)](const Call& call) -> Result<Response> {
               const Result<TryRequest> request = need_live_try(world, call.request);
               if (!request)
                 return refuse(request.error().kind == ErrorKind::denied ? 403 : status_of(request.error().kind),
                               request.error());
               const Result<Value> value = answer(*request, call);
               return value ? json_response(200, *value) : refuse(status_of(value.error().kind), value.error());
             });
}

}  // namespace

void add_task_api(Router& router, World& world) {
  add(router, world, "GET", "/task/v1/connections/{id}", "A connection that the DAG file names",
      [&world](const TryRequest& request, const Call& call) { return connection(world, request, call.part("id")); });
  add(router, world, "GET", "/task/v1/variables/{key}", "A variable",
      [&world](const TryRequest&, const Call& call) -> Result<Value> {
        TRY_ASSIGN(std::string value, world.variables.find(call.part("key")));
        return Value(Value::Map{{"value", std::move(value)}});
      });
  add(router, world, "GET", "/task/v1/xcoms", "What a task of the same run has pushed",
      [&world](const TryRequest& request, const Call& call) { return xcom(world, request, call.request); });
  add(router, world, "POST", "/task/v1/source", "How much of a server a try may read",
      [&world, sources = std::make_shared<SourceDoor>(world)](const TryRequest& request, const Call& call) {
        return source(world, *sources, request, call.request.body);
      });
  add(router, world, "POST", "/task/v1/dag_runs", "Makes a run of a DAG",
      [&world](const TryRequest& request, const Call& call) -> Result<Value> {
        TRY_ASSIGN(const Value wish, parse_json(call.request.body));
        return trigger_for_try(world, request, wish);
      });
  add(router, world, "POST", "/task/v1/dag_runs/look", "What has become of a run of a DAG",
      [&world](const TryRequest& request, const Call& call) -> Result<Value> {
        TRY_ASSIGN(const Value question, parse_json(call.request.body));
        return look_for_try(world, request, question);
      });
}

}  // namespace udon::web
