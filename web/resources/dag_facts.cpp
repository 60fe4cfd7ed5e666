// What hangs on DAGs: their tasks, source text, versions, tags, counts of runs.
#include <algorithm>
#include <set>

#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

Result<DagInfoPtr> need_info(World& world, const std::string& dag_id) {
  TRY_ASSIGN(const DagRecord record, need_dag(world, dag_id));
  DagInfoPtr info = world.dags.find(dag_id, record.version);
  if (!info) return Error{ErrorKind::not_found, "The Dag with ID: `" + dag_id + "` was not found"};
  return info;
}

Result<std::optional<DagVersionRecord>> version_by_number(World& world, const std::string& dag_id,
                                                          std::optional<int64_t> number) {
  TRY_ASSIGN(const DagRecord record, need_dag(world, dag_id));
  if (!number) return world.reader.dag_version(dag_id, record.version);
  TRY_ASSIGN(const std::vector<DagVersionRecord> versions, world.reader.dag_versions(dag_id));
  for (const DagVersionRecord& version : versions)
    if (version.number == *number) return world.reader.dag_version(dag_id, version.version);
  return std::optional<DagVersionRecord>();
}

Result<Response> source(World& world, const Call& call) {
  Problems problems;
  const auto number = QueryFields(call.request, problems).integer("version_number", 1);
  if (!problems.empty()) return problems.response();
  const std::string& dag_id = call.part("dag_id");
  TRY_ASSIGN(const std::optional<DagVersionRecord> version, version_by_number(world, dag_id, number));
  if (!version)
    return Error{ErrorKind::not_found, "The source code of the Dag " + dag_id + ", version_number " +
                                           (number ? std::to_string(*number) : "None") + " was not found"};
  const std::string* accept = call.request.header("accept");
  if (accept && accept->find("text/plain") != std::string::npos)
    return Response{.content_type = "text/plain; charset=utf-8", .body = version->source};
  return json_response(200, Value::Map{{"content", version->source},
                                       {"dag_id", dag_id},
                                       {"version_number", version->number},
                                       {"dag_display_name", dag_id}});
}

// All DAGs' records, page by page.
template <class Each>
Result<void> for_each_dag(World& world, Each each) {
  for (PageRequest page{.limit = 1000, .offset = 0};; page.offset += page.limit) {
    TRY_ASSIGN(const Page<DagRecord> found, world.reader.dags({}, page));
    for (const DagRecord& dag : found.rows) TRY(each(dag));
    if (page.offset + page.limit >= found.total) return {};
  }
}

// Of a DAG, or of all (~).
Result<Response> versions(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const auto number = query.integer("version_number", 0);
  const auto bundle = query.text("bundle_name"), bundle_version = query.text("bundle_version");
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  TRY_ASSIGN(const std::string order, query.order_by("id", {{"id", "id"},
                                                            {"version_number", "version_number"},
                                                            {"bundle_name", "bundle_name"},
                                                            {"bundle_version", "bundle_version"}}));
  Value::List rows;
  const auto add = [&](const std::string& dag_id) -> Result<void> {
    TRY_ASSIGN(const std::vector<DagVersionRecord> found, world.reader.dag_versions(dag_id));
    for (const DagVersionRecord& version : found) {
      Value row = show_dag_version(version);
      if (number && version.number != *number) continue;
      if (bundle && row.text("bundle_name") != *bundle) continue;
      if (bundle_version && version.bundle_version != *bundle_version) continue;
      rows.push_back(std::move(row));
    }
    return {};
  };
  if (call.part("dag_id") == "~") {
    TRY(for_each_dag(world, [&](const DagRecord& dag) { return add(dag.dag_id); }));
  } else {
    TRY(need_dag(world, call.part("dag_id")));
    TRY(add(call.part("dag_id")));
  }
  const bool descends = order.starts_with('-');
  const std::string key = order.substr(descends ? 1 : 0);
  std::stable_sort(rows.begin(), rows.end(), [&](const Value& a, const Value& b) {
    const Value& first = descends ? b : a;
    const Value& second = descends ? a : b;
    return key == "version_number" ? first.integer(key) < second.integer(key) : first.text(key) < second.text(key);
  });
  const auto total = static_cast<int64_t>(rows.size());
  const auto from = std::min<int64_t>(page.offset, total), to = std::min<int64_t>(total, from + page.limit);
  return json_response(200, show_list("dag_versions", Value::List(rows.begin() + from, rows.begin() + to), total));
}

Result<Response> stats(World& world, const Call& call) {
  Problems problems;
  const std::vector<std::string> wanted = QueryFields(call.request, problems).texts("dag_ids");
  const std::set<std::string> wanted_set(wanted.begin(), wanted.end());
  Value::List rows;
  TRY(for_each_dag(world, [&](const DagRecord& dag) -> Result<void> {
    if (!wanted.empty() && !wanted_set.contains(dag.dag_id)) return {};
    Value::List states;
    for (const RunState state : {RunState::queued, RunState::running, RunState::success, RunState::failed}) {
      RunFilter filter;
      filter.dag_ids = {dag.dag_id};
      filter.states = {state};
      TRY_ASSIGN(const Page<DagRun> runs, world.reader.runs(filter, {.limit = 1, .offset = 0}));
      states.push_back(Value::Map{{"state", to_string(state)}, {"count", runs.total}});
    }
    rows.push_back(Value::Map{{"dag_id", dag.dag_id}, {"dag_display_name", dag.dag_id}, {"stats", std::move(states)}});
    return {};
  }));
  const auto total = static_cast<int64_t>(rows.size());
  return json_response(200, show_list("dags", std::move(rows), total));
}

Result<Response> tags(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  const std::optional<std::string> pattern = query.text("tag_name_pattern");
  if (!problems.empty()) return problems.response();
  std::set<std::string> all;
  TRY(for_each_dag(world, [&](const DagRecord& dag) -> Result<void> {
    for (const std::string& tag : dag.tags)
      if (!pattern || tag.find(*pattern) != std::string::npos) all.insert(tag);
    return {};
  }));
  Value::List rows;
  int64_t index = 0;
  for (const std::string& tag : all) {
    if (index >= page.offset && index < page.offset + page.limit) rows.push_back(tag);
    ++index;
  }
  return json_response(200, show_list("tags", std::move(rows), static_cast<int64_t>(all.size())));
}

}  // namespace

void add_dag_facts(Router& router, World& world) {
  const Access viewer = at_least(Role::viewer);
  router.add("GET", "/api/v2/dags/{dag_id}/tasks", viewer, "The tasks of a DAG",
             [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const DagInfoPtr info, need_info(world, call.part("dag_id")));
               Value::List rows;
               for (const Task& task : info->dag->tasks) rows.push_back(show_task(*info->dag, task));
               const auto total = static_cast<int64_t>(rows.size());
               return json_response(200, show_list("tasks", std::move(rows), total));
             });
  router.add("GET", "/api/v2/dags/{dag_id}/tasks/{task_id}", viewer, "A task of a DAG",
             [&world](const Call& call) -> Result<Response> {
               TRY_ASSIGN(const DagInfoPtr info, need_info(world, call.part("dag_id")));
               const int index = info->dag->index_of(call.part("task_id"));
               if (index < 0)
                 return Error{ErrorKind::not_found, "Task with id " + call.part("task_id") + " was not found"};
               return json_response(200, show_task(*info->dag, info->dag->tasks[static_cast<size_t>(index)]));
             });
  router.add("GET", "/api/v2/dagSources/{dag_id}", viewer, "The text of a DAG's file",
             [&world](const Call& call) { return source(world, call); });
  router.add("GET", "/api/v2/dags/{dag_id}/dagVersions", viewer, "The versions of a DAG",
             [&world](const Call& call) { return versions(world, call); });
  router.add("GET", "/api/udon/dags/{dag_id}/versions/{version_number}", viewer,
             "What a version of a DAG comes to, with all that its file includes",
             [&world](const Call& call) -> Result<Response> {
               Problems problems;
               const auto number = path_integer(call, "version_number", problems);
               if (!number) return problems.response();
               const std::string& dag_id = call.part("dag_id");
               TRY_ASSIGN(const std::optional<DagVersionRecord> found, version_by_number(world, dag_id, *number));
               if (!found)
                 return Error{ErrorKind::not_found, "DAG `" + dag_id + "` has no version " + std::to_string(*number)};
               Value shown = show_dag_version(*found);
               shown.set("content", found->serialized);
               return json_response(200, shown);
             });
  router.add("GET", "/api/v2/dags/{dag_id}/dagVersions/{version_number}", viewer, "A version of a DAG",
             [&world](const Call& call) -> Result<Response> {
               Problems problems;
               const auto number = path_integer(call, "version_number", problems);
               if (!number) return problems.response();
               const std::string& dag_id = call.part("dag_id");
               TRY_ASSIGN(const std::optional<DagVersionRecord> found, version_by_number(world, dag_id, *number));
               if (!found)
                 return Error{ErrorKind::not_found, "The DagVersion with dag_id: `" + dag_id +
                                                        "` and version_number: `" + std::to_string(*number) +
                                                        "` was not found"};
               return json_response(200, show_dag_version(*found));
             });
  router.add("GET", "/api/v2/dagTags", viewer, "All tags", [&world](const Call& call) { return tags(world, call); });
  router.add("GET", "/api/v2/dagStats", viewer, "How many runs of each DAG are in each state",
             [&world](const Call& call) { return stats(world, call); });
}

}  // namespace udon::web
