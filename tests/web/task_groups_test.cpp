// Task groups in the API: the tree, a run's counts, and the group as a filter and as what is marked.
#include <catch2/catch.hpp>

#include "dagfile/serialize.h"
#include "tests/web/api_scene.h"
#include "web/drawn_edges.h"

using namespace udon;
using namespace udon::test;

namespace {

Task in_group(const std::string& id, const std::string& group, std::vector<int> upstream, std::vector<int> downstream) {
  Task task = make_task(id, "bash", std::move(upstream), std::move(downstream));
  task.group_id = group;
  return task;
}

// prepare → each(load → checks(rows, names)) → tell; each is mapped over three shops. alone lies in `last`, before
// tell.
DagPtr make_grouped_dag() {
  Dag dag;
  dag.dag_id = "shops";
  dag.version = "g1";
  dag.file = "shops.yaml";
  const Mapping over = MapSpec{.inputs = {{.name = "shop", .source = Value::List{"a", "b", "c"}}}};
  dag.tasks = {make_task("prepare", "bash", {}, {2}),      in_group("alone", "last", {}, {5}),
               in_group("load", "each", {0}, {3, 4}),      in_group("rows", "each.checks", {2}, {5}),
               in_group("names", "each.checks", {2}, {5}), make_task("tell", "empty", {1, 3, 4}, {})};
  for (Task& task : dag.tasks) {
    if (!task.group_id.starts_with("each")) continue;
    task.expand = over;
    task.mapped_group = "each";
  }
  dag.groups = {{.group_id = "last", .downstream_tasks = {"tell"}},
                {.group_id = "each",
                 .display_name = "Each shop",
                 .tooltip = "가게마다",
                 .expand = over,
                 .upstream = {"prepare"},
                 .downstream_tasks = {"tell"}},
                {.group_id = "each.checks"}};
  return std::make_shared<const Dag>(std::move(dag));
}

const std::string shops_run = "/api/v2/dags/shops/dagRuns/r";

// load has succeeded at 0 and 2 and failed at 1; the rest waits.
struct Groups : ApiScene {
  Groups() {
    const DagPtr dag = make_grouped_dag();
    auto snapshot = std::make_shared<CatalogSnapshot>();
    snapshot->dags.emplace("shops", dag);
    catalog = std::move(snapshot);
    DagRun run = make_run(1, "shops");
    run.run_id = "r";
    run.dag_version = "g1";
    std::vector<TaskInstance> rows{make_instance(1, 1, "prepare"), make_instance(2, 1, "alone"),
                                   make_instance(3, 1, "tell")};
    InstanceNumber number = 10;
    for (const char* task : {"load", "rows", "names"})
      for (int index = 0; index < 3; ++index) rows.push_back(make_instance(number++, 1, task, index));
    commit({PutDag{{.dag_id = "shops", .file = "shops.yaml", .version = "g1"}},
            PutDagVersion{{.dag_id = "shops", .version = "g1", .created_at = t0, .serialized = serialize(*dag)}},
            InsertRun{run, ""}, InsertInstances{rows}});
    finish(1, 1, "prepare", -1, 1, TaskState::success);
    finish(10, 1, "load", 0, 2, TaskState::success);
    finish(11, 1, "load", 1, 3, TaskState::failed);
    finish(12, 1, "load", 2, 4, TaskState::success);
    control.answer = [](const Command& command) -> Result<CommandOutcome> {
      const auto& mark = std::get<MarkTasks>(command);
      return CommandOutcome{.instances = {{"shops", mark.selection.run_id, "rows", 1}}};
    };
  }
};

std::string ids(const Value& nodes) {
  std::string text;
  for (const Value& node : nodes.as_list()) {
    text += (text.empty() ? "" : " ") + node.text("id");
    if (node.get("children").is_list()) text += "(" + ids(node.get("children")) + ")";
  }
  return text;
}

}  // namespace

TEST_CASE("the structure of a DAG is a tree of its groups and tasks, upstream first, and the lines between them") {
  Groups scene;
  const Value structure = scene.json(200, "GET", "/ui/structure/structure_data?dag_id=shops", "", "viewer");
  CHECK(ids(structure.get("nodes")) ==
        "prepare last(alone last.downstream_join_id) each(load each.checks(rows names) each.upstream_join_id "
        "each.downstream_join_id) tell");
  const Value& each = structure.get("nodes").as_list()[2];
  const Value& join = each.get("children").as_list()[2];
  CHECK(join.text("type") == "join");
  CHECK(join.get("label") == Value(""));
  CHECK(join.get("children").is_null());
  CHECK(each.text("label") == "Each shop");
  CHECK(each.text("tooltip") == "가게마다");
  CHECK(each.flag("is_mapped"));
  const Value& checks = each.get("children").as_list()[1];
  CHECK(checks.text("label") == "checks");
  CHECK(!checks.flag("is_mapped"));
  CHECK(checks.get("children").as_list()[0].flag("is_mapped"));
  std::string edges;
  for (const Value& edge : structure.get("edges").as_list())
    edges += edge.text("source_id") + " → " + edge.text("target_id") + "\n";
  CHECK(edges ==
        "alone → last.downstream_join_id\n"
        "each.downstream_join_id → tell\n"
        "each.upstream_join_id → load\n"
        "last.downstream_join_id → tell\n"
        "load → names\n"
        "load → rows\n"
        "names → each.downstream_join_id\n"
        "prepare → each.upstream_join_id\n"
        "rows → each.downstream_join_id\n");
  CHECK(scene.json(200, "GET", "/ui/structure/structure_data?dag_id=shops&version_number=1") == structure);
  scene.json(404, "GET", "/ui/structure/structure_data?dag_id=shops&version_number=2");
  scene.json(404, "GET", "/ui/structure/structure_data?dag_id=shop");
  scene.json(422, "GET", "/ui/structure/structure_data");
  scene.json(400, "GET", "/ui/structure/structure_data?dag_id=shops&root=load");
  const Value tasks = scene.json(200, "GET", "/api/v2/dags/shops/tasks");
  CHECK(tasks.get("tasks").as_list()[3].text("task_group_id") == "each.checks");
  CHECK(tasks.get("tasks").as_list()[0].get("task_group_id").is_null());
}

TEST_CASE("lines of groups that come after each other meet in their join nodes; those of setups say so") {
  // start → first(open → work → close) → second(inner(a, b), c) → end; start → end. The lines are Airflow's.
  Dag dag;
  dag.tasks = {make_task("start", "bash", {}, {1, 7}),
               in_group("open", "first", {0}, {2, 3}),
               in_group("work", "first", {1}, {3, 4, 5, 6}),
               in_group("close", "first", {1, 2}, {}),
               in_group("a", "second.inner", {2}, {7}),
               in_group("b", "second.inner", {2}, {7}),
               in_group("c", "second", {2}, {7}),
               make_task("end", "bash", {0, 4, 5, 6}, {})};
  dag.tasks[1].is_setup = true;
  dag.tasks[3].is_teardown = true;
  dag.groups = {{.group_id = "first", .upstream = {"start"}},
                {.group_id = "second", .upstream = {"first"}, .downstream_tasks = {"end"}},
                {.group_id = "second.inner"}};
  std::string lines;
  for (const web::DrawnEdge& edge : web::drawn_edges(dag))
    lines += edge.source_id + (edge.is_setup_teardown ? " ⇒ " : " → ") + edge.target_id + "\n";
  CHECK(lines ==
        "a → second.downstream_join_id\n"
        "b → second.downstream_join_id\n"
        "c → second.downstream_join_id\n"
        "first.downstream_join_id → second.upstream_join_id\n"
        "first.upstream_join_id → open\n"
        "open ⇒ close\n"
        "open → work\n"
        "second.downstream_join_id → end\n"
        "second.upstream_join_id → a\n"
        "second.upstream_join_id → b\n"
        "second.upstream_join_id → c\n"
        "start → end\n"
        "start → first.upstream_join_id\n"
        "work → close\n"
        "work → first.downstream_join_id\n");
  using Ids = std::vector<std::string>;
  CHECK(web::join_nodes(dag, dag.groups[0]) == Ids{"first.upstream_join_id", "first.downstream_join_id"});
  CHECK(web::join_nodes(dag, dag.groups[2]).empty());
}

TEST_CASE("a run tells of each group how many task instances are in which state, and of a mapped one index by index") {
  Groups scene;
  const std::string url = "/api/udon/dags/shops/dagRuns/r/taskGroups";
  const Value tree = scene.json(200, "GET", url, "", "viewer");
  CHECK(ids(tree.get("nodes")) == "prepare last(alone) each(load each.checks(rows names)) tell");
  CHECK(tree.integer("task_instances") == 12);
  const Value& each = tree.get("nodes").as_list()[2];
  CHECK(each.integer("task_instances") == 9);
  CHECK(each.get("states") == Value(Value::Map{{"none", 6}, {"success", 2}, {"failed", 1}}));
  CHECK(each.get("children").as_list()[1].get("states") == Value(Value::Map{{"none", 6}}));
  const Value::List& indices = each.get("map_indexes").as_list();
  REQUIRE(indices.size() == 2);
  CHECK(indices[0].get("map_indexes") == Value(Value::List{Value::List{0, 0}, Value::List{2, 2}}));
  CHECK(indices[0].integer("count") == 2);
  CHECK(indices[0].get("states") == Value(Value::Map{{"none", 2}, {"success", 1}}));
  CHECK(indices[1].get("map_indexes") == Value(Value::List{Value::List{1, 1}}));
  CHECK(indices[1].get("states") == Value(Value::Map{{"none", 2}, {"failed", 1}}));
  const Value part = scene.json(200, "GET", url + "?task_group_id=each.checks");
  CHECK(ids(part.get("nodes")) == "each.checks(rows names)");
  CHECK(part.integer("task_instances") == 6);
  CHECK_THAT(scene.json(404, "GET", url + "?task_group_id=each.check").text("detail"),
             Catch::Contains("did you mean `each.checks`?"));
  CHECK_THAT(scene.json(404, "GET", url + "?task_group_id=load").text("detail"), Catch::Contains("`load` is a task"));
}

TEST_CASE("the grid has the DAG's rows, its runs as columns, and in each square the most urgent of its states") {
  Groups scene;
  const Value rows = scene.json(200, "GET", "/ui/grid/structure/shops?limit=10&order_by=-run_after", "", "viewer");
  CHECK(ids(rows) == "prepare last(alone) each(load each.checks(rows names)) tell");
  CHECK(rows.as_list()[0] == Value(Value::Map{{"id", "prepare"}, {"label", "prepare"}}));
  CHECK(rows.as_list()[2].text("label") == "Each shop");
  CHECK(rows.as_list()[2].flag("is_mapped"));
  scene.json(404, "GET", "/ui/grid/structure/shop");
  scene.json(400, "GET", "/ui/grid/structure/shops?root=load");

  const Value runs = scene.json(200, "GET", "/ui/grid/runs/shops?state=queued", "", "viewer");
  REQUIRE(runs.size() == 1);
  const Value& run = runs.as_list()[0];
  CHECK(run.text("run_id") == "r");
  CHECK(run.get("dag_versions").size() == 1);
  CHECK(run.find("end_date") == nullptr);
  CHECK(run.get("has_missed_deadline") == Value(false));
  CHECK(scene.json(200, "GET", "/ui/grid/runs/shops?state=failed").size() == 0);
  scene.json(422, "GET", "/ui/grid/runs/shops?state=odd");

  const web::Response lines = scene.ask("GET", "/ui/grid/ti_summaries/shops?run_ids=r&run_ids=none", "", "viewer");
  CHECK(lines.content_type == "application/x-ndjson");
  CHECK(std::ranges::count(lines.body, '\n') == 1);
  const Value column = parse_json(lines.body).value();
  CHECK(column.text("run_id") == "r");
  std::string squares;
  for (const Value& square : column.get("task_instances").as_list())
    squares += square.text("task_id") + ":" + square.text("state", "none") + " ";
  CHECK(squares ==
        "prepare:success alone:none last:none load:failed rows:none names:none each.checks:none each:failed "
        "tell:none ");
  const Value& each = column.get("task_instances").as_list()[7];
  CHECK(each.get("child_states") == Value(Value::Map{{"none", 6}, {"success", 2}, {"failed", 1}}));
  CHECK(each.text("max_end_date") == format_time(t0 + std::chrono::milliseconds(1500)));
  CHECK(each.integer("dag_version_number") == 1);
  CHECK(column.get("task_instances").as_list()[3].get("child_states").is_null());
}

TEST_CASE("a row of the grid that only an earlier version of a run has stands after the others") {
  Groups scene;
  Dag newer = *make_grouped_dag();
  newer.version = "g2";
  newer.tasks.resize(1);
  newer.tasks[0].downstream.clear();
  newer.groups.clear();
  auto snapshot = std::make_shared<CatalogSnapshot>();
  snapshot->dags.emplace("shops", std::make_shared<const Dag>(newer));
  scene.catalog = std::move(snapshot);
  scene.commit({PutDag{{.dag_id = "shops", .file = "shops.yaml", .version = "g2"}},
                PutDagVersion{{.dag_id = "shops", .version = "g2", .created_at = t0, .serialized = serialize(newer)}}});
  CHECK(ids(scene.json(200, "GET", "/ui/grid/structure/shops")) ==
        "prepare last(alone) each(load each.checks(rows names)) tell");
  CHECK(ids(scene.json(200, "GET", "/ui/grid/structure/shops?state=failed")) == "prepare");
}

TEST_CASE("task instances are listed by their group, with the groups in it") {
  Groups scene;
  const auto listed = [&](const std::string& query) {
    const Value list = scene.json(200, "GET", shops_run + "/taskInstances?" + query);
    std::string names;
    for (const Value& row : list.get("task_instances").as_list())
      names += row.text("task_id") + std::to_string(row.integer("map_index")) + " ";
    return names + std::to_string(list.integer("total_entries"));
  };
  CHECK(listed("task_group_id=each.checks&map_index=1") == "rows1 names1 2");
  CHECK(listed("task_group_id=each&state=success") == "load0 load2 2");
  CHECK(listed("task_group_id=each&limit=2") == "load0 load1 9");
  CHECK(listed("task_group_id=last") == "alone-1 1");
  CHECK(listed("task_group_id=each&task_id=load&map_index=0") == "load0 1");
  CHECK(listed("task_group_id=each&task_id=tell") == "0");
  const std::string of_all = "/api/v2/dags/shops/dagRuns/~/taskInstances?task_group_id=each";
  CHECK(scene.json(200, "GET", of_all).integer("total_entries") == 9);
  CHECK_THAT(scene.json(404, "GET", shops_run + "/taskInstances?task_group_id=eahc").text("detail"),
             Catch::Contains("did you mean `each`?"));
  scene.json(400, "GET", "/api/v2/dags/~/dagRuns/~/taskInstances?task_group_id=each");
}

TEST_CASE("a group is marked as Airflow's API has it, for real or to see what would be") {
  Groups scene;
  const std::string group = shops_run + "/taskGroupInstances/";
  const std::string failed = R"({"new_state": "failed", "include_downstream": true})";
  const Value marked = scene.json(200, "PATCH", group + "each", failed, "user");
  CHECK(marked.integer("total_entries") == 1);
  check_model("TaskInstanceResponse", marked.get("task_instances").as_list()[0]);
  {
    const auto& mark = scene.control.last<MarkTasks>();
    CHECK(mark.selection.tasks == std::vector<std::pair<std::string, int>>{{"each", -1}});
    CHECK((mark.selection.downstream && !mark.selection.upstream && !mark.dry_run));
    CHECK(mark.state == TaskState::failed);
  }
  scene.json(200, "PATCH", group + "each.checks/dry_run?map_index=1", failed);
  CHECK(scene.control.last<MarkTasks>().dry_run);
  CHECK(scene.control.last<MarkTasks>().selection.tasks ==
        std::vector<std::pair<std::string, int>>{{"each.checks", 1}});
  scene.json(200, "PATCH", shops_run + "/taskInstances/load/1/dry_run", failed);
  CHECK(scene.control.last<MarkTasks>().dry_run);
  scene.json(200, "PATCH", shops_run + "/taskInstances/tell/dry_run", failed);
  CHECK(scene.control.last<MarkTasks>().selection.tasks == std::vector<std::pair<std::string, int>>{{"tell", -1}});
  const size_t before = scene.control.commands.size();
  CHECK_THAT(scene.json(404, "PATCH", group + "ecah", failed).text("detail"), Catch::Contains("did you mean `each`?"));
  CHECK_THAT(scene.json(404, "PATCH", group + "load", failed).text("detail"), Catch::Contains("`load` is a task"));
  scene.json(404, "PATCH", group + "each?map_index=3", failed);
  scene.json(422, "PATCH", group + "each", R"({"new_state": "running"})");
  scene.json(403, "PATCH", group + "each", failed, "viewer");
  CHECK(scene.json(200, "PATCH", group + "each", "{}").integer("total_entries") == 9);
  CHECK(scene.control.commands.size() == before);
  scene.control.answer = [](const Command&) { return CommandOutcome{}; };
  CHECK_THAT(scene.json(409, "PATCH", group + "each", failed).text("detail"), Catch::Contains("already in failed"));
  CHECK(scene.json(200, "PATCH", group + "each/dry_run", failed).integer("total_entries") == 0);
}

TEST_CASE("who names a group where a task has to be, or nearly a task, is told so") {
  Groups scene;
  CHECK_THAT(scene.json(404, "GET", shops_run + "/taskInstances/each").text("detail"),
             Catch::Contains("`each` is a task group"));
  CHECK_THAT(scene.json(404, "PATCH", shops_run + "/taskInstances/lod", R"({"new_state": "failed"})").text("detail"),
             Catch::Contains("did you mean `load`?"));
  CHECK_THAT(scene
                 .json(404, "POST", "/api/v2/dags/shops/clearTaskInstances",
                       R"({"end_date": "2026-12-31T00:00:00Z", "task_ids": ["eahc"]})")
                 .text("detail"),
             Catch::Contains("did you mean `each`?"));
}
