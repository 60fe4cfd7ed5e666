// The loop as its callers in other threads and its operators see it; scheduling itself is told in scenarios/.
#include "scheduler/loop.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

#include "base/limits.h"
#include "base/log.h"
#include "dagfile/catalog.h"
#include "dagfile/serialize.h"
#include "scheduler/lease.h"
#include "scheduler/state.h"
#include "store/faulty_store.h"
#include "store/leaving.h"
#include "store/memory_store.h"
#include "tests/scheduler/scripted_executor.h"

using namespace udon;
using namespace udon::testing;
using namespace std::chrono_literals;

namespace {

DagPtr make_chain(const std::string& id, int length) {
  auto dag = std::make_shared<Dag>();
  dag->dag_id = id;
  dag->version = id + "-1";
  for (int i = 0; i < length; ++i) {
    Task task;
    task.task_id = "t" + std::to_string(i);
    task.operator_name = "bash";
    task.retry = {.retries = 1, .delay = 1s, .exponential_backoff = false, .delay_max = {}};
    if (i > 0) task.upstream = {i - 1};
    if (i + 1 < length) task.downstream = {i + 1};
    dag->tasks.push_back(std::move(task));
  }
  return dag;
}

CatalogPtr catalog_of(const std::vector<DagPtr>& dags) {
  auto catalog = std::make_shared<CatalogSnapshot>();
  catalog->generation = 1;
  for (const DagPtr& dag : dags) catalog->dags[dag->dag_id] = dag;
  return catalog;
}

TriggerRun trigger(const std::string& dag_id, const std::string& run_id) {
  TriggerRun command{.dag_id = dag_id};
  command.run_id = run_id;
  return command;
}

// A loop on a store that a test may break.
struct House {
  explicit House(Store& the_store, const Clock& clock) : store(the_store), loop(make_loop(clock)) {
    set_log_level(LogLevel::error);
  }
  std::unique_ptr<Loop> make_loop(const Clock& clock) {
    return std::make_unique<Loop>(
        LoopOptions{.installation = "home", .parallelism = 32}, clock, store.reader(), store.writer(), store.settings(),
        std::vector<Executor*>{&executor}, [](const TryId& id) { return to_string(id); }, metrics);
  }
  // Ends every try that has been handed out, as if it took no time.
  void end_all() {
    for (const auto& id : executor.running()) {
      executor.report(id, TryEnded{.result = TryEnded::Result::success,
                                   .cause = EndCause::finished,
                                   .error_kind = {},
                                   .message = {},
                                   .started_at = {},
                                   .at = {}});
    }
  }

  Store& store;
  Metrics metrics;
  ScriptedExecutor executor{"local", TryKind::process, 100};
  std::unique_ptr<Loop> loop;
};

TimePoint new_year() { return parse_time("2026-01-01T00:00:00Z").value(); }

std::string state_of_run(Store& store, const std::string& dag_id, const std::string& run_id) {
  const auto run = store.reader().run(dag_id, run_id);
  return run && *run ? std::string(to_string((*run)->state)) : "absent";
}

// Turns and time until the run is finished, or too much of both has gone.
std::string drive(House& house, FakeClock& clock, const std::string& dag_id, const std::string& run_id) {
  for (int i = 0; i < 500; ++i) {
    const auto next = house.loop->turn();
    if (!next) return next.error().message;
    const std::string state = state_of_run(house.store, dag_id, run_id);
    if (state == "success" || state == "failed") return state;
    house.end_all();
    clock.advance(100ms);
  }
  return "still " + state_of_run(house.store, dag_id, run_id);
}

}  // namespace

TEST_CASE("a command from another thread is answered after its commit") {
  MemoryStore store;
  const SystemClock clock;
  House house(store, clock);
  REQUIRE(house.loop->start());
  house.loop->offer(catalog_of({make_chain("shop", 2)}));
  std::jthread thread([&](const std::stop_token& stop) { REQUIRE(house.loop->run(stop)); });
  for (int i = 0; i < 20; ++i) {
    const auto outcome = house.loop->submit(trigger("shop", "r" + std::to_string(i)));
    REQUIRE(outcome);
    CHECK(outcome->run->run_id == "r" + std::to_string(i));
    CHECK(state_of_run(store, "shop", "r" + std::to_string(i)) != "absent");
  }
  // A conf that no try could be handed.
  TriggerRun large = trigger("shop", "large");
  large.conf = Value::Map{{"text", std::string(4 << 20, 'x')}};
  const auto refused = house.loop->submit(large);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::invalid);
  CHECK_THAT(refused.error().message, Catch::StartsWith("conf has 4194315 bytes as JSON, and may have 4194304"));
  CHECK(state_of_run(store, "shop", "large") == "absent");
  // The note that a run is made with stays known, whoever edits it.
  TriggerRun noted = trigger("shop", "noted");
  noted.note = "for the audit";
  REQUIRE(house.loop->submit(noted));
  REQUIRE(house.loop->submit(SetRunNote{.dag_id = "shop", .run_id = "noted", .note = "never mind", .user = "ada"}));
  const auto events = store.reader().events("shop", "noted", "", {.limit = 100});
  REQUIRE(events);
  CHECK(std::ranges::count(events->rows, "for the audit", &EventRecord::text) == 1);
  const auto reason = house.loop->why({"shop", "r0", "t1", -1});
  REQUIRE(reason);
  CHECK(reason->kind == ReasonKind::upstream);
  const auto unknown = house.loop->why({"shop", "r0", "t9", -1});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().kind == ErrorKind::not_found);
  thread.request_stop();
  thread.join();
  const auto late = house.loop->submit(trigger("shop", "late"));
  REQUIRE_FALSE(late);
  CHECK(late.error().kind == ErrorKind::unavailable);
}

TEST_CASE("a trigger that comes before the first catalog waits for it") {
  MemoryStore store;
  FakeClock clock(new_year());
  House house(store, clock);
  REQUIRE(house.loop->start());
  auto answer = house.loop->enqueue(trigger("shop", "r1"));
  REQUIRE(house.loop->turn());
  CHECK_FALSE(house.loop->is_ready());
  CHECK(answer.wait_for(0s) == std::future_status::timeout);
  house.loop->offer(catalog_of({make_chain("shop", 1)}));
  REQUIRE(house.loop->turn());
  CHECK(house.loop->is_ready());
  REQUIRE(answer.wait_for(0s) == std::future_status::ready);
  CHECK(answer.get());
  CHECK(state_of_run(store, "shop", "r1") == "running");
}

TEST_CASE("a trigger that comes while many files are taken in waits until its own is") {
  MemoryStore store;
  FakeClock clock(new_year());
  House house(store, clock);
  REQUIRE(house.loop->start());
  house.loop->offer(catalog_of({make_chain("shop", 1)}));
  REQUIRE(house.loop->turn());
  REQUIRE(house.loop->is_ready());
  std::vector<DagPtr> many{make_chain("shop", 1), make_chain("z", 1)};
  for (int i = 0; i < 600; ++i) many.push_back(make_chain("many_" + std::to_string(i), 1));
  house.loop->offer(catalog_of(many));
  auto answer = house.loop->enqueue(trigger("z", "r1"));
  auto unknown = house.loop->enqueue(trigger("nobody", "r1"));
  REQUIRE(house.loop->turn());
  CHECK(answer.wait_for(0s) == std::future_status::timeout);
  REQUIRE(house.loop->turn());
  REQUIRE(answer.wait_for(0s) == std::future_status::ready);
  CHECK(answer.get());
  REQUIRE(unknown.wait_for(0s) == std::future_status::ready);
  CHECK(unknown.get().error().kind == ErrorKind::not_found);
}

TEST_CASE("a run that was deleted is gone at once, also for what is asked in the same turn") {
  MemoryStore store;
  FakeClock clock(new_year());
  House house(store, clock);
  REQUIRE(house.loop->start());
  house.loop->offer(catalog_of({make_chain("shop", 2)}));
  auto triggered = house.loop->enqueue(trigger("shop", "r1"));
  REQUIRE(house.loop->turn());
  REQUIRE(triggered.get());
  REQUIRE(drive(house, clock, "shop", "r1") == "success");

  auto deleted = house.loop->enqueue(DeleteRun{.dag_id = "shop", .run_id = "r1", .user = {}});
  ClearTasks clear;
  clear.selection.dag_id = "shop";
  clear.selection.run_id = "r1";
  auto cleared = house.loop->enqueue(clear);
  auto again = house.loop->enqueue(trigger("shop", "r1"));
  REQUIRE(house.loop->turn());
  CHECK(deleted.get());
  const auto refused = cleared.get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::not_found);
  // Its name is free.
  CHECK(again.get());
  CHECK(drive(house, clock, "shop", "r1") == "success");
}

TEST_CASE("more runs than are changed at once are refused before any is changed") {
  MemoryStore store;
  FakeClock clock(new_year());
  House house(store, clock);
  REQUIRE(house.loop->start());
  house.loop->offer(catalog_of({make_chain("shop", 1)}));
  auto triggered = house.loop->enqueue(trigger("shop", "r1"));
  REQUIRE(house.loop->turn());
  REQUIRE(triggered.get());
  MarkTasks mark;
  mark.selection.dag_id = "shop";
  mark.selection.run_id = "r1";
  mark.state = TaskState::failed;
  ChangeRuns several;
  several.changes.assign(static_cast<size_t>(limits::runs_changed_max) + 1, mark);
  auto many = house.loop->enqueue(several);
  REQUIRE(house.loop->turn());
  const auto refused = many.get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::invalid);
  CHECK(house.loop->state().tries().size() == 1);
  CHECK(std::ranges::none_of(house.loop->state().tries(),
                             [](const auto& one) { return one.second.becomes.has_value(); }));
}

TEST_CASE("runs that have more task instances than are read at once are refused before any is read") {
  MemoryStore store;
  FakeClock clock(new_year());
  constexpr int each = 40'000;
  const auto epoch = store.writer().acquire_epoch(clock.now());
  REQUIRE(epoch);
  const DagPtr dag = make_chain("shop", 1);
  std::vector<Change> changes{
      PutDagVersion{{.dag_id = "shop", .version = dag->version, .serialized = serialize(*dag), .source = {}}}};
  ChangeRuns several;
  for (RunNumber number = 1; number <= 3; ++number) {
    DagRun row;
    row.number = number;
    row.dag_id = "shop";
    row.run_id = "r" + std::to_string(number);
    row.dag_version = dag->version;
    changes.emplace_back(InsertRun{row, {}});
    InsertInstances rows;
    for (int i = 0; i < each; ++i) {
      TaskInstance instance;
      instance.number = number * each + i;
      instance.run = number;
      // Those that the newest version has no place for are of the run all the same.
      instance.task_id = i == 0 ? "t0" : "gone";
      instance.map_index = i == 0 ? -1 : i;
      instance.state = i == 0 ? TaskState::none : TaskState::removed;
      rows.rows.push_back(std::move(instance));
    }
    changes.emplace_back(std::move(rows));
    ChangeRun end{.expected_state = RunState::queued, .row = row, .cause = MoveCause::command};
    end.row.state = RunState::success;
    changes.emplace_back(std::move(end));
    MarkTasks mark;
    mark.selection.dag_id = "shop";
    mark.selection.run_id = row.run_id;
    mark.selection.tasks = {{"t0", -1}};
    mark.state = TaskState::failed;
    several.changes.emplace_back(mark);
  }
  REQUIRE(store.writer().commit({.epoch = *epoch, .at = clock.now(), .changes = std::move(changes)}));
  House house(store, clock);
  REQUIRE(house.loop->start());
  house.loop->offer(catalog_of({dag}));
  auto all = house.loop->enqueue(several);
  REQUIRE(house.loop->turn());
  const auto refused = all.get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::invalid);
  CHECK(refused.error().message ==
        "these 3 runs have 120000 task instances; at most 100000 are read at once: name fewer runs at a time; nothing "
        "is changed");
  CHECK(store.reader().instance({"shop", "r1", "t0", -1}).value()->instance.state == TaskState::none);
  // Two of them are not too many.
  several.changes.pop_back();
  auto two = house.loop->enqueue(several);
  REQUIRE(house.loop->turn());
  CHECK(two.get());
  for (const char* run : {"r1", "r2"})
    CHECK(store.reader().instance({"shop", run, "t0", -1}).value()->instance.state == TaskState::failed);
}

TEST_CASE("one step of cleaning takes no more events than go in one commit") {
  MemoryStore store;
  FakeClock clock(new_year());
  const auto epoch = store.writer().acquire_epoch(clock.now());
  REQUIRE(epoch);
  std::vector<Change> changes;
  for (RunNumber number = 1; number <= 4; ++number) {
    DagRun row;
    row.number = number;
    row.dag_id = "shop";
    row.run_id = "r" + std::to_string(number);
    row.logical_date = clock.now() + number * 1h;
    changes.emplace_back(InsertRun{row, {}});
    ChangeRun end{.expected_state = RunState::queued, .row = row, .cause = MoveCause::command};
    end.row.state = RunState::success;
    end.row.end_date = clock.now() + number * 1min;
    changes.emplace_back(std::move(end));
    EventRecord event;
    event.dag_id = row.dag_id;
    event.run_id = row.run_id;
    for (int64_t i = 0; i < deleted_events_max * 2 / 3; ++i) changes.emplace_back(AppendEvent{event});
  }
  REQUIRE(store.writer().commit({.epoch = *epoch, .at = clock.now(), .changes = std::move(changes)}));
  House house(store, clock);
  REQUIRE(house.loop->start());
  house.loop->offer(catalog_of({make_chain("shop", 1)}));
  CleanStep step{.before = clock.now() + 1h};
  for (const RunNumber number : {1, 2, 3}) {
    auto asked = house.loop->enqueue(step);
    REQUIRE(house.loop->turn());
    const auto cleaned = asked.get();
    REQUIRE(cleaned);
    CHECK(cleaned->cleaned->runs == std::vector<RunNumber>{number});
    CHECK(cleaned->cleaned->is_done == (number == 3));  // the last of its DAG stays
    step.after = cleaned->cleaned->next;
  }
}

TEST_CASE("the start of a try waits a moment for the commit of something that matters more") {
  MemoryStore memory;
  FaultyStore store(memory);
  FakeClock clock(new_year());
  House house(store, clock);
  REQUIRE(house.loop->start());
  house.loop->offer(catalog_of({make_chain("shop", 1)}));
  auto answer = house.loop->enqueue(trigger("shop", "r1"));
  REQUIRE(house.loop->turn());
  REQUIRE(answer.get());
  const int64_t commits = store.commits();
  const TryId id = house.executor.running().front();
  house.executor.report(id, TryStarted{.at = clock.now(), .hostname = "host", .pid = 1});
  const auto next = house.loop->turn();
  REQUIRE(next);
  REQUIRE(*next);
  CHECK(**next == clock.now() + 20ms);
  CHECK(store.commits() == commits);
  clock.advance(3ms);
  house.end_all();
  REQUIRE(house.loop->turn());
  CHECK(store.commits() == commits + 1);
  CHECK(state_of_run(store, "shop", "r1") == "success");
  const auto row = memory.reader().instance({"shop", "r1", "t0", -1});
  const auto tries = memory.reader().tries_of((*row)->instance.number);
  REQUIRE(tries->size() == 1);
  CHECK(tries->front().hostname == "host");
  CHECK(tries->front().start_date == new_year());
}

TEST_CASE("a later scheduler's term stops the earlier one") {
  MemoryStore store;
  FakeClock clock(new_year());
  House first(store, clock);
  House second(store, clock);
  REQUIRE(first.loop->start());
  REQUIRE(second.loop->start());
  first.loop->offer(catalog_of({make_chain("shop", 1)}));
  const auto turn = first.loop->turn();
  REQUIRE_FALSE(turn);
  CHECK(turn.error().kind == ErrorKind::conflict);
  second.loop->offer(catalog_of({make_chain("shop", 1)}));
  CHECK(second.loop->turn());
}

TEST_CASE("whichever commit fails, before its effect or after it, the run comes to its end") {
  for (const auto when : {FaultyStore::When::before_effect, FaultyStore::When::after_effect}) {
    bool has_failed = true;
    int tried = 0;
    for (int64_t nth = 1; has_failed; ++nth) {
      ++tried;
      INFO("commit " << nth << (when == FaultyStore::When::before_effect ? " before" : " after") << " its effect");
      MemoryStore memory;
      FaultyStore store(memory);
      FakeClock clock(new_year());
      House house(store, clock);
      REQUIRE(house.loop->start());
      store.fail_commit(nth, when);
      house.loop->offer(catalog_of({make_chain("shop", 4)}));
      std::string state;
      // Who asks and is refused asks again; it may have been carried out all the same.
      for (int i = 0; i < 20 && state_of_run(store, "shop", "r1") == "absent"; ++i) {
        auto answer = house.loop->enqueue(trigger("shop", "r1"));
        REQUIRE(house.loop->turn());
        clock.advance(1s);
      }
      CHECK(drive(house, clock, "shop", "r1") == "success");
      has_failed = store.has_failed();
      store.heal();
    }
    CHECK(tried > 5);
  }
}

TEST_CASE("whichever call of the store fails, the run comes to its end") {
  int tried = 0;
  bool has_failed = true;
  for (int64_t nth = 1; has_failed; ++nth) {
    ++tried;
    INFO("call " << nth);
    MemoryStore memory;
    FaultyStore store(memory);
    FakeClock clock(new_year());
    House house(store, clock);
    REQUIRE(house.loop->start());
    house.loop->offer(catalog_of({make_chain("shop", 3)}));
    REQUIRE(house.loop->turn());
    store.fail_call(nth);
    for (int i = 0; i < 20; ++i) {
      const auto run = memory.reader().run("shop", "r1");
      if (run && *run) break;
      auto answer = house.loop->enqueue(trigger("shop", "r1"));
      REQUIRE(house.loop->turn());
      clock.advance(1s);
    }
    for (int i = 0; i < 200; ++i) {
      REQUIRE(house.loop->turn());
      house.end_all();
      clock.advance(500ms);
    }
    has_failed = store.has_failed();
    store.heal();
    CHECK(state_of_run(memory, "shop", "r1") == "success");
  }
  CHECK(tried > 5);
}

TEST_CASE("a run whose DAG version cannot be read is given up, with the reason, and its try is ended") {
  MemoryStore store;
  FakeClock clock(new_year());
  {
    House house(store, clock);
    REQUIRE(house.loop->start());
    house.loop->offer(catalog_of({make_chain("shop", 2)}));
    auto answer = house.loop->enqueue(trigger("shop", "r1"));
    REQUIRE(house.loop->turn());
    REQUIRE(answer.get());
  }
  // Somebody has changed the run's version by hand.
  const auto epoch = store.writer().acquire_epoch(clock.now());
  REQUIRE(epoch);
  auto run = **store.reader().run("shop", "r1");
  run.dag_version = "no-such-version";
  REQUIRE(store.writer().commit(
      {.epoch = *epoch,
       .at = clock.now(),
       .changes = {ChangeRun{
           .expected_state = run.state, .row = run, .cause = MoveCause::plan, .user = {}, .event_text = {}}}}));
  House house(store, clock);
  REQUIRE(house.loop->start());
  REQUIRE(house.loop->turn());
  CHECK(state_of_run(store, "shop", "r1") == "failed");
  const auto rows = store.reader().instances_of(run.number);
  REQUIRE(rows);
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[1].state == TaskState::skipped);
  CHECK((*rows)[1].note.find("no-such-version") != std::string::npos);
}

TEST_CASE("a huge fan-out is planned in pieces, and commands get their turn in between") {
  MemoryStore store;
  FakeClock clock(new_year());
  House house(store, clock);
  auto dag = std::make_shared<Dag>(*make_chain("wide", 1));
  Value::List items;
  for (int i = 0; i < 12'000; ++i) items.emplace_back(i);
  dag->tasks[0].expand = MapSpec{.combine = {}, .inputs = {{.name = "item", .source = std::move(items)}}};
  REQUIRE(house.loop->start());
  house.loop->offer(catalog_of({dag, make_chain("shop", 1)}));
  auto wide = house.loop->enqueue(trigger("wide", "r1"));
  const auto first = house.loop->turn();
  REQUIRE(first);
  CHECK(wide.get());
  CHECK(*first == clock.now());  // there is more to do
  auto small = house.loop->enqueue(trigger("shop", "r1"));
  REQUIRE(house.loop->turn());
  CHECK(small.get());
  CHECK(state_of_run(store, "shop", "r1") != "absent");
  for (int i = 0; i < 20; ++i) REQUIRE(house.loop->turn());
  const auto run = store.reader().run("wide", "r1");
  CHECK(store.reader().instances_of((*run)->number)->size() == 12'000);
  CHECK(house.executor.running().size() == 17);  // max_active_tasks of the wide one, and the small one
}

TEST_CASE("what is left over of tries that have ended is cleared up after a restart") {
  MemoryStore store;
  FakeClock clock(new_year());
  House house(store, clock);
  house.executor.left_over = {{"home", 7}, {"other", 8}};
  REQUIRE(house.loop->start());
  REQUIRE(house.loop->turn());
  CHECK(house.executor.adopted == std::vector<Fence>{7});
  CHECK(house.executor.acknowledged == std::vector<Fence>{7});
}

TEST_CASE("after a restart, who says that a try runs has it, whatever another one that was asked answers") {
  MemoryStore store;
  FakeClock clock(new_year());
  set_log_level(LogLevel::error);
  ScriptedExecutor here{"here", TryKind::process, 0}, there{"there", TryKind::process, 4};
  Metrics metrics;
  const auto make_loop = [&] {
    return std::make_unique<Loop>(
        LoopOptions{.installation = "home", .parallelism = 32}, clock, store.reader(), store.writer(), store.settings(),
        std::vector<Executor*>{&here, &there}, [](const TryId& id) { return to_string(id); }, metrics);
  };
  auto loop = make_loop();
  REQUIRE(loop->start());
  loop->offer(catalog_of({make_chain("shop", 1)}));
  auto asked = loop->enqueue(trigger("shop", "r1"));
  REQUIRE(loop->turn());
  REQUIRE(asked.get());
  REQUIRE(there.running().size() == 1);
  const TryId id = there.running().front();

  here.is_slow = there.is_slow = true;
  loop = make_loop();
  REQUIRE(loop->start());
  REQUIRE(here.adopted == std::vector<Fence>{id.fence});
  there.report(id, TryStarted{.at = clock.now(), .hostname = "there", .pid = 7});
  REQUIRE(loop->turn());
  clock.advance(1s);
  REQUIRE(loop->turn());
  const auto state = [&] { return store.reader().instances_of(1)->front().state; };
  CHECK(state() == TaskState::running);
  here.report(id, TryUnknown{});
  REQUIRE(loop->turn());
  CHECK(state() == TaskState::running);
  there.report(id, TryEnded{.result = TryEnded::Result::success,
                            .cause = EndCause::finished,
                            .error_kind = {},
                            .message = {},
                            .started_at = {},
                            .at = clock.now()});
  REQUIRE(loop->turn());
  CHECK(state() == TaskState::success);
  CHECK(there.acknowledged == std::vector<Fence>{id.fence});
}

TEST_CASE("a second scheduler of the same home is refused and told who holds it") {
  const Path home = std::filesystem::temp_directory_path() / ("udon-lease-" + std::to_string(getpid()));
  {
    const auto lease = Lease::acquire(home);
    REQUIRE(lease);
    const auto second = Lease::acquire(home);
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::conflict);
    CHECK(second.error().message.find("pid " + std::to_string(getpid())) != std::string::npos);
  }
  CHECK(Lease::acquire(home));
  REQUIRE(remove_tree(home));
}
