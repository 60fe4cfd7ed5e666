// What every store promises about commits: guarded, checked, all or nothing, with their history.
#include <numeric>

#include "store/leaving.h"
#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;

TEST_CASE("an empty store has counters at zero, no active runs and default_pool") {
  Scene scene(EVERY_KIND_OF_STORE);
  const Counters counters = must(scene.writer().counters());
  CHECK(counters.last_run == 0);
  CHECK(counters.last_instance == 0);
  CHECK(counters.last_fence == 0);
  CHECK(must(scene.reader().active_runs()).empty());
  CHECK(must(scene.settings().pools()) == std::vector<Pool>{Pool{.name = default_pool}});
  CHECK(must(scene.reader().instances_of(1)).empty());
  CHECK(!must(scene.reader().run("orders", "run1")));
  CHECK(!must(scene.reader().instance_by_number(1)));
  CHECK(must(scene.reader().runs({}, {})).total == 0);
  scene.commit({});
}

TEST_CASE("a run is read back as it was committed") {
  Scene scene(EVERY_KIND_OF_STORE);
  DagRun row = make_run(7, "주문_적재");
  row.run_id = "수동__2026-01-31T00:00:00+00:00";
  row.type = RunType::backfill;
  row.start_date = t0 + 1us;
  row.conf = *parse_json(R"({"상점":"우동","n":[1,2.5,null,true],"nested":{"a":{}}})");
  row.triggering_user = "kim";
  row.earlier_versions = {{"v0", t0}, {"판", t0 + std::chrono::hours(1)}};
  row.note = "메모 🍜 'quoted' \"twice\" \n second line";
  scene.commit({InsertRun{row, "kim"}});
  CHECK(scene.run(7) == row);
  CHECK(must(scene.reader().run(row.dag_id, row.run_id)) == row);
  CHECK(must(scene.reader().active_runs()) == std::vector{row});

  DagRun bare;
  bare.number = 8;
  bare.dag_id = "x";
  bare.run_id = "y";
  scene.commit({InsertRun{bare, {}}});
  CHECK(scene.run(8) == bare);
  CHECK(must(scene.writer().counters()).last_run == 8);
}

TEST_CASE("a task instance is read back as it was committed") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(5, 1, "적재", 3)}}});
  ChangeInstance change = start_try(scene.instance(5), 11);
  change.row.scheduled_at = t0 + 1s;
  change.row.queued_at = t0 + 2s;
  change.row.start_date = t0 + 3s;
  change.row.end_date = t0 - 4s;
  change.row.next_try_at = TimePoint{};
  change.row.max_tries = 4;
  change.row.note = "종료 코드 3";
  scene.commit({change});
  CHECK(scene.instance(5) == change.row);

  const auto row = must(scene.reader().instance({"orders", "run1", "적재", 3}));
  REQUIRE(row);
  CHECK(row->instance == change.row);
  CHECK(row->dag_id == "orders");
  CHECK(row->run_id == "run1");
  CHECK(row->logical_date == t0 + 24h);
  CHECK(row->run_after == t0 + 1h);
  CHECK(row->dag_version == "v1");
  CHECK(!must(scene.reader().instance({"orders", "run1", "적재", 2})));
  CHECK(!must(scene.reader().instance({"orders", "run2", "적재", 3})));
  CHECK(must(scene.writer().counters()).last_instance == 5);
  CHECK(must(scene.writer().counters()).last_fence == 11);
}

TEST_CASE("every step that one write passes through is checked and has its event") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(1, 1, "load")}}});
  scene.commit({start_try(scene.instance(1), 1)});
  ChangeInstance end = move_to(scene.instance(1), TaskState::success, MoveCause::report, {TaskState::running});
  end.event_text = "done";
  scene.commit({end});
  CHECK(scene.history() ==
        lines({"/ >", "orders/run1 >queued", "orders/run1/load none>scheduled", "orders/run1/load scheduled>queued",
               "orders/run1/load queued>running", "orders/run1/load running>success"}));
  const EventRecord last = must(scene.reader().events("orders", "run1", "load", {.limit = 1})).rows.at(0);
  CHECK(last.event == "task");
  CHECK(last.at == t0);
  CHECK(last.cause == "report");
  CHECK(last.text == "done");
  CHECK(last.try_number == 1);

  // A detour that the table does not have, though its two ends would be fine.
  scene.commit({InsertInstances{{make_instance(2, 1, "next")}}});
  const auto before = scene.history();
  const Error error =
      scene.refused({move_to(scene.instance(2), TaskState::scheduled, MoveCause::plan, {TaskState::running})});
  CHECK(error.kind == ErrorKind::invalid);
  CHECK_THAT(error.message, Catch::Contains("task instance 2 (next): no move from none to running by plan"));
  CHECK(scene.instance(2).state == TaskState::none);
  CHECK(scene.history() == before);
}

TEST_CASE("a move that the table does not have, or not for this cause, is refused") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(1, 1, "load", 2)}}});
  const TaskInstance row = scene.instance(1);
  for (const TaskState to : all_task_states()) {
    if (to == row.state) continue;
    for (const MoveCause cause : {MoveCause::plan, MoveCause::report, MoveCause::command, MoveCause::reconcile}) {
      if (is_allowed(row.state, to, cause)) continue;
      const Error error = scene.refused({move_to(row, to, cause)});
      CHECK(error.kind == ErrorKind::invalid);
      CHECK_THAT(error.message, Catch::Contains("load[2]") && Catch::Contains(std::string(to_string(to))));
    }
  }
  for (const RunState to : {RunState::success, RunState::running}) {
    const Error error = scene.refused({move_to(scene.run(1), to, MoveCause::report)});
    CHECK(error.kind == ErrorKind::invalid);
  }
  CHECK(scene.instance(1) == row);
  CHECK(scene.run(1).state == RunState::queued);
}

TEST_CASE("a row that is not what it was believed to be is a conflict that says which") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(1, 1, "load")}}});
  const TaskInstance old = scene.instance(1);
  scene.commit({start_try(old, 4)});

  const Error state = scene.refused({move_to(old, TaskState::skipped)});
  CHECK(state.kind == ErrorKind::conflict);
  CHECK_THAT(state.message, Catch::Contains("change 1 of 1: task instance 1 (load): believed to be none with fence 0, "
                                            "but is queued with fence 4"));
  ChangeInstance late = move_to(scene.instance(1), TaskState::running, MoveCause::report);
  late.expected_fence = 3;
  CHECK(scene.refused({late}).kind == ErrorKind::conflict);

  ChangeInstance absent = move_to(old, TaskState::scheduled);
  absent.row.number = 99;
  const Error missing = scene.refused({absent});
  CHECK(missing.kind == ErrorKind::conflict);
  CHECK_THAT(missing.message, Catch::Contains("task instance 99 is not in the store"));

  ChangeInstance renamed = move_to(scene.instance(1), TaskState::running, MoveCause::report);
  renamed.row.task_id = "other";
  const Error identity = scene.refused({renamed});
  CHECK(identity.kind == ErrorKind::invalid);
  CHECK_THAT(identity.message, Catch::Contains("never changes"));

  ChangeRun run = move_to(scene.run(1), RunState::running);
  run.expected_state = RunState::failed;
  CHECK(scene.refused({run}).kind == ErrorKind::conflict);
  run.row.number = 2;
  CHECK(scene.refused({run}).kind == ErrorKind::conflict);
  CHECK(scene.instance(1).state == TaskState::queued);
  CHECK(scene.run(1).state == RunState::queued);
}

TEST_CASE("a fence is new, or it stays") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}},
                InsertInstances{{make_instance(1, 1, "a"), make_instance(2, 1, "b"), make_instance(3, 1, "c")}}});
  // In one batch they may come in any order.
  scene.commit({start_try(scene.instance(1), 6), start_try(scene.instance(2), 5)});
  CHECK(must(scene.writer().counters()).last_fence == 6);
  CHECK(must(scene.reader().instance_of_fence(6))->instance.number == 1);
  CHECK(must(scene.reader().instance_of_fence(5))->instance.number == 2);
  CHECK(!must(scene.reader().instance_of_fence(4)));

  CHECK(scene.refused({start_try(scene.instance(3), 6)}).kind == ErrorKind::invalid);
  CHECK(scene.refused({start_try(scene.instance(3), 4)}).kind == ErrorKind::invalid);
  ChangeInstance still = move_to(scene.instance(1), TaskState::queued);
  still.row.fence = 7;
  CHECK_THAT(scene.refused({still}).message, Catch::Contains("a new fence without a move"));
  ChangeInstance twice = start_try(scene.instance(3), 8);
  scene.commit({move_to(scene.instance(1), TaskState::failed, MoveCause::command)});
  ChangeInstance again = move_to(scene.instance(1), TaskState::none, MoveCause::command);
  TaskInstance cleared = again.row;
  CHECK_THAT(scene.refused({twice, again, start_try(cleared, 8)}).message, Catch::Contains("another live try's"));
  scene.commit({twice});
  // A try that has ended answers to no fence.
  CHECK(!must(scene.reader().instance_of_fence(6)));
  CHECK(must(scene.reader().instance_of_fence(8))->instance.number == 3);
}

TEST_CASE("a change without a move is written, and has an event only if it has a text") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(1, 1, "wait")}}});
  const size_t before = scene.history().size();
  ChangeInstance change = move_to(scene.instance(1), TaskState::none);
  change.row.note = "replica 42 s behind";
  scene.commit({change});
  CHECK(scene.instance(1).note == "replica 42 s behind");
  CHECK(scene.history().size() == before);
  change.event_text = "looked";
  scene.commit({change});
  CHECK(scene.history().back() == "orders/run1/wait none>none");

  ChangeRun note = move_to(scene.run(1), RunState::queued, MoveCause::command);
  note.row.note = "확인함";
  scene.commit({note});
  CHECK(scene.run(1).note == "확인함");
  CHECK(scene.history().size() == before + 1);
  note.event_text = "note set";
  note.user = "kim";
  scene.commit({note});
  const EventRecord last = must(scene.reader().events("orders", "run1", "", {.limit = 1})).rows.at(0);
  CHECK(last.event == "run");
  CHECK(last.text == "note set");
  CHECK(last.user == "kim");
  CHECK(last.cause == "command");
}

TEST_CASE("a batch is all or nothing, wherever in it the refusal comes") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(1, 1, "a"), make_instance(2, 1, "b")}},
                PutTry{{.instance = 2, .try_number = 1, .fence = 1, .note = "old"}},
                PutXCom{{.instance = 2, .key = "k", .value = 1, .at = t0}},
                PutXCom{{.instance = 2, .key = "kept", .value = 1, .at = t0}},
                PutDag{{.dag_id = "orders", .file = "old.yaml"}}});
  DagRun done = make_run(3);
  scene.commit({InsertRun{done, {}}, InsertInstances{{make_instance(30, 3, "a")}},
                PutXCom{{.instance = 30, .key = "k", .value = 5, .at = t0}},
                PutTry{{.instance = 30, .try_number = 1, .fence = 1}}});
  scene.commit({move_to(done, RunState::failed, MoveCause::command)});
  const auto history = scene.history();

  DagVersionRecord version{.dag_id = "orders", .version = "v1", .created_at = t0, .serialized = {}, .source = "x"};
  EventRecord audit;
  audit.event = "audit";
  audit.text = "login";
  const std::vector<Change> good = {
      InsertRun{make_run(2), {}},
      InsertInstances{{make_instance(7, 2, "a"), make_instance(8, 2, "b")}},
      start_try(scene.instance(1), 3),
      move_to(scene.run(1), RunState::running),
      PutTry{{.instance = 1, .try_number = 1, .fence = 3}},
      PutTry{{.instance = 2, .try_number = 1, .fence = 1, .note = "new"}},
      PutXCom{{.instance = 1, .key = "k", .value = 2, .at = t0}},
      PutXCom{{.instance = 2, .key = "k", .value = 3, .at = t0}},
      DeleteXComs{2},
      PutDag{{.dag_id = "orders", .file = "new.yaml"}},
      PutDag{{.dag_id = "items"}},
      PutDagVersion{version},
      AppendEvent{audit},
      DeleteRunRows{3, "kim"},
  };
  ChangeInstance bad = move_to(make_instance(99, 1, "x"), TaskState::scheduled);
  for (size_t at = 0; at <= good.size(); ++at) {
    std::vector<Change> batch = good;
    batch.insert(batch.begin() + static_cast<std::ptrdiff_t>(at), bad);
    const Error error = scene.refused(batch);
    CHECK(error.kind == ErrorKind::conflict);
    CHECK_THAT(error.message, Catch::Contains("change " + std::to_string(at + 1) + " of 15"));

    CHECK(!must(scene.reader().run_by_number(2)));
    CHECK(!must(scene.reader().instance_by_number(7)));
    CHECK(must(scene.reader().instances_of(1)) == std::vector{make_instance(1, 1, "a"), make_instance(2, 1, "b")});
    CHECK(scene.run(1).state == RunState::queued);
    CHECK(must(scene.reader().tries_of(1)).empty());
    CHECK(must(scene.reader().tries_of(2)).at(0).note == "old");
    CHECK(!must(scene.reader().xcom(1, "k")));
    CHECK(must(scene.reader().xcom(2, "k"))->value == Value(1));
    CHECK(must(scene.reader().xcoms_of(2)).size() == 2);
    CHECK(must(scene.reader().dag("orders"))->file == "old.yaml");
    CHECK(!must(scene.reader().dag("items")));
    CHECK(must(scene.reader().dag_versions("orders")).empty());
    CHECK(must(scene.reader().xcom(30, "k"))->value == Value(5));
    CHECK(must(scene.reader().tries_of(30)).size() == 1);
    CHECK(must(scene.reader().active_runs()).size() == 1);
    CHECK(!must(scene.reader().instance_of_fence(3)));
    const Counters counters = must(scene.writer().counters());
    CHECK(counters.last_run == 3);
    CHECK(counters.last_instance == 30);
    CHECK(counters.last_fence == 0);
    CHECK(scene.history() == history);
    CHECK(must(scene.reader().events("", "", "", {.limit = 1})).total == static_cast<int64_t>(history.size()));
  }
  scene.commit(good);
  CHECK(must(scene.reader().run_by_number(2)));
  CHECK(!must(scene.reader().run_by_number(3)));
  CHECK(must(scene.reader().xcoms_of(2)).empty());
}

TEST_CASE("only the newest term may commit") {
  Scene scene(EVERY_KIND_OF_STORE);
  const Epoch old = scene.epoch;
  scene.epoch = must(scene.writer().acquire_epoch(t0 + 1s));
  CHECK(scene.epoch > old);
  scene.commit({InsertRun{make_run(1), {}}});
  for (const Epoch wrong : {old, scene.epoch + 1, Epoch{0}}) {
    const Result<void> late =
        scene.writer().commit({.epoch = wrong, .at = t0, .changes = {InsertRun{make_run(2), {}}}});
    REQUIRE(!late);
    CHECK(late.error().kind == ErrorKind::conflict);
    CHECK_THAT(late.error().message, Catch::Contains("term " + std::to_string(wrong) + " is over"));
  }
  CHECK(!must(scene.reader().run_by_number(2)));
  const EventRecord first = must(scene.reader().events("", "", "", {.limit = 1, .offset = 1})).rows.at(0);
  CHECK(first.event == "scheduler");
  CHECK(first.at == t0 + 1s);
  CHECK(first.text == "term " + std::to_string(scene.epoch) + " begins");
}

TEST_CASE("what is taken already cannot be inserted again") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(1, 1, "a")}}});
  DagRun same_number = make_run(1, "other");
  DagRun same_id = make_run(2);
  same_id.run_id = "run1";
  DagRun same_date = make_run(3);
  same_date.logical_date = make_run(1).logical_date;
  for (const DagRun& row : {same_number, same_id, same_date}) {
    CHECK(scene.refused({InsertRun{row, {}}}).kind == ErrorKind::conflict);
  }
  DagRun other_dag = make_run(4, "other");
  other_dag.run_id = "run1";
  other_dag.logical_date = make_run(1).logical_date;
  DagRun no_date = make_run(5), no_date_either = make_run(6);
  no_date.logical_date = no_date_either.logical_date = std::nullopt;
  scene.commit({InsertRun{other_dag, {}}, InsertRun{no_date, {}}, InsertRun{no_date_either, {}}});

  CHECK(scene.refused({InsertInstances{{make_instance(1, 1, "b")}}}).kind == ErrorKind::conflict);
  CHECK(scene.refused({InsertInstances{{make_instance(2, 1, "a")}}}).kind == ErrorKind::conflict);
  CHECK(scene.refused({InsertInstances{{make_instance(2, 1, "b"), make_instance(3, 1, "b")}}}).kind ==
        ErrorKind::conflict);
  CHECK(scene.refused({InsertInstances{{make_instance(2, 99, "b")}}}).kind == ErrorKind::conflict);
  CHECK(must(scene.reader().instances_of(1)).size() == 1);
  scene.commit({InsertInstances{{make_instance(2, 1, "a", 0), make_instance(3, 4, "a")}}, InsertInstances{}});
}

TEST_CASE("new rows begin where the table of moves begins") {
  Scene scene(EVERY_KIND_OF_STORE);
  DagRun running = make_run(1);
  running.state = RunState::running;
  CHECK(scene.refused({InsertRun{running, {}}}).kind == ErrorKind::invalid);
  DagRun nameless = make_run(1);
  nameless.dag_id.clear();
  CHECK(scene.refused({InsertRun{nameless, {}}}).kind == ErrorKind::invalid);
  CHECK(scene.refused({InsertRun{make_run(0), {}}}).kind == ErrorKind::invalid);
  scene.commit({InsertRun{make_run(1), {}}});
  TaskInstance queued = make_instance(1, 1, "a");
  queued.state = TaskState::queued;
  CHECK(scene.refused({InsertInstances{{queued}}}).kind == ErrorKind::invalid);
  TaskInstance fenced = make_instance(1, 1, "a");
  fenced.fence = 3;
  CHECK(scene.refused({InsertInstances{{fenced}}}).kind == ErrorKind::invalid);
  CHECK(scene.refused({InsertInstances{{make_instance(0, 1, "a")}}}).kind == ErrorKind::invalid);
  CHECK(scene.refused({InsertInstances{{make_instance(1, 1, "a", -2)}}}).kind == ErrorKind::invalid);
  TaskInstance removed = make_instance(1, 1, "a");
  removed.state = TaskState::removed;
  scene.commit({InsertInstances{{removed}}});
  CHECK(scene.instance(1).state == TaskState::removed);
}

TEST_CASE("deleting a run takes all that hangs on it and leaves one line of history") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(1, 1, "a"), make_instance(2, 1, "b", 0)}},
                InsertRun{make_run(2), {}}, InsertInstances{{make_instance(3, 2, "a")}},
                PutTry{{.instance = 1, .try_number = 1, .fence = 1}},
                PutXCom{{.instance = 2, .key = "k", .value = 1, .at = t0}},
                PutXCom{{.instance = 3, .key = "k", .value = 2, .at = t0}}});
  scene.commit({start_try(scene.instance(1), 1)});
  CHECK(scene.refused({DeleteRunRows{1, "kim"}}).kind == ErrorKind::conflict);
  CHECK(scene.refused({DeleteRunRows{9, "kim"}}).kind == ErrorKind::conflict);
  scene.commit({move_to(scene.run(1), RunState::failed, MoveCause::command)});
  scene.commit({DeleteRunRows{1, "kim"}});

  CHECK(!must(scene.reader().run_by_number(1)));
  CHECK(!must(scene.reader().run("orders", "run1")));
  CHECK(must(scene.reader().instances_of(1)).empty());
  CHECK(!must(scene.reader().instance_by_number(1)));
  CHECK(!must(scene.reader().instance_of_fence(1)));
  CHECK(must(scene.reader().tries_of(1)).empty());
  CHECK(must(scene.reader().xcoms_of(2)).empty());
  CHECK(must(scene.reader().xcom(3, "k"))->value == Value(2));
  CHECK(must(scene.reader().instances({}, {})).total == 1);
  CHECK(scene.history("orders", "run1") == lines({"orders/run1 failed>deleted"}));
  CHECK(must(scene.reader().events("orders", "run1", "", {})).rows.at(0).user == "kim");
  CHECK(scene.history() == lines({"/ >", "orders/run2 >queued", "orders/run1 failed>deleted"}));
  CHECK(must(scene.reader().events("", "", "", {.limit = 1})).total == 3);

  // Numbers are never given twice, names may be.
  CHECK(must(scene.writer().counters()).last_instance == 3);
  DagRun again = make_run(4);
  again.run_id = "run1";
  again.logical_date = make_run(1).logical_date;
  scene.commit({InsertRun{again, {}}});
  CHECK(must(scene.reader().run("orders", "run1"))->number == 4);
}

TEST_CASE("the numbers of a deleted last run are not given again") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(9), {}}, InsertInstances{{make_instance(90, 9, "a")}}});
  scene.commit({start_try(scene.instance(90), 900), move_to(make_run(9), RunState::failed, MoveCause::command)});
  scene.commit({DeleteRunRows{9, {}}});
  const Counters counters = must(scene.writer().counters());
  CHECK(counters.last_run == 9);
  CHECK(counters.last_instance == 90);
  CHECK(counters.last_fence == 900);
}

TEST_CASE("tries, XComs, DAGs and versions are kept and replaced") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertInstances{{make_instance(1, 1, "a"), make_instance(2, 1, "b")}}});
  TryRecord attempt{.instance = 1,
                    .try_number = 1,
                    .fence = 5,
                    .state = TaskState::running,
                    .queued_at = t0,
                    .start_date = t0 + 1s,
                    .hostname = "호스트",
                    .pid = 4711,
                    .log_file = "logs/1/1-1.log"};
  scene.commit({PutTry{attempt}});
  CHECK(must(scene.reader().tries_of(1)) == std::vector{attempt});
  attempt.state = TaskState::failed;
  attempt.end_date = t0 + 2s;
  attempt.note = "exit code 3";
  TryRecord second{.instance = 1, .try_number = 2, .fence = 6, .state = TaskState::queued};
  scene.commit({PutTry{second}, PutTry{attempt}});
  CHECK(must(scene.reader().tries_of(1)) == std::vector{attempt, second});
  CHECK(scene.refused({PutTry{{.instance = 77, .try_number = 1}}}).kind == ErrorKind::conflict);

  const Value value = *parse_json(R"({"rows":500000,"files":["s3://레이크/a"],"big":9223372036854775807,"x":1.5})");
  scene.commit({PutXCom{{.instance = 1, .key = "return_value", .value = value, .at = t0}},
                PutXCom{{.instance = 1, .key = "a", .value = nullptr, .at = t0 + 1s}}});
  CHECK(must(scene.reader().xcom(1, "return_value"))->value == value);
  CHECK(must(scene.reader().xcom(1, "a"))->value.is_null());
  CHECK(must(scene.reader().xcom(1, "a"))->at == t0 + 1s);
  CHECK(!must(scene.reader().xcom(1, "b")));
  scene.commit({PutXCom{{.instance = 1, .key = "a", .value = "새 값", .at = t0}}});
  CHECK(must(scene.reader().xcom(1, "a"))->value == Value("새 값"));
  const auto all = must(scene.reader().xcoms_of(1));
  REQUIRE(all.size() == 2);
  CHECK(all[0].key == "a");
  CHECK(scene.refused({PutXCom{{.instance = 77, .key = "k", .value = 1, .at = t0}}}).kind == ErrorKind::conflict);
  CHECK(scene.refused({DeleteXComs{77}}).kind == ErrorKind::conflict);
  scene.commit({DeleteXComs{1}, DeleteXComs{2}});
  CHECK(must(scene.reader().xcoms_of(1)).empty());

  DagRecord dag{.dag_id = "주문",
                .file = "dags/주문.yaml",
                .version = "v1",
                .description = "설명",
                .schedule_text = "0 0 * * *",
                .timezone = "Asia/Seoul",
                .tags = {"lake", "한글 태그"},
                .is_paused = true,
                .last_parsed_at = t0,
                .last_scheduled_logical_date = t0 + 1h,
                .next_run_after = t0 + 2h};
  scene.commit({PutDag{dag}});
  CHECK(must(scene.reader().dag("주문")) == dag);
  dag.is_paused = false;
  dag.is_stale = true;
  dag.tags.clear();
  dag.next_run_after.reset();
  scene.commit({PutDag{dag}});
  CHECK(must(scene.reader().dag("주문")) == dag);
  CHECK(!must(scene.reader().dag("orders")));

  const auto version = [](const std::string& name) {
    return DagVersionRecord{.dag_id = "orders",
                            .version = name,
                            .number = 99,
                            .created_at = t0,
                            .bundle = "etl",
                            .bundle_version = "c0ffee",
                            .serialized = Value::Map{{"dag_id", "orders"}},
                            .source = "dag: orders # " + name};
  };
  DagVersionRecord changed = version("v1");
  changed.source = "never written";
  scene.commit({PutDagVersion{version("v1")}, PutDagVersion{version("v2")}});
  scene.commit({PutDagVersion{changed}});
  const auto first = must(scene.reader().dag_version("orders", "v1"));
  REQUIRE(first);
  CHECK(first->number == 1);
  CHECK(first->source == "dag: orders # v1");
  CHECK(first->serialized.text("dag_id") == "orders");
  CHECK(first->created_at == t0);
  CHECK(must(scene.reader().dag_version("orders", "v2"))->number == 2);
  CHECK(!must(scene.reader().dag_version("orders", "v3")));
  CHECK(!must(scene.reader().dag_version("items", "v1")));
  const auto versions = must(scene.reader().dag_versions("orders"));
  REQUIRE(versions.size() == 2);
  CHECK(versions[1].version == "v2");
  CHECK(versions[1].bundle == "etl");
  CHECK(versions[1].bundle_version == "c0ffee");
  CHECK(first->bundle_version == "c0ffee");
  CHECK(versions[1].source.empty());
  CHECK(must(scene.reader().dag_versions("items")).empty());
}

TEST_CASE("the XComs of a mapped task come by map index, without those that have none") {
  Scene scene(EVERY_KIND_OF_STORE);
  scene.commit({InsertRun{make_run(1), {}}, InsertRun{make_run(2), {}},
                InsertInstances{{make_instance(1, 1, "m", 2), make_instance(2, 1, "m", 0), make_instance(3, 1, "m", 1),
                                 make_instance(4, 1, "m2", 0), make_instance(5, 2, "m", 0)}},
                PutXCom{{.instance = 1, .key = "k", .value = "two", .at = t0}},
                PutXCom{{.instance = 2, .key = "k", .value = "zero", .at = t0}},
                PutXCom{{.instance = 3, .key = "other", .value = "x", .at = t0}},
                PutXCom{{.instance = 4, .key = "k", .value = "x", .at = t0}},
                PutXCom{{.instance = 5, .key = "k", .value = "x", .at = t0}}});
  using Values = std::vector<std::pair<int, Value>>;
  CHECK(must(scene.reader().xcoms_of_task(1, "m", "k")) == Values{{0, "zero"}, {2, "two"}});
  CHECK(must(scene.reader().xcoms_of_task(1, "m", "nothing")).empty());
  CHECK(must(scene.reader().xcoms_of_task(3, "m", "k")).empty());
}

TEST_CASE("100,000 task instances go in with one batch, and with none if the last is refused") {
  Scene scene(EVERY_KIND_OF_STORE);
  InsertInstances many;
  for (int i = 0; i < 100'000; ++i) many.rows.push_back(make_instance(i + 1, 1, "export", i));
  InsertInstances broken = many;
  broken.rows.back().map_index = 0;
  CHECK(scene.refused({InsertRun{make_run(1), {}}, broken}).kind == ErrorKind::conflict);
  CHECK(!must(scene.reader().run_by_number(1)));

  scene.commit({InsertRun{make_run(1), {}}, many});
  CHECK(must(scene.reader().instances_of(1)) == many.rows);
  InstanceFilter filter;
  filter.run_ids = {"run1"};
  const auto page = must(scene.reader().instances(filter, {.limit = 3, .offset = 99'998}));
  CHECK(page.total == 100'000);
  REQUIRE(page.rows.size() == 2);
  CHECK(page.rows[1].instance.map_index == 99'999);

  scene.commit({move_to(make_run(1), RunState::failed, MoveCause::command)});
  scene.commit({DeleteRunRows{1, {}}});
  // They do not go so: retention_test.cpp.
  CHECK(must(scene.reader().instances({}, {})).total == 100'000 - deleted_instances_max);
}
