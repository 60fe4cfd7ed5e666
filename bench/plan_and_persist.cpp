// What the scheduler itself costs, without any process: one run of a task that is mapped to N task instances (10,000,
// or the first argument), and one of a mapped group of three tasks with N indices. Of `empty` tasks: from the trigger
// to the end of the run. Of tasks that need a try: from the
// trigger to all of them handed out, and from all of their ends to the end of the run. On the memory store and on
// SQLite with durable commits. One line a measurement, in milliseconds.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "dagfile/catalog.h"
#include "scheduler/loop.h"
#include "scheduler/state.h"
#include "store/memory_store.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/scheduler/scripted_executor.h"

using namespace udon;

namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

DagPtr make_dag(const char* dag_id, bool needs_no_try, int count) {
  auto dag = std::make_shared<Dag>();
  dag->dag_id = dag_id;
  dag->version = "1";
  dag->max_active_tasks = count + 2;
  Value::List items;
  for (int i = 0; i < count; ++i) items.emplace_back(i);
  for (const char* id : {"first", "each", "last"}) {
    Task task;
    task.task_id = id;
    task.operator_name = "empty";
    task.needs_no_try = needs_no_try;
    task.pool_slots = 1;
    const int index = static_cast<int>(dag->tasks.size());
    if (index > 0) {
      task.upstream = {index - 1};
      dag->tasks.back().downstream = {index};
    }
    if (index == 1) task.expand = MapSpec{.combine = {}, .inputs = {{.name = "n", .source = items}}};
    dag->tasks.push_back(std::move(task));
  }
  return dag;
}

// first → (a → b → c, for each index) → last
DagPtr make_group(int count) {
  auto dag = std::make_shared<Dag>(*make_dag("group", true, count));
  const Task first = dag->tasks[0], each = dag->tasks[1], last = dag->tasks[2];
  dag->tasks = {first, each, each, each, last};
  for (int i = 1; i <= 3; ++i) {
    Task& task = dag->tasks[static_cast<size_t>(i)];
    task.task_id = std::string(1, static_cast<char>('a' + i - 1));
    task.mapped_group = "g";
    task.upstream = {i - 1};
    task.downstream = {i + 1};
  }
  dag->tasks[4].upstream = {3};
  return dag;
}

class Measuring {
 public:
  Measuring(const char* name, Store& store, int count) : name_(name), store_(store), count_(count) {
    const Pool wide{.name = default_pool, .slots = -1, .description = {}, .include_deferred = false};
    if (auto put = store.settings().put_pool(wide, StoreSettings::Existing::replace); !put)
      give_up(put.error().message);
    if (auto started = loop_.start(); !started) give_up(started.error().message);
    auto catalog = std::make_shared<CatalogSnapshot>();
    catalog->generation = 1;
    catalog->dags["empty"] = make_dag("empty", true, count);
    catalog->dags["group"] = make_group(count);
    catalog->dags["wide"] = make_dag("wide", false, count);
    loop_.offer(catalog);
    turn();
  }

  void run() {
    run_empty("empty", "`empty`, from the trigger to the run's end");
    run_empty("group", "a group of three `empty`, from the trigger to the run's end");
    const auto begin = std::chrono::steady_clock::now();
    auto answer = loop_.enqueue(TriggerRun{.dag_id = "wide", .run_id = "r", .logical_date = {}});
    turn_until([&] { return executor_.running().size() == 1; });
    end_all();
    turn_until([&] { return executor_.running().size() == static_cast<size_t>(count_); });
    tell("from the trigger to all handed out", begin);
    const auto middle = std::chrono::steady_clock::now();
    end_all();
    turn_until([&] { return executor_.running().size() == 1; });
    end_all();
    turn_until([&] { return loop_.state().runs().empty(); });
    tell("from all ended to the run's end", middle);
    if (!answer.get()) give_up("the trigger was refused");
  }

 private:
  void run_empty(const char* dag_id, const char* what) {
    const auto begin = std::chrono::steady_clock::now();
    auto answer = loop_.enqueue(TriggerRun{.dag_id = dag_id, .run_id = "r", .logical_date = {}});
    turn();
    turn_until([&] { return loop_.state().runs().empty(); });
    if (!answer.get()) give_up("the trigger was refused");
    tell(what, begin);
  }
  void turn() {
    if (const auto done = loop_.turn(); !done) give_up(done.error().message);
    ++turns_;
  }
  template <class F>
  void turn_until(F&& f) {
    for (int i = 0; i < 1000 && !f(); ++i) turn();
    if (!f()) give_up("it does not come to its end");
  }
  void end_all() {
    TryEnded ended;
    ended.result = TryEnded::Result::success;
    ended.at = clock_.now();
    for (const TryId& id : executor_.running()) executor_.report(id, ended);
  }
  void tell(const char* what, std::chrono::steady_clock::time_point since) {
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - since;
    std::printf("%s, %d mapped, %s: %.0f ms in %d turns\n", name_, count_, what, took.count(),
                std::exchange(turns_, 0));
  }

  const char* name_;
  Store& store_;
  int count_;
  int turns_ = 0;
  SystemClock clock_;
  Metrics metrics_;
  testing::ScriptedExecutor executor_{"local", TryKind::process, 1'000'000};
  Loop loop_{{.installation = "bench", .parallelism = 1'000'000},
             clock_,
             store_.reader(),
             store_.writer(),
             store_.settings(),
             {&executor_},
             [](const TryId& id) { return to_string(id); },
             metrics_};
};

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 10'000;
  MemoryStore memory;
  Measuring("memory", memory, count).run();
  const Path folder = std::filesystem::temp_directory_path() / ("udon-bench-" + std::to_string(getpid()));
  if (auto made = make_directories(folder); !made) give_up(made.error().message);
  {
    auto sqlite = open_sqlite_store(folder / "udon.db", nullptr, OpenMode::create_or_migrate);
    if (!sqlite) give_up(sqlite.error().message);
    Measuring("sqlite", **sqlite, count).run();
  }
  if (auto gone = remove_tree(folder); !gone) give_up(gone.error().message);
}
