#include "tests/scheduler/scenario.h"

#include <algorithm>
#include <future>
#include <map>

#include "base/text.h"
#include "dagfile/catalog.h"
#include "model/choice.h"
#include "scheduler/loop.h"
#include "scheduler/state.h"
#include "scheduler/why.h"
#include "store/faulty_store.h"
#include "store/memory_store.h"
#include "tests/scheduler/compact_dag.h"
#include "tests/scheduler/scripted_executor.h"
#include "tests/scheduler/words.h"

namespace udon::testing {

namespace {

using namespace std::chrono_literals;

Error failed(std::string what) { return {ErrorKind::invalid, std::move(what)}; }

struct Target {
  TaskInstanceKey key;
  int try_number = 0;  // 0: the current one
};

class Player {
 public:
  Player() : clock_(parse_time("2026-01-01T00:00:00Z").value()) {}

  Result<void> play(const std::vector<Line>& lines) {
    for (size_t i = 0; i < lines.size();) {
      size_t end = i + 1;
      while (end < lines.size() && lines[end].is_indented) ++end;
      Result<void> done = line({lines.data() + i, end - i});
      if (!done) {
        return Error{ErrorKind::invalid,
                     "line " + std::to_string(lines[i].number) + " (" + lines[i].text + "): " + done.error().message};
      }
      i = end;
    }
    return {};
  }

 private:
  using Lines = std::span<const Line>;

  Result<void> line(Lines lines) {
    const Line& first = lines.front();
    const std::string& verb = first.words.front();
    if (verb == "clock") return set_clock(first);
    if (verb == "parallelism") return set(parallelism_, std::stoi(first.word(1)));
    if (verb == "ageing") return set(ageing_, parse_duration(first.word(1)).value());
    if (verb == "slots") return set_slots(std::stoi(first.word(1)));
    if (verb == "queue") return local_->queues.push_back(first.word(1)), Result<void>();
    if (verb == "no_queue") return std::erase(local_->queues, first.word(1)), Result<void>();
    if (verb == "pool") return set_pool(first);
    if (verb == "environment") return connections_.emplace(first.words.begin() + 1, first.words.end()), Result<void>();
    if (verb == "connection" || verb == "no_connection") return set_connection(verb, first.word(1));
    if (verb == "obstacle") return obstacle_ = first.word(1), loop_ ? wait(5s) : Result<void>();
    if (verb == "dag") return define(lines);
    if (verb == "remove") return dags_.erase(first.word(1)), offer(), settle();
    if (!loop_) TRY(live());
    if (verb == "wait") return wait(parse_duration(first.word(1)).value());
    if (verb == "jump") return jump(first.word(1));
    if (verb == "crash") return crash();
    if (verb == "executor") return local_->forget(), prober_->forget(), Result<void>();
    if (verb == "disk") return disk(first.word(1));
    if (verb == "refuse") return local_->refusal = Error{ErrorKind::io, first.word(2)}, Result<void>();
    if (verb == "accept") return local_->refusal.reset(), Result<void>();
    if (verb == "refused") return refused(first);
    if (verb == "expect") return expect(first);
    if (verb == "next") return expect_next(first);
    if (verb == "why") return expect_why(first);
    if (verb == "running") return expect_running(first);
    if (verb == "told_to_end") return expect_fence(first, local_->killed, prober_->killed);
    if (verb == "forgotten") return expect_fence(first, local_->acknowledged, prober_->acknowledged);
    if (verb == "context") return expect_context(first);
    if (verb == "may_open") return expect_may_open(first);
    if (verb == "events") return expect_events(first);
    if (verb == "told") return expect_told(first);
    if (verb == "queued") return expect_queued(first);
    if (verb == "made_due_by") return expect_made_due_by(first);
    if (verb == "xcom") return expect_xcom(first);
    if (verb == "would") return expect_dates(first);
    if (verb == "clean") return clean(first);
    if (verb == "commits") return expect_commits(std::stoll(first.word(1)));
    if (verb == "request") return expect_request(first);
    if (verb == "asked") return expect_asked(first);
    if (verb == "asks" || verb == "started" || verb == "ended" || verb == "waiting" || verb == "unknown")
      return report(first);
    TRY_ASSIGN(const Command command, make_command(first, 0));
    auto answer = loop_->enqueue(command);
    TRY(settle());
    if (const auto outcome = answer.get(); !outcome) return outcome.error();
    return {};
  }

  template <class T>
  static Result<void> set(T& target, T value) {
    target = value;
    return {};
  }

  // ---- the world

  Result<void> set_clock(const Line& line) {
    TRY_ASSIGN(const TimePoint at, parse_time(line.word(1)));
    clock_.advance(at - clock_.now());
    return {};
  }
  Result<void> set_slots(int slots) { return local_->set_slots(slots), loop_ ? settle() : Result<void>(); }

  Result<void> set_pool(const Line& line) {
    const Pool pool{.name = line.word(1),
                    .slots = std::stoi(line.word(2)),
                    .description = "",
                    .include_deferred = line.has("deferred")};
    TRY(store_.settings().put_pool(pool, StoreSettings::Existing::replace));
    if (!loop_) return {};
    auto answer = loop_->enqueue(PoolsChanged{});
    TRY(settle());
    if (const auto outcome = answer.get(); !outcome) return outcome.error();
    return {};
  }

  Result<void> set_connection(const std::string& verb, const std::string& id) {
    Connection connection;
    connection.id = id;
    TRY(verb == "connection" ? store_.settings().put_connection(connection, StoreSettings::Existing::refuse)
                             : store_.settings().delete_connection(id));
    if (!loop_) return {};
    auto answer = loop_->enqueue(ConnectionsChanged{});
    TRY(settle());
    if (const auto outcome = answer.get(); !outcome) return outcome.error();
    return {};
  }

  Result<void> define(Lines lines) {
    const std::string id = lines.front().word(1);
    TRY_ASSIGN(dags_[id], make_dag(lines, id + "-" + std::to_string(++versions_)));
    if (!loop_) return {};
    offer();
    return settle();
  }

  void offer() {
    if (!loop_) return;
    auto snapshot = std::make_shared<CatalogSnapshot>();
    snapshot->generation = ++generation_;
    for (const auto& [id, dag] : dags_) snapshot->dags[id] = dag;
    loop_->offer(snapshot);
  }

  Result<void> live() {
    metrics_ = std::make_unique<Metrics>();
    loop_ = std::make_unique<Loop>(
        LoopOptions{.installation = "home",
                    .parallelism = parallelism_,
                    .priority_ageing = ageing_,
                    .connections_of_environment = connections_,
                    .obstacle = [this] { return obstacle_; }},
        clock_, faulty_.reader(), faulty_.writer(), faulty_.settings(),
        std::vector<Executor*>{local_.get(), prober_.get()}, [](const TryId& id) { return "token " + to_string(id); },
        *metrics_);
    TRY(loop_->start());
    offer();
    return settle();
  }

  Result<void> crash() {
    loop_.reset();
    static_cast<void>(local_->poll());  // what was on its way is gone
    static_cast<void>(prober_->poll());
    return live();
  }

  Result<void> disk(const std::string& how) {
    how == "full" ? faulty_.fail_all_commits() : faulty_.heal();
    return {};
  }

  Result<void> jump(const std::string& by) {
    const bool is_back = by.front() == '-';
    const Duration duration = parse_duration(is_back ? by.substr(1) : by).value();
    clock_.jump(is_back ? -duration : duration);
    return settle();
  }

  // Turns until nothing is due; what waits for some milliseconds only is waited for.
  Result<void> settle() {
    for (int i = 0; i < 1000; ++i) {
      TRY_ASSIGN(wake_at_, loop_->turn());
      if (!wake_at_ || *wake_at_ > clock_.now() + 20ms) return {};
      if (*wake_at_ > clock_.now()) clock_.advance(*wake_at_ - clock_.now());
    }
    return failed("the loop does not come to rest");
  }

  Result<void> wait(Duration time) {
    const TimePoint end = clock_.now() + time;
    TRY(settle());
    while (wake_at_ && *wake_at_ <= end) {
      clock_.advance(std::max(Duration(0), *wake_at_ - clock_.now()));
      TRY(settle());
    }
    if (end > clock_.now()) clock_.advance(end - clock_.now());
    return settle();
  }

  // ---- names

  static Result<Target> parse_key(const std::string& text) {
    const auto parts = split(text, '/');
    if (parts.size() != 3) return failed("DAG/RUN/TASK expected, got " + text);
    Target target;
    target.key = {parts[0], parts[1], parts[2], -1};
    std::string& task = target.key.task_id;
    if (const size_t at = task.find('#'); at != std::string::npos) {
      target.try_number = std::stoi(task.substr(at + 1));
      task.resize(at);
    }
    if (const size_t at = task.find('['); at != std::string::npos) {
      target.key.map_index = std::stoi(task.substr(at + 1));
      task.resize(at);
    }
    return target;
  }

  Result<TaskInstance> find(const TaskInstanceKey& key) {
    TRY_ASSIGN(const auto row, store_.reader().instance(key));
    if (!row) return failed("there is no task instance " + to_string(key));
    return row->instance;
  }

  Result<Fence> fence_of(const std::string& text) {
    TRY_ASSIGN(const Target target, parse_key(text));
    TRY_ASSIGN(const TaskInstance row, find(target.key));
    if (target.try_number == 0) return row.fence;
    TRY_ASSIGN(const auto tries, store_.reader().tries_of(row.number));
    for (const TryRecord& record : tries) {
      if (record.try_number == target.try_number) return record.fence;
    }
    return failed("it has no try " + std::to_string(target.try_number));
  }

  ScriptedExecutor& executor_of(Fence fence) { return prober_->started.contains(fence) ? *prober_ : *local_; }

  // ---- what happens

  Result<void> expect_request(const Line& line) {
    TRY_ASSIGN(const Fence fence, fence_of(line.word(1)));
    const TryRequest& request = executor_of(fence).started.at(fence);
    if (line.word(2) == "spent_before") {
      const std::string spent = std::to_string(request.spent_before.count() / 1'000'000);
      return spent == line.word(3) ? Result<void>() : failed("it was: " + spent);
    }
    const auto& found = line.word(2) == "event" ? request.event : request.deferred_state;
    const std::string text = found ? to_json(*found) : "nothing";
    return text == line.word(3) ? Result<void>() : failed("it was: " + text);
  }

  // What the store says of the question of its current try; and what its request says of a deferral.
  Result<void> expect_asked(const Line& line) {
    TRY_ASSIGN(const Target target, parse_key(line.word(1)));
    TRY_ASSIGN(const TaskInstance row, find(target.key));
    TRY_ASSIGN(const auto asked, store_.reader().question(row.number, row.try_number));
    const std::string wanted = line.word(2);
    if (!asked) return wanted == "nothing" ? Result<void>() : failed("it has asked nothing");
    const std::string found = asked->answer ? describe(*asked->answer) : "no answer";
    return found == wanted ? Result<void>() : failed("it was: " + found);
  }

  Result<void> report(const Line& line) {
    const std::string verb = line.word(0);
    TRY_ASSIGN(const Fence fence, fence_of(line.word(1)));
    const TryId id{"home", fence};
    ScriptedExecutor& executor = executor_of(fence);
    if (verb == "started") {
      executor.report(id, TryStarted{.at = clock_.now(), .hostname = "host", .pid = 4711});
    } else if (verb == "waiting") {
      executor.report(id, StillWaiting{.at = clock_.now(), .message = line.word(2)});
    } else if (verb == "asks") {
      TRY_ASSIGN(Question question, make_question(line));
      executor.report(id, TryAsks{.at = clock_.now(), .question = std::move(question)});
    } else if (verb == "unknown") {
      executor.report(id, TryUnknown{});
    } else {
      TRY_ASSIGN(TryEnded ended, make_end(line));
      executor.report(id, std::move(ended));
    }
    return settle();
  }

  static Result<Question> make_question(const Line& line) {
    Question question{.subject = line.word(2),
                      .options = split(line.option("options").value_or("Approve,Reject"), ',')};
    if (auto defaults = line.option("defaults")) question.defaults = split(*defaults, ',');
    if (auto users = line.option("of")) question.assignees = split(*users, ',');
    question.multiple = line.has("multiple");
    question.reject = line.option("reject").value_or("");
    question.fails_on_reject = line.has("fails");
    question.rejects_far = line.has("far");
    if (auto param = line.option("param")) {
      TRY_ASSIGN(const Value schema, parse_json(line.option("schema").value_or("{}")));
      question.params.push_back({.name = *param, .schema = schema, .default_value = {}});
    }
    return question;
  }

  Result<TryEnded> make_end(const Line& line) {
    TryEnded ended;
    ended.at = clock_.now();
    const std::string result = line.word(2);
    if (result == "success") {
      ended.result = TryEnded::Result::success;
    } else if (result == "skipped") {
      ended.result = TryEnded::Result::skipped;
    } else if (result == "failed") {
      ended.cause = EndCause::exit_code;
    } else if (result == "deferred") {
      ended.result = TryEnded::Result::deferred;
      ended.deferring = Deferring{};
      TRY_ASSIGN(ended.deferring->state, parse_json(line.option("state").value_or("null")));
      if (auto timeout = line.option("timeout")) ended.deferring->timeout = parse_duration(*timeout).value();
    } else if (result == "resumed") {
      ended.result = TryEnded::Result::resumed;
      TRY_ASSIGN(ended.event, parse_json(line.option("event").value_or("null")));
    } else {
      return failed("success, failed or skipped expected");
    }
    if (auto cause = line.option("cause")) ended.cause = parse_end_cause(*cause).value();
    if (auto kind = line.option("kind")) {
      ended.cause = EndCause::error;
      for (const ErrorKind one : {ErrorKind::invalid, ErrorKind::not_found, ErrorKind::denied, ErrorKind::unavailable,
                                  ErrorKind::data, ErrorKind::unsupported, ErrorKind::io}) {
        if (to_string(one) == *kind) ended.error_kind = one;
      }
    }
    if (auto code = line.option("exit")) ended.exit_code = std::stoi(*code);
    ended.message = line.option("message").value_or("");
    if (auto value = line.option("returns")) {
      TRY_ASSIGN(Value parsed, parse_json(*value));
      ended.xcom.set("return_value", std::move(parsed));
    }
    if (auto value = line.option("outlet_events")) {
      TRY_ASSIGN(Value parsed, parse_json(*value));
      ended.xcom.set(outlet_events_key, std::move(parsed));
    }
    if (line.has("not_far")) ended.xcom.set(ignores_rules_key, false);
    return ended;
  }

  // only_run: "DAG/RUN"; empty: all keys are of one run.
  Result<Selection> make_selection(const Line& line, size_t from, const std::string& only_run = "") {
    Selection selection;
    selection.upstream = line.has("upstream");
    selection.downstream = line.has("downstream");
    selection.only_failed = line.has("only_failed");
    for (size_t i = from; i < line.words.size() && line.words[i].find('/') != std::string::npos; ++i) {
      const auto parts = split(line.words[i], '/');
      if (!only_run.empty() && parts[0] + "/" + parts[1] != only_run) continue;
      selection.dag_id = parts[0];
      selection.run_id = parts[1];
      if (parts.size() < 3) continue;
      TRY_ASSIGN(const Target target, parse_key(line.words[i]));
      selection.tasks.emplace_back(target.key.task_id, target.key.map_index);
    }
    return selection;
  }

  // clear and mark: of one run, or of all that are named in one command.
  Result<Command> make_change(const Line& line, size_t from) {
    const std::string verb = line.word(from);
    std::vector<std::string> runs;
    for (size_t i = from + 1; i < line.words.size() && line.words[i].find('/') != std::string::npos; ++i) {
      const auto parts = split(line.words[i], '/');
      if (runs.empty() || runs.back() != parts[0] + "/" + parts[1]) runs.push_back(parts[0] + "/" + parts[1]);
    }
    ChangeRuns several;
    for (const std::string& run : runs) {
      TRY_ASSIGN(Selection selection, make_selection(line, from + 1, run));
      if (verb == "clear") {
        several.changes.emplace_back(ClearTasks{.selection = std::move(selection),
                                                .dry_run = line.has("dry_run"),
                                                .on_latest_version = line.has("latest") || line.has("only_new"),
                                                .only_new = line.has("only_new"),
                                                .user = "ada"});
        continue;
      }
      const auto state = parse_task_state(line.words.back());
      if (!state) return failed("no state " + line.words.back());
      several.changes.emplace_back(
          MarkTasks{.selection = std::move(selection), .state = *state, .dry_run = line.has("dry_run"), .user = "ada"});
    }
    if (several.changes.size() != 1) return Command(std::move(several));
    return std::visit([](auto& one) { return Command(std::move(one)); }, several.changes.front());
  }

  // words[dag] is the DAG.
  Result<CreateBackfill> make_backfill(const Line& line, size_t dag) {
    CreateBackfill create{.dag_id = line.word(dag)};
    create.user = "ada";
    TRY_ASSIGN(create.from, parse_time(line.option("from").value_or("")));
    TRY_ASSIGN(create.to, parse_time(line.option("to").value_or("")));
    const auto reprocess = parse_reprocess_behavior(line.option("reprocess").value_or("none"));
    if (!reprocess) return failed("no such reprocess behavior");
    create.reprocess = *reprocess;
    create.runs_backwards = line.has("backwards");
    create.on_latest_version = line.has("latest");
    create.max_active_runs = std::stoi(line.option("max").value_or("10"));
    if (auto conf = line.option("conf")) {
      TRY_ASSIGN(create.conf, parse_json(*conf));
    }
    return create;
  }

  // words[from] is the verb.
  Result<Command> make_command(const Line& line, size_t from) {
    const std::string verb = line.word(from);
    const std::string what = line.word(from + 1);
    const auto names = split(what, '/');
    const std::string user = "ada";
    if (verb == "trigger") {
      TriggerRun trigger{.dag_id = what};
      if (line.word(from + 2) == "as") trigger.run_id = line.word(from + 3);
      trigger.user = user;
      trigger.triggered_by = "rest_api";
      if (auto conf = line.option("conf")) {
        TRY_ASSIGN(trigger.conf, parse_json(*conf));
      }
      if (auto after = line.option("after")) {
        TRY_ASSIGN(trigger.run_after, parse_time(*after));
      }
      const auto logical = line.option("logical");
      trigger.has_logical_date = logical != "none";
      if (logical && logical != "none") {
        TRY_ASSIGN(trigger.logical_date, parse_time(*logical));
      }
      return Command(std::move(trigger));
    }
    if (verb == "pause" || verb == "unpause") {
      return Command(SetPaused{.dag_id = what, .paused = verb == "pause", .user = user});
    }
    if (verb == "answer") {
      TRY_ASSIGN(const Target target, parse_key(what));
      AnswerQuestion answer{
          .key = target.key, .chosen = split(line.word(from + 2), ','), .user = line.option("by").value_or(user)};
      if (auto input = line.option("input")) {
        TRY_ASSIGN(answer.params_input, parse_json(*input));
      }
      return Command(std::move(answer));
    }
    if (verb == "event") {
      CreateAssetEvent create{.asset = what, .user = user};
      if (auto extra = line.option("extra")) {
        TRY_ASSIGN(create.extra, parse_json(*extra));
      }
      return Command(std::move(create));
    }
    if (verb == "forget")
      return Command(ForgetAssetEvents{.dag_id = what, .asset = line.option("asset"), .user = user});
    if (verb == "backfill") {
      using Change = ChangeBackfill::Change;
      for (const auto& [word, change] :
           {std::pair("pause", Change::pause), {"unpause", Change::unpause}, {"cancel", Change::cancel}}) {
        if (what == word)
          return Command(ChangeBackfill{.number = std::stoll(line.word(from + 2)), .change = change, .user = user});
      }
      TRY_ASSIGN(CreateBackfill create, make_backfill(line, from + 1));
      return Command(std::move(create));
    }
    if (verb == "delete") return Command(DeleteRun{.dag_id = names[0], .run_id = names[1], .user = user});
    if (verb == "mark_run") {
      const auto state = line.word(from + 2);
      for (const RunState one : {RunState::queued, RunState::running, RunState::success, RunState::failed}) {
        if (to_string(one) == state) {
          return Command(MarkRun{.dag_id = names[0], .run_id = names[1], .state = one, .user = user});
        }
      }
    }
    if (verb == "clear" || verb == "mark") return make_change(line, from);
    TRY_ASSIGN(Selection selection, make_selection(line, from + 1));
    if (verb == "kill") return Command(KillTasks{.selection = std::move(selection), .user = user});
    return failed("unknown verb `" + verb + "`");
  }

  // refused KIND "part" COMMAND…
  Result<void> refused(const Line& line) {
    TRY_ASSIGN(Command command, make_command(line, 3));
    auto answer = loop_->enqueue(std::move(command));
    TRY(settle());
    const auto outcome = answer.get();
    if (outcome) return failed("it was carried out");
    const Error& error = outcome.error();
    if (to_string(error.kind) != line.word(1) || error.message.find(line.word(2)) == std::string::npos) {
      return failed("the answer was " + std::string(to_string(error.kind)) + ": " + error.message);
    }
    return {};
  }

  // ---- what is expected

  static Result<void> contains(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return {};
    return failed("it says: " + text);
  }

  Result<void> expect(const Line& line) {
    if (line.word(1) == "backfill") return expect_backfill(line);
    const auto parts = split(line.word(1), '/');
    if (parts.size() == 1) return expect_dag(line);
    if (parts.size() == 2) {
      TRY_ASSIGN(const auto run, store_.reader().run(parts[0], parts[1]));
      const std::string state = run ? std::string(to_string(run->state)) : "absent";
      return state == line.word(2) ? Result<void>() : failed("the run is " + state);
    }
    TRY_ASSIGN(const Target target, parse_key(line.word(1)));
    TRY_ASSIGN(const auto found, store_.reader().instance(target.key));
    const std::string state = found ? std::string(to_string(found->instance.state)) : "absent";
    if (state != line.word(2)) return failed("it is " + state + (found ? ": " + found->instance.note : ""));
    if (!found) return {};
    if (auto number = line.option("try"); number && std::stoi(*number) != found->instance.try_number) {
      return failed("its try is " + std::to_string(found->instance.try_number));
    }
    if (const auto end = line.option("end")) {
      const auto& there = found->instance.end_date;
      if (const std::string text = there ? format_time(*there) : "none"; text != *end)
        return failed("its end is " + text);
    }
    return contains(found->instance.note, line.option("note").value_or(""));
  }

  // expect backfill N active|completed|cancelled [dates=N] [created=N] [cleared=N] [skipped=N]
  Result<void> expect_backfill(const Line& line) {
    TRY_ASSIGN(const auto row, store_.reader().backfill(std::stoll(line.word(2))));
    if (!row) return failed("there is no such backfill");
    const std::string state = row->is_cancelled ? "cancelled" : row->completed_at ? "completed" : "active";
    if (state != line.word(3)) return failed("it is " + state);
    const std::pair<const char*, int64_t> counts[] = {
        {"dates", row->dates}, {"created", row->created}, {"cleared", row->cleared}, {"skipped", row->skipped}};
    for (const auto& [name, count] : counts) {
      if (auto wanted = line.option(name); wanted && std::stoll(*wanted) != count)
        return failed(std::string(name) + " is " + std::to_string(count));
    }
    return {};
  }

  // clean before=T [dags=A,B] [dry_run] [runs=N]
  Result<void> clean(const Line& line) {
    CleanStep step{.user = "ada"};
    TRY_ASSIGN(step.before, parse_time(line.option("before").value_or("")));
    if (const auto dags = line.option("dags")) step.dag_ids = split(*dags, ',');
    step.dry_run = line.has("dry_run");
    size_t runs = 0;
    for (bool is_done = false; !is_done;) {
      auto answer = loop_->enqueue(step);
      TRY(settle());
      const auto outcome = answer.get();
      if (!outcome) return outcome.error();
      runs += outcome->cleaned->runs.size();
      step.after = outcome->cleaned->next;
      is_done = outcome->cleaned->is_done;
    }
    const auto wanted = line.option("runs");
    if (wanted && std::stoul(*wanted) != runs) return failed(std::to_string(runs) + " runs have gone");
    return {};
  }

  // would DAG from=T to=T … ACTION@T ACTION@T…
  Result<void> expect_dates(const Line& line) {
    TRY_ASSIGN(CreateBackfill command, make_backfill(line, 1));
    command.dry_run = true;
    auto answer = loop_->enqueue(command);
    TRY(settle());
    auto outcome = answer.get();
    if (!outcome) return outcome.error();
    std::string told, wanted;
    for (const BackfillDate& date : outcome->dates) {
      std::string action(to_string(date.action));
      std::ranges::replace(action, ' ', '_');
      told += " " + action + "@" + format_time(date.due.logical_date);
    }
    for (const std::string& word : line.words) {
      if (word.find('@') != std::string::npos) wanted += " " + word;
    }
    return told == wanted ? Result<void>() : failed("it would:" + told);
  }

  Result<void> expect_dag(const Line& line) {
    if (line.word(2) == "runs") {
      RunFilter filter;
      filter.dag_ids = {line.word(1)};
      TRY_ASSIGN(const auto runs, store_.reader().runs(filter, {}));
      if (runs.total == std::stoll(line.word(3))) return {};
      std::string ids;
      for (const DagRun& run : runs.rows) ids += " " + run.run_id;
      return failed("there are " + std::to_string(runs.total) + ":" + ids);
    }
    TRY_ASSIGN(const auto dag, store_.reader().dag(line.word(1)));
    if (!dag) return failed("there is no such DAG");
    return dag->is_paused == (line.word(2) == "paused") ? Result<void>() : failed("it is not");
  }

  Result<void> expect_next(const Line& line) {
    TRY_ASSIGN(const auto dag, store_.reader().dag(line.word(1)));
    const std::string next = dag && dag->next_run_after ? format_time(*dag->next_run_after) : "never";
    return next == line.word(2) ? Result<void>() : failed("its next run is due " + next);
  }

  Result<void> expect_why(const Line& line) {
    TRY_ASSIGN(const Target target, parse_key(line.word(1)));
    auto reason = why(clock_.now(), loop_->state(), target.key);
    if (!reason) {
      TRY_ASSIGN(const TaskInstance row, find(target.key));
      reason = why_finished(row);
    }
    if (to_string(reason->kind) != line.word(2)) {
      return failed("the reason is " + std::string(to_string(reason->kind)) + ": " + reason->text);
    }
    if (auto holder = line.option("holder");
        holder && std::ranges::find(reason->holders, *holder) == reason->holders.end()) {
      return failed("its holders are: " + join(reason->holders, ", "));
    }
    return contains(reason->text, line.word(3));
  }

  Result<void> expect_running(const Line& line) {
    std::set<std::string> wanted(line.words.begin() + 1, line.words.end());
    wanted.erase("nothing");
    std::set<std::string> running;
    for (const auto* executor : {local_.get(), prober_.get()}) {
      for (const TryId& id : executor->running()) running.insert(to_string(executor->started.at(id.fence).key));
    }
    if (running == wanted) return {};
    const std::vector<std::string> names(running.begin(), running.end());
    return failed("the executor runs: " + join(names, " "));
  }

  Result<void> expect_fence(const Line& line, const std::vector<Fence>& here, const std::vector<Fence>& there) {
    TRY_ASSIGN(const Fence fence, fence_of(line.word(1)));
    const auto has = [&](const std::vector<Fence>& fences) { return std::ranges::find(fences, fence) != fences.end(); };
    return has(here) || has(there) ? Result<void>() : failed("it was not");
  }

  Result<void> expect_context(const Line& line) {
    TRY_ASSIGN(const Fence fence, fence_of(line.word(1)));
    const TryRequest& request = executor_of(fence).started.at(fence);
    const Value* value = &request.context;
    for (const std::string& name : split(line.word(2), '.')) {
      value = value->find(name);
      if (value == nullptr) return line.word(3) == "nothing" ? Result<void>() : failed("there is no such name");
    }
    const auto parsed = parse_json(line.word(3));
    const Value wanted = parsed ? *parsed : Value(line.word(3));
    return *value == wanted ? Result<void>() : failed("it is " + to_json(*value));
  }

  Result<void> expect_may_open(const Line& line) {
    TRY_ASSIGN(const Fence fence, fence_of(line.word(1)));
    std::vector<std::string> wanted(line.words.begin() + 2, line.words.end());
    std::erase(wanted, "nothing");
    const std::vector<std::string>& named = executor_of(fence).started.at(fence).connections;
    return named == wanted ? Result<void>() : failed("it may open: " + join(named, " "));
  }

  Result<void> expect_events(const Line& line) {
    TRY_ASSIGN(const Target target, parse_key(line.word(1)));
    TRY_ASSIGN(const auto events, store_.reader().events(target.key.dag_id, target.key.run_id, target.key.task_id, {}));
    std::map<int64_t, std::string> states;  // in the order in which they were written
    for (const EventRecord& event : events.rows) {
      if (event.map_index == target.key.map_index) states[event.number] = event.to;
    }
    std::string all;
    for (const auto& [number, state] : states) all += (all.empty() ? "" : " ") + state;
    const std::vector<std::string> wanted(line.words.begin() + 2, line.words.end());
    return all == join(wanted, " ") ? Result<void>() : failed("they are: " + all);
  }

  // Of a task instance or a run, in the order in which it happened.
  Result<void> expect_told(const Line& line) {
    const bool is_run = split(line.word(1), '/').size() == 2;
    TRY_ASSIGN(const Target target, parse_key(is_run ? line.word(1) + "/run" : line.word(1)));
    NotificationFilter filter;
    filter.dag_id = target.key.dag_id;
    filter.run_id = target.key.run_id;
    TRY_ASSIGN(const auto told, store_.outbox().notifications(filter, {.limit = 1000}));
    std::string all, exception;
    for (auto row = told.rows.rbegin(); row != told.rows.rend(); ++row) {
      const bool is_meant =
          is_run ? row->task_id.empty() : row->task_id == target.key.task_id && row->map_index == target.key.map_index;
      if (!is_meant) continue;
      all += (all.empty() ? "" : " ") + std::string(to_string(row->key.event));
      exception = row->context.text(
          row->key.event == NoticeEvent::deadline || row->key.event == NoticeEvent::paused ? "reason" : "exception");
    }
    const std::vector<std::string> wanted(line.words.begin() + 2, line.words.end());
    if (all != (wanted == std::vector<std::string>{"nothing"} ? "" : join(wanted, " ")))
      return failed("told is: " + all);
    const auto part = line.option("exception");
    if (part && exception.find(*part) == std::string::npos) return failed("the exception is: " + exception);
    return {};
  }

  static Result<void> expect_assets(const Line& line, const std::vector<std::string>& there) {
    std::vector<std::string> wanted(line.words.begin() + 2, line.words.end());
    std::erase(wanted, "nothing");
    return there == wanted ? Result<void>() : failed("it is: " + join(there, " "));
  }

  // The assets of the events, in their order.
  Result<void> expect_queued(const Line& line) {
    std::vector<std::string> there;
    TRY_ASSIGN(const auto rows, store_.reader().queued_asset_events(line.word(1)));
    for (const QueuedAssetEvent& row : rows) there.push_back(row.event.asset);
    return expect_assets(line, there);
  }

  // made_due_by DAG/N: the run that was made as the Nth, from 0.
  Result<void> expect_made_due_by(const Line& line) {
    const auto names = split(line.word(1), '/');
    RunFilter filter;
    filter.dag_ids = {names[0]};
    filter.order_by = "number";
    TRY_ASSIGN(const auto runs, store_.reader().runs(filter, {.limit = 1000}));
    const auto index = static_cast<size_t>(std::stoi(names[1]));
    if (index >= runs.rows.size()) return failed("there are " + std::to_string(runs.rows.size()) + " runs");
    std::vector<std::string> there;
    TRY_ASSIGN(const auto events, store_.reader().asset_events_of_run(runs.rows[index].number));
    for (const AssetEvent& event : events) there.push_back(event.asset);
    return expect_assets(line, there);
  }

  Result<void> expect_xcom(const Line& line) {
    TRY_ASSIGN(const Target target, parse_key(line.word(1)));
    TRY_ASSIGN(const TaskInstance row, find(target.key));
    TRY_ASSIGN(const auto xcom, store_.reader().xcom(row.number, line.word(2)));
    const std::string value = xcom ? to_json(xcom->value) : "nothing";
    return value == line.word(3) ? Result<void>() : failed("it is " + value);
  }

  Result<void> expect_commits(int64_t wanted) {
    const int64_t made = faulty_.commits() - commits_seen_;
    commits_seen_ = faulty_.commits();
    return made == wanted ? Result<void>() : failed("there were " + std::to_string(made));
  }

  FakeClock clock_;
  MemoryStore store_;
  FaultyStore faulty_{store_};
  std::unique_ptr<ScriptedExecutor> local_ = std::make_unique<ScriptedExecutor>("local", TryKind::process, 100);
  std::unique_ptr<ScriptedExecutor> prober_ = std::make_unique<ScriptedExecutor>("prober", TryKind::probe, 100);
  std::map<std::string, DagPtr> dags_;
  int versions_ = 0;
  uint64_t generation_ = 0;
  int parallelism_ = 32;
  Duration ageing_ = 5min;
  std::optional<std::vector<std::string>> connections_;
  std::string obstacle_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Loop> loop_;
  std::optional<TimePoint> wake_at_;
  int64_t commits_seen_ = 0;
};

}  // namespace

Result<void> run_scenario(const std::string& text) { return Player().play(parse_lines(text)); }

}  // namespace udon::testing
