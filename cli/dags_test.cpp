#include "cli/dags_test.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "base/log.h"
#include "base/subprocess.h"
#include "base/text.h"
#include "cli/home.h"
#include "cli/keys.h"
#include "cli/local_dags.h"
#include "cli/standalone.h"
#include "cli/test_answers.h"
#include "cli/verbs.h"
#include "model/schedule.h"
#include "plugins/spec/builtin.h"

namespace udon::cli {
namespace {

// A home for one run; it goes with this, and with it all that the run left.
class TestHome {
 public:
  static Result<std::unique_ptr<TestHome>> make() {
    std::string folder = (std::filesystem::temp_directory_path() / "udon-dags-test-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return io_error("make", folder, errno);
    return std::unique_ptr<TestHome>(new TestHome(folder));
  }
  ~TestHome() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestHome(const TestHome&) = delete;
  TestHome& operator=(const TestHome&) = delete;
  const Path& path() const { return path_; }

 private:
  explicit TestHome(Path path) : path_(std::move(path)) {}
  Path path_;
};

// What the installation's store knows that tasks may ask for. Its secrets are sealed with the test home's own key.
Result<void> copy_settings(const Session& session, StoreSettings& to) {
  if (!std::filesystem::exists(store_file(session.home()))) return {};
  TRY_ASSIGN(const SecretKey key, find_secret_key(session.home(), session.settings(), MakeKey::never));
  TRY_ASSIGN(const auto store, open_sqlite_store(store_file(session.home()), key.cipher, OpenMode::read_only));
  StoreSettings& from = store->settings();
  constexpr auto replace = StoreSettings::Existing::replace;
  TRY_ASSIGN(const std::vector<std::string> ids, from.connection_ids());
  for (const std::string& id : ids) {
    TRY_ASSIGN(const std::optional<Connection> connection, from.connection(id));
    if (connection) TRY(to.put_connection(*connection, replace));
  }
  constexpr int page_rows = 1000;
  for (int at = 0;; at += page_rows) {
    TRY_ASSIGN(const Page<VariableRecord> page, from.variables({.limit = page_rows, .offset = at}));
    for (const VariableRecord& variable : page.rows) TRY(to.put_variable(variable, replace));
    if (page.rows.size() < page_rows) break;
  }
  TRY_ASSIGN(const std::vector<Pool> pools, from.pools());
  for (const Pool& pool : pools) TRY(to.put_pool(pool, replace));
  return {};
}

struct Asked {
  std::string dag_id;
  bool retries = false;                          // as the DAG says; else the first failure is the last
  std::optional<std::regex> taken_as_succeeded;  // tasks that are not run
};

// The DAG alone, without a calendar of its own.
DagPtr for_test(const Dag& dag, const Asked& asked) {
  auto test = std::make_shared<Dag>(dag);
  test->schedule.kind = NoSchedule{};
  test->is_paused_upon_creation = false;
  for (Task& task : test->tasks) {
    if (!asked.retries) task.retry.retries = 0;
    if (!asked.taken_as_succeeded || !std::regex_search(task.task_id, *asked.taken_as_succeeded)) continue;
    task.needs_no_try = true;
    task.kind = OperatorKind::process;
  }
  return test;
}

std::string name_of(const TaskInstance& instance) {
  return instance.map_index < 0 ? instance.task_id : instance.task_id + "[" + std::to_string(instance.map_index) + "]";
}

// The logs of all tries as they grow, whole lines, each with its task instance's name.
class Logs {
 public:
  Logs(const Path& home, Output& output) : home_(home), output_(output) {}

  Result<void> show(StoreReader& reader, const std::vector<TaskInstance>& instances) {
    for (const TaskInstance& instance : instances) {
      if (instance.try_number == 0 || done_.contains(instance.number)) continue;
      TRY_ASSIGN(const std::vector<TryRecord> tries, reader.tries_of(instance.number));
      for (const TryRecord& record : tries) show(name_of(instance), record);
      if (is_finished(instance.state)) done_.insert(instance.number);
    }
    return {};
  }

 private:
  void show(const std::string& name, const TryRecord& record) {
    size_t& shown = shown_[record.log_file];
    std::ifstream file(home_ / record.log_file, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(shown));
    if (!file) return;
    std::string line;
    while (std::getline(file, line)) {
      if (file.eof()) break;  // not whole yet
      shown += line.size() + 1;
      // "2026-01-31T00:00:00.123456Z text"
      const size_t text = line.find(' ');
      output_.raw(name + " | " + (text == line.npos ? line : line.substr(text + 1)) + "\n");
    }
  }

  const Path& home_;
  Output& output_;
  std::map<std::string, size_t> shown_;  // bytes of each log
  std::set<InstanceNumber> done_;
};

Result<void> mark_failed(Standalone& standalone, const DagRun& run) {
  MarkRun mark;
  mark.dag_id = run.dag_id;
  mark.run_id = run.run_id;
  mark.state = RunState::failed;
  mark.user = "dags test";
  TRY(standalone.control().submit(mark));
  return {};
}

// Until it has ended, or a person stops it, or nobody answers what it asks: then its tries are ended, too.
Result<DagRun> follow(Standalone& standalone, const DagRun& started, Logs& logs, bool shows_logs, TestAnswers& answers,
                      const sigset_t& stopping, Output& output) {
  StoreReader& reader = standalone.store().reader();
  bool was_stopped = false;
  std::optional<Error> unanswered;
  while (true) {
    TRY_ASSIGN(const std::vector<TaskInstance> instances, reader.instances_of(started.number));
    TRY_ASSIGN(const std::optional<DagRun> run, reader.run_by_number(started.number));
    if (shows_logs) TRY(logs.show(reader, instances));
    const bool is_live = std::ranges::any_of(instances, [](const TaskInstance& instance) {
      return !is_finished(instance.state) && instance.state != TaskState::none;
    });
    if (run && is_finished(run->state) && !is_live) return unanswered ? Result<DagRun>(*unanswered) : *run;
    if (const auto failure = standalone.failure()) return *failure;
    if (const auto answered = answers.answer(reader, standalone.control(), started, output);
        !answered && !unanswered && !was_stopped) {
      unanswered = answered.error();
      TRY(mark_failed(standalone, started));
    }
    const timespec moment{.tv_sec = 0, .tv_nsec = 50'000'000};
    if (::sigtimedwait(&stopping, nullptr, &moment) <= 0) continue;
    if (was_stopped) return Error{ErrorKind::cancelled, "stopped while its tasks were being ended"};
    was_stopped = true;
    output.note("stopping: what runs of " + started.dag_id + " is ended; again: at once");
    TRY(mark_failed(standalone, started));
  }
}

Result<DagRun> trigger(Standalone& standalone, const Dag& dag, const Arguments& arguments, const Clock& clock) {
  while (!standalone.control().is_ready()) {
    if (const auto failure = standalone.failure()) return *failure;
    pause_for(std::chrono::milliseconds(5));
  }
  TriggerRun command;
  command.dag_id = dag.dag_id;
  TimePoint at = clock.now();
  if (arguments.has("logical-date")) {
    TRY_ASSIGN(at, parse_time(arguments.text("logical-date")));
    // It is run now, also for a day that is ahead.
    command.run_after = std::min(at, clock.now());
  }
  command.logical_date = at;
  command.data_interval = interval_of_manual_run(dag.schedule, at);
  if (arguments.has("conf")) {
    TRY_ASSIGN(command.conf, parse_json(arguments.text("conf")));
  }
  command.triggered_by = "cli";
  command.user = "dags test";
  TRY_ASSIGN(const CommandOutcome outcome, standalone.control().submit(command));
  return *outcome.run;
}

std::string took(const std::optional<TimePoint>& start, const std::optional<TimePoint>& end) {
  if (!start || !end) return "";
  return format_duration(std::chrono::floor<std::chrono::milliseconds>(*end - *start));
}

Result<int> report(Standalone& standalone, const DagRun& run, Output& output) {
  TRY_ASSIGN(const std::vector<TaskInstance> instances, standalone.store().reader().instances_of(run.number));
  Value::List tasks;
  for (const TaskInstance& instance : instances) {
    TRY_ASSIGN(const auto value, standalone.store().reader().xcom(instance.number, "return_value"));
    tasks.push_back(Value::Map{{"task_id", instance.task_id},
                               {"map_index", instance.map_index},
                               {"state", to_string(instance.state)},
                               {"try_number", instance.try_number},
                               {"duration", took(instance.start_date, instance.end_date)},
                               {"note", instance.note},
                               {"return_value", value ? value->value : Value()}});
  }
  const auto total = static_cast<int64_t>(tasks.size());
  output.list(Value::Map{{"dag_id", run.dag_id},
                         {"dag_run_id", run.run_id},
                         {"state", to_string(run.state)},
                         {"task_instances", std::move(tasks)},
                         {"total_entries", total}},
              "task_instances",
              {{"TASK", [](const Value& task) { return shown_name(task); }},
               column("STATE", "state"),
               column("TRY", "try_number"),
               column("TOOK", "duration"),
               column("NOTE", "note")});
  output.note(run.dag_id + ": " + std::string(to_string(run.state)) + " in " + took(run.start_date, run.end_date));
  return run.state == RunState::success ? succeeded : failed;
}

Result<int> test(const Arguments& arguments, Session& session) {
  Asked asked{.dag_id = arguments.text("DAG"), .retries = arguments.has("retries"), .taken_as_succeeded = {}};
  if (arguments.has("mark-success-pattern")) {
    try {
      asked.taken_as_succeeded.emplace(arguments.text("mark-success-pattern"));
    } catch (const std::regex_error& error) {
      return Error{ErrorKind::invalid, "--mark-success-pattern: " + arguments.text("mark-success-pattern") +
                                           " is no regular expression: " + error.what()};
    }
  }
  const bool shows_logs = session.output().format() == Format::table;
  const bool can_ask = shows_logs && session.output().terminal().is_terminal && ::isatty(STDIN_FILENO) == 1;
  TRY_ASSIGN(TestAnswers answers, TestAnswers::make(arguments.all("answer"), arguments.all("answer-param"), can_ask));
  TRY_ASSIGN(const OperatorCatalog operators, installed_operators(session.home()));
  TRY_ASSIGN(const DagPtr dag, find_local_dag(session, *load_local_dags(session, operators), asked.dag_id));

  // Blocked before any thread is made: they come to follow() alone.
  sigset_t stopping;
  sigemptyset(&stopping);
  sigaddset(&stopping, SIGINT);
  sigaddset(&stopping, SIGTERM);
  sigaddset(&stopping, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &stopping, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  set_log_level(LogLevel::error);

  TRY_ASSIGN(const std::unique_ptr<TestHome> home, TestHome::make());
  StandaloneOptions options;
  options.serves = false;
  options.roots = bundle_roots(session);
  options.schedule = [&asked](const CatalogPtr& all) {
    auto one = std::make_shared<CatalogSnapshot>();
    one->generation = all->generation;
    one->files = all->files;
    if (const auto found = all->dags.find(asked.dag_id); found != all->dags.end())
      one->dags.emplace(asked.dag_id, for_test(*found->second, asked));
    return CatalogPtr(std::move(one));
  };
  TRY_ASSIGN(const std::unique_ptr<Standalone> standalone,
             Standalone::make(home->path(), session.settings(), session.clock(), std::move(options)));
  TRY(copy_settings(session, standalone->store().settings()));
  TRY(standalone->start([] {}));
  TRY_ASSIGN(const DagRun started, trigger(*standalone, *dag, arguments, session.clock()));
  Logs logs(home->path(), session.output());
  TRY_ASSIGN(const DagRun ended, follow(*standalone, started, logs, shows_logs, answers, stopping, session.output()));
  standalone->stop();
  return report(*standalone, ended, session.output());
}

}  // namespace

Command dags_test_command() {
  return {
      "dags",
      "test",
      "Runs a DAG once, for real, in this process: no server is needed, and nothing of the run is kept",
      {{"DAG", "id of a DAG in the DAGs folder or a bundle"}},
      {{"logical-date", "else now", "TIME"},
       {"conf", "the run's conf", "JSON"},
       {"retries", "retry what fails as the DAG says; else the first failure is the last", ""},
       {"answer", "what a task that asks people is answered, once for each option", "TASK=OPTION", Flag::Count::any},
       {"answer-param", "what is filled in beside it, as JSON or text", "TASK:NAME=VALUE", Flag::Count::any},
       {"mark-success-pattern", "tasks whose id matches are taken to have succeeded, and not run", "REGEX"}},
      test};
}

}  // namespace udon::cli
