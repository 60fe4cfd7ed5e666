#pragma once
// The API on a memory store and a loop that a test plays: one DAG, one run of it in mid-air.
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "base/id.h"
#include "base/text.h"
#include "store/memory_store.h"
#include "tests/store/scene.h"
#include "tests/web/raw_client.h"
#include "web/task_api.h"
#include "web/world.h"

namespace udon::test {

// Remembers what it was asked and answers what the test says.
class PlayedControl final : public Control {
 public:
  std::vector<Command> commands;
  std::function<Result<CommandOutcome>(const Command&)> answer = [](const Command&) { return CommandOutcome{}; };
  bool ready = true;
  Result<CommandOutcome> submit(Command command) override {
    commands.push_back(command);
    return answer(commands.back());
  }
  std::optional<Result<Reason>> reason;
  Result<Reason> why(const TaskInstanceKey& key) override {
    if (reason) return *reason;
    return Reason{ReasonKind::pool_full, "pool `둘` has no open slot for " + to_string(key), {"other/run/task"}, t0};
  }
  bool is_ready() const override { return ready; }
  std::string why_stopped;
  std::string stopped() const override { return why_stopped; }
  template <class T>
  const T& last() const {
    REQUIRE(!commands.empty());
    const T* command = std::get_if<T>(&commands.back());
    REQUIRE(command != nullptr);
    return *command;
  }
};

inline Task make_task(const std::string& id, const std::string& operator_name, std::vector<int> upstream,
                      std::vector<int> downstream) {
  Task task;
  task.task_id = id;
  task.operator_name = operator_name;
  task.upstream = std::move(upstream);
  task.downstream = std::move(downstream);
  task.parameters = Value::Map{{"command", "true"}};
  task.pool = "default_pool";
  task.retry.retries = 2;
  return task;
}

inline DagPtr make_dag() {
  Dag dag;
  dag.dag_id = "orders";
  dag.description = "주문을 호수로";
  dag.file = "orders.yaml";
  dag.version = "v1";
  dag.schedule.kind = CronSchedule{.crons = {*parse_cron("0 0 * * *")}, .has_interval = true};
  dag.schedule.timezone = "Asia/Seoul";
  dag.schedule_text = "0 0 * * *";
  dag.dagrun_timeout = std::chrono::minutes(90);
  dag.tags = {"lake", "mysql"};
  dag.owners = {"data"};
  dag.params = {{"lake", Value::Map{{"type", "string"}, {"description", "Where to"}}, Value("s3://lake")}};
  dag.doc = "# Orders";
  dag.source = "dag: orders\n";
  dag.tasks = {make_task("fetch", "bash", {}, {1}), make_task("load", "bash", {0}, {2}),
               make_task("tell", "empty", {1}, {})};
  dag.tasks[1].expand = MapSpec{.inputs = {{"item", Value::List{1, 2}}}};
  return std::make_shared<const Dag>(std::move(dag));
}

struct ApiScene {
  ApiScene() : router([this](const web::Request& request) { return authenticator.authenticate(request); }) {
    world.shown_settings = {{"core", "parallelism", "32"}, {"web", "port", "8080"}};
    web::add_api(router, world);
    web::add_task_api(router, world);
    auto snapshot = std::make_shared<CatalogSnapshot>();
    snapshot->dags.emplace("orders", make_dag());
    snapshot->files = 2;
    snapshot->diagnostics = {
        {Diagnostic::Severity::error, "broken.yaml", 3, 7, "unknown operator `bahs`; did you mean `bash`?", ""},
        {Diagnostic::Severity::error, "broken.yaml", 9, 1, "unknown key `taskz`", ""},
        {Diagnostic::Severity::warning, "orders.yaml", 4, 1, "a partition named after `ds`", "orders"}};
    catalog = std::move(snapshot);
    epoch = store.writer().acquire_epoch(t0).value();
    commit({PutDag{{.dag_id = "orders",
                    .file = "orders.yaml",
                    .version = "v1",
                    .description = "주문을 호수로",
                    .schedule_text = "0 0 * * *",
                    .timezone = "Asia/Seoul",
                    .tags = {"lake", "mysql"},
                    .last_parsed_at = t0}},
            PutDagVersion{{.dag_id = "orders",
                           .version = "v1",
                           .created_at = t0,
                           .serialized = Value::map(),
                           .source = "dag: orders\n"}}});
    for (const char* name : {"viewer", "user", "op", "admin"})
      REQUIRE(store.settings().put_user({name, password_hash(), name}, StoreSettings::Existing::refuse));
  }

  // Hashing is slow on purpose; all users of all tests have one password.
  static const std::string& password_hash() {
    static const std::string hash = web::hash_password("correct horse").value();
    return hash;
  }

  void commit(std::vector<Change> changes) {
    const Result<void> done = store.writer().commit({.epoch = epoch, .at = clock.now(), .changes = std::move(changes)});
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  }

  // Run 1: fetch succeeded at its first try, load[0] failed, load[1] runs its second try, tell waits.
  void add_run() {
    DagRun run = make_run(1);
    run.run_id = "scheduled__2026-01-31T00:00:00+00:00";
    run.type = RunType::scheduled;
    commit({InsertRun{run, ""}, InsertInstances{{make_instance(1, 1, "fetch"), make_instance(2, 1, "load", 0),
                                                 make_instance(3, 1, "load", 1), make_instance(4, 1, "tell")}}});
    run.start_date = t0;
    commit({move_to(run, RunState::running)});
    finish(1, 1, "fetch", -1, 11, TaskState::success);
    commit({PutXCom{
        {.instance = 1, .key = "return_value", .value = Value::Map{{"rows", 12}, {"이름", "주문"}}, .at = t0}}});
    finish(2, 1, "load", 0, 12, TaskState::failed);
    TaskInstance live = make_instance(3, 1, "load", 1);
    ChangeInstance queued = start_try(live, 13);
    queued.row.start_date = t0;
    commit({queued});
    ChangeInstance runs = move_to(queued.row, TaskState::running, MoveCause::report);
    commit({runs, PutTry{{.instance = 3,
                          .try_number = 1,
                          .fence = 13,
                          .state = TaskState::running,
                          .queued_at = t0,
                          .start_date = t0,
                          .hostname = "here",
                          .pid = 4711,
                          .log_file = log_file_of(1, 3, 1)}}});
  }
  void finish(InstanceNumber number, RunNumber run, const std::string& task, int map_index, Fence fence,
              TaskState end) {
    ChangeInstance queued = start_try(make_instance(number, run, task, map_index), fence);
    commit({queued});
    ChangeInstance runs = move_to(queued.row, TaskState::running, MoveCause::report);
    runs.row.start_date = t0;
    commit({runs});
    ChangeInstance ends = move_to(runs.row, end, MoveCause::report);
    ends.row.end_date = t0 + std::chrono::milliseconds(1500);
    if (end == TaskState::failed) ends.row.note = "exit code 3";
    commit({ends, PutTry{{.instance = number,
                          .try_number = 1,
                          .fence = fence,
                          .state = end,
                          .queued_at = t0,
                          .start_date = t0,
                          .end_date = t0 + std::chrono::milliseconds(1500),
                          .hostname = "here",
                          .pid = 99}}});
  }
  void write_log(InstanceNumber instance, int try_number, const std::string& text) {
    const Path path = folder.path() / log_file_of(1, instance, try_number);
    REQUIRE(make_directories(path.parent_path()));
    REQUIRE(write_file_atomically(path, text, Durability::survives_kill));
  }

  web::Response ask(const std::string& method, const std::string& target, const std::string& body = {},
                    const std::string& user = "admin", const std::string& accept = "application/json") {
    auto request = web::parse_target(target);
    REQUIRE(request);
    request->method = method;
    request->body = body;
    request->headers = {{"accept", accept}};
    request->peer.address = "127.0.0.1";
    if (!user.empty())
      request->headers.emplace_back(
          "authorization", "Bearer " + authenticator.make_token(user, web::Role::admin, std::chrono::hours(1)).value());
    return router.handle(*request);
  }
  // The JSON of an answer that must have this status.
  Value json(int status, const std::string& method, const std::string& target, const std::string& body = {},
             const std::string& user = "admin") {
    const web::Response response = ask(method, target, body, user);
    INFO(method << " " << target << " " << body << "\n" << response.body);
    REQUIRE(response.status == status);
    if (response.body.empty()) return {};
    auto value = parse_json(response.body);
    REQUIRE(value);
    return *value;
  }

  TemporaryFolder folder;
  FakeClock clock{t0};
  MemoryStore store;
  PlayedControl control;
  OperatorCatalog operators;
  ConnectionSource connections{EnvironmentSecrets({"UDON_CONN_ENV=mysql://u:p4ss@host/db"}),
                               [this](const std::string& id) { return store.settings().connection(id); }};
  VariableSource variables{EnvironmentSecrets({"UDON_VAR_GREETING=안녕"}),
                           [this](const std::string& key) -> Result<std::optional<std::string>> {
                             auto record = store.settings().variable(key);
                             if (!record) return record.error();
                             return *record ? std::optional<std::string>((*record)->value) : std::nullopt;
                           }};
  Spool spool{folder.path()};
  Metrics metrics;
  web::Authenticator authenticator{"a key of at least sixteen bytes", store.settings(), clock};
  CatalogPtr catalog;
  web::DagLookup dags{store.reader(), [this] { return catalog; }};
  web::World world{.clock = clock,
                   .reader = store.reader(),
                   .settings = store.settings(),
                   .outbox = store.outbox(),
                   .control = control,
                   .operators = operators,
                   .connections = connections,
                   .variables = variables,
                   .spool = spool,
                   .metrics = metrics,
                   .authenticator = authenticator,
                   .dags = dags,
                   .catalog = [this] { return catalog; },
                   .make_token = [](const TryId& id) { return "token of " + to_string(id); },
                   .dags_folder = "/srv/dags"};
  web::Router router;
  Epoch epoch = 0;
};

inline const std::string run_url = "/api/v2/dags/orders/dagRuns/scheduled__2026-01-31T00%3A00%3A00%2B00%3A00";

// That `value` has every key that Airflow's client demands of this model, and none that the model does not know; save
// `ours`.
void check_model(const std::string& model, const Value& value, const std::vector<std::string>& ours = {});

}  // namespace udon::test
