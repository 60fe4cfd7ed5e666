#include "scheduler/loop.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <set>

#include "base/ensure.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "scheduler/backfills.h"
#include "scheduler/catalog_sync.h"
#include "scheduler/commands.h"
#include "scheduler/dispatch.h"
#include "scheduler/history.h"
#include "scheduler/inbox.h"
#include "scheduler/plan.h"
#include "scheduler/reports.h"
#include "scheduler/retention.h"
#include "scheduler/turn.h"
#include "scheduler/versions.h"
#include "scheduler/why.h"
#include "store/covered.h"

namespace udon {

namespace {

using namespace std::chrono_literals;

// A try's start is told to people, nothing waits for it; so it may wait for the next commit that is needed anyway, such
// as that of its end. Short enough not to be seen.
constexpr Duration start_report_delay = 20ms;
// After a commit failed: how long until the next attempt, doubling.
constexpr Duration first_retry_delay = 100ms;
constexpr Duration last_retry_delay = 30s;
// The wall clock may be set while we sleep.
constexpr Duration sleep_max = 10s;
// How often an obstacle is looked at that stops everything: nothing wakes us when somebody frees the disk.
constexpr Duration obstacle_interval = 5s;
constexpr int dags_per_turn_max = 500;
constexpr int free_names_tried_max = 1000;

Error stopping() { return {ErrorKind::unavailable, "the scheduler is stopping"}; }

}  // namespace

struct Loop::Impl {
  Impl(LoopOptions given, const Clock& the_clock, StoreReader& reader, StoreWriter& the_writer,
       StoreSettings& the_settings, std::vector<Executor*> executors,
       std::function<std::string(const TryId&)> make_token, Metrics& metrics)
      : options(std::move(given)),
        clock(the_clock),
        writer(the_writer),
        settings(the_settings),
        history(reader, shapes),
        dispatcher(options.installation, options.dags_folder, options.folder_of_bundle, clock, std::move(executors),
                   std::move(make_token), history),
        catalog(options.dags_are_paused_at_creation, shapes),
        state(options.parallelism),
        backfills(history, state),
        counts(metrics) {}

  struct Counts {
    explicit Counts(Metrics& metrics)
        : turns(metrics.counter("udon_scheduler_turns_total", "Turns of the scheduler's loop")),
          commits(metrics.counter("udon_scheduler_commits_total", "Commits that the scheduler made")),
          failed_commits(metrics.counter("udon_scheduler_commit_failures_total", "Commits that failed")),
          moves(metrics.counter("udon_scheduler_moves_total", "State changes committed")),
          stale(metrics.counter("udon_reports_dropped_total", "Reports that were not obeyed", "reason=\"stale\"")),
          foreign(metrics.counter("udon_reports_dropped_total", "Reports that were not obeyed", "reason=\"foreign\"")),
          started(metrics.counter("udon_tries_started_total", "Tries handed out")),
          live(metrics.gauge("udon_tries_live", "Tries handed out that have not ended")),
          runs(metrics.gauge("udon_dag_runs_active", "Dag runs queued or running")) {
      for (const TaskState one : all_task_states()) {
        if (!is_finished(one)) continue;
        ended[one] = &metrics.counter("udon_task_instances_ended_total", "Task instances that ended",
                                      "state=\"" + std::string(to_string(one)) + "\"");
      }
    }
    std::atomic<int64_t>&turns, &commits, &failed_commits, &moves, &stale, &foreign, &started, &live, &runs;
    std::map<TaskState, std::atomic<int64_t>*> ended;
  };

  LoopOptions options;
  const Clock& clock;
  StoreWriter& writer;
  StoreSettings& settings;
  Shapes shapes;
  History history;
  Dispatcher dispatcher;
  CatalogSync catalog;
  State state;
  Backfills backfills;
  Counts counts;
  Inbox inbox;
  Epoch epoch = 0;
  std::atomic<bool> is_ready = false;

  // Reports taken and not yet committed; kept over a failed commit.
  std::vector<Received> received;
  std::optional<Duration> start_held_since;  // monotonic: since when a TryStarted waits for company
  std::vector<Asked> waiting_for_catalog;
  std::vector<std::pair<RunNumber, std::string>> to_give_up;

  // Set while the store fails.
  std::optional<Error> failure;
  bool needs_load = false;  // memory does not say what the store does, and the store cannot be read
  Duration retry_at{0};     // monotonic
  Duration retry_delay = first_retry_delay;

  mutable std::mutex stopped_mutex;
  std::string stopped;  // state's, for other threads

  struct Answer {
    Asked asked;
    CommandOutcome outcome;
  };

  // ---- beginning

  Result<void> start() {
    TRY_ASSIGN(epoch, writer.acquire_epoch(clock.now()));
    TRY(load());
    dispatcher.take_over(state);
    dispatcher.clear_up(state);
    return {};
  }

  Result<void> read_connections() {
    if (!options.connections_of_environment) return {};
    TRY_ASSIGN(const auto stored, settings.connection_ids());
    ConnectionIds ids;
    ids.stored.insert(stored.begin(), stored.end());
    for (const std::string& name : *options.connections_of_environment) ids.of_environment.insert(lower_ascii(name));
    state.set_connections(std::move(ids));
    return {};
  }

  Result<void> load() {
    TRY_ASSIGN(const Counters counters, writer.counters());
    std::vector<std::pair<RunNumber, std::string>> problems;
    TRY_ASSIGN(state, history.load(options.parallelism, counters, settings, problems));
    state.set_ageing(options.priority_ageing);
    TRY(read_connections());
    to_give_up = std::move(problems);
    catalog.start_over();
    return {};
  }

  void close(const Error& error) {
    inbox.close(error);
    for (Asked& asked : waiting_for_catalog) asked.answer.set_value(error);
    waiting_for_catalog.clear();
  }

  // ---- a turn

  Result<std::optional<TimePoint>> turn() {
    counts.turns += 1;
    Inbox::Content content = inbox.take();
    if (content.catalog) catalog.offer(std::move(content.catalog));
    if (failure && clock.monotonic() < retry_at) {
      refuse(std::move(content));
      return at_monotonic(retry_at);
    }
    if (failure) {  // what was asked of us meanwhile was refused: pools may have been edited
      if (auto loaded = load(); !loaded) return stop_dispatch(loaded.error(), std::move(content), {});
      needs_load = false;
      dispatcher.take_over(state);
    }
    state.set_stopped(options.obstacle ? options.obstacle() : "");
    const TimePoint now = clock.now();
    Turn turn(state, now);
    // Only a write shows that the store works again, and there may be nothing else to write.
    if (failure) turn.apply(Move(NoteEvent{recovery(now)}));
    std::vector<Answer> answers;
    auto decided = decide(turn, content.commands, answers);
    if (!decided) return stop_dispatch(decided.error(), std::move(content), std::move(answers));
    if (turn.changes_store()) {
      counts.moves += turn.moves();
      const Result<void> committed = writer.commit(turn.take_batch(epoch));
      if (!committed) return fail(committed.error(), std::move(content), std::move(answers));
      counts.commits += 1;
    }
    finish(turn, std::move(answers));
    for (AskedWhy& asked : content.questions) asked.answer.set_value(udon::why(now, state, asked.key));
    return next_wake(*decided, now);
  }

  EventRecord recovery(TimePoint now) const {
    EventRecord event;
    event.at = now;
    event.event = "scheduler";
    event.text = "the store works again; it had failed: " + failure->message;
    return event;
  }

  // For other threads; once it holds, not while a turn tries.
  void publish_stopped() {
    const std::lock_guard lock(stopped_mutex);
    if (stopped == state.stopped()) return;
    stopped = state.stopped();
    if (failure) return;  // its own messages tell
    if (stopped.empty()) {
      log_info("scheduler", "tries are started again");
    } else {
      log_error("scheduler", "nothing is started: " + stopped);
    }
  }

  // Everything up to the commit. Returns when plan wants to be asked again.
  Result<std::optional<TimePoint>> decide(Turn& turn, std::vector<Asked>& commands, std::vector<Answer>& answers) {
    for (Received& one : dispatcher.poll()) received.push_back(std::move(one));
    dispatcher.describe(state);
    dispatcher.look_after(state);
    for (const auto& [run, why] : to_give_up) {
      log_error("scheduler", "run " + std::to_string(run) + " cannot go on: " + why);
      turn.apply(give_up(turn.now(), state, run, "the run cannot go on: " + why));
    }
    const bool has_work =
        !commands.empty() || !waiting_for_catalog.empty() || !catalog.is_done() || turn.changes_store();
    TRY_ASSIGN(const bool can_wait, can_wait_for_company(has_work, turn));
    if (!can_wait) read_reports(turn);
    TRY(take_in(turn, catalog.next(turn.now(), state, dags_per_turn_max)));
    TRY(carry_out(turn, commands, answers));
    return plan_all(turn);
  }

  Result<void> take_in(Turn& turn, const Moves& dags) {
    turn.apply(dags);
    for (const Move& move : dags) {
      const auto* load = std::get_if<LoadDag>(&move);
      if (load == nullptr || !load->shape || !covers_gaps(load->shape->dag->schedule)) continue;
      const DagState& dag = *state.find_dag(load->dag_id);
      if (dag.covered_until) continue;
      TRY_ASSIGN(const auto end, covered_until(history.reader(), dag.record));
      state.load_covered_until(load->dag_id, end);
    }
    return {};
  }

  // Whether nothing but starts of tries has come in, and nothing else is to be done: then they wait for a commit that
  // something else needs, for a moment.
  Result<bool> can_wait_for_company(bool has_work, Turn& turn) {
    if (received.empty()) return false;
    const bool is_urgent = std::ranges::any_of(received, [](const Received& one) { return ends_try(one.report); });
    if (!start_held_since) start_held_since = clock.monotonic();
    if (is_urgent || has_work || clock.monotonic() >= *start_held_since + start_report_delay) return false;
    dispatcher.describe_queues(state);
    return plan(turn.now(), state).moves.empty();
  }

  void read_reports(Turn& turn) {
    start_held_since.reset();
    for (Received& one : received) {
      const ReportMoves read = moves_of(one.report, turn.now(), options.installation, state);
      one.fate = read.fate;
      switch (read.fate) {
        case ReportFate::obeyed:
          turn.apply(read.moves);
          if (!ends_try(one.report)) dispatcher.has_started(state, one);
          break;
        case ReportFate::stale: counts.stale += 1; break;
        case ReportFate::foreign: counts.foreign += 1; break;
      }
    }
  }

  Result<void> carry_out(Turn& turn, std::vector<Asked>& commands, std::vector<Answer>& answers) {
    if (is_ready || (catalog.is_done() && catalog.has_catalog())) {
      is_ready = true;
      // What came before the first catalog was taken in comes first.
      std::ranges::move(commands, std::back_inserter(waiting_for_catalog));
      commands = std::exchange(waiting_for_catalog, {});
    }
    for (size_t i = 0; i < commands.size(); ++i) {
      Asked& asked = commands[i];
      const std::string* dag_id = dag_that_is_needed(asked.command);
      const DagState* dag = dag_id == nullptr ? nullptr : state.find_dag(*dag_id);
      // Of a catalog that has not been taken in wholly.
      if (dag_id != nullptr && !(is_ready && catalog.is_done()) && (dag == nullptr || !dag->shape)) {
        waiting_for_catalog.push_back(std::move(asked));
        continue;
      }
      auto outcome = carry_out(turn, asked.command);
      if (outcome) {
        answers.push_back({std::move(asked), std::move(*outcome)});
      } else if (is_of_store(outcome.error())) {
        commands.erase(commands.begin(), commands.begin() + static_cast<std::ptrdiff_t>(i));  // those have been taken
        return outcome.error();
      } else {
        asked.answer.set_value(outcome.error());
      }
    }
    commands.clear();
    return {};
  }

  // The DAG whose file has to have been read for this.
  static const std::string* dag_that_is_needed(const Command& command) {
    if (const auto* trigger = std::get_if<TriggerRun>(&command)) return &trigger->dag_id;
    if (const auto* create = std::get_if<CreateBackfill>(&command)) return &create->dag_id;
    const auto* clear = std::get_if<ClearTasks>(&command);
    const auto* several = std::get_if<ChangeRuns>(&command);
    if (several != nullptr && !several->changes.empty()) clear = std::get_if<ClearTasks>(&several->changes.front());
    if (clear != nullptr && clear->on_latest_version) return &clear->selection.dag_id;
    return nullptr;
  }

  Result<CommandOutcome> carry_out(Turn& turn, const Command& command) {
    if (std::holds_alternative<PoolsChanged>(command)) {
      TRY_ASSIGN(const auto pools, settings.pools());
      state.set_pools(pools);
      return CommandOutcome{};
    }
    if (std::holds_alternative<ConnectionsChanged>(command)) {
      TRY(read_connections());
      return CommandOutcome{};
    }
    if (const auto* create = std::get_if<CreateBackfill>(&command)) return backfills.create(turn, *create);
    if (const auto* change = std::get_if<ChangeBackfill>(&command)) return backfills.change(turn, *change);
    if (const auto* clean = std::get_if<CleanStep>(&command))
      return Retention(history.reader(), state).step(turn, *clean);
    if (const auto* trigger = std::get_if<TriggerRun>(&command)) return this->trigger(turn, *trigger);
    if (const auto* several = std::get_if<ChangeRuns>(&command)) return change_runs(turn, *several);
    return change_run(turn, command, Applied::at_once);
  }

  enum class Applied { at_once, not_yet };

  Result<CommandOutcome> change_run(Turn& turn, const Command& command, Applied applied) {
    if (const auto names = run_of(command)) TRY(history.bring_into_memory(names->first, names->second, state));
    const auto* clear = std::get_if<ClearTasks>(&command);
    if (clear != nullptr && clear->on_latest_version) {
      ClearTasks as = *clear;
      as.dry_run = as.dry_run || applied == Applied::not_yet;
      return Versions(history, state).clear(turn, as);
    }
    TRY_ASSIGN(CommandMoves result, moves_of(command, turn.now(), state));
    for (Move& move : result.moves)
      if (auto* drop = std::get_if<DropRun>(&move)) TRY(history.find_pasts_without(*drop, state));
    if (applied == Applied::at_once) turn.apply(result.moves);
    return std::move(result.outcome);
  }

  // All or none: each is tried out before the first is carried out, and what becomes of one run says nothing of
  // another.
  Result<CommandOutcome> change_runs(Turn& turn, const ChangeRuns& several) {
    const auto as_command = [](const auto& change) {
      return std::visit([](const auto& one) { return Command(one); }, change);
    };
    if (several.changes.size() > static_cast<size_t>(limits::runs_changed_max))
      return Error{ErrorKind::invalid, "that is about " + std::to_string(several.changes.size()) + " runs; at most " +
                                           std::to_string(limits::runs_changed_max) + " are changed at once"};
    int64_t to_read = 0;
    std::set<std::pair<std::string, std::string>> named;
    for (const auto& change : several.changes) {
      const Selection& of = std::visit([](const auto& one) -> const Selection& { return one.selection; }, change);
      if (!named.emplace(of.dag_id, of.run_id).second)
        return Error{ErrorKind::invalid, "run " + of.run_id + " of DAG `" + of.dag_id + "` is named twice"};
      TRY_ASSIGN(const int64_t there, history.instances_to_read(of.dag_id, of.run_id, state));
      to_read += there;
    }
    // Before the first is read: whatever little of them is meant, each run comes into memory as a whole.
    if (to_read > limits::instances_changed_max)
      return Error{ErrorKind::invalid, "these " + std::to_string(several.changes.size()) + " runs have " +
                                           std::to_string(to_read) + " task instances; at most " +
                                           std::to_string(limits::instances_changed_max) +
                                           " are read at once: name fewer runs at a time; nothing is changed"};
    int64_t instances = 0;
    for (const auto& change : several.changes) {
      TRY_ASSIGN(const CommandOutcome one, change_run(turn, as_command(change), Applied::not_yet));
      instances += std::ssize(one.instances);
      if (instances > limits::instances_changed_max)
        return Error{ErrorKind::invalid, "that is about more than " + std::to_string(limits::instances_changed_max) +
                                             " task instances, which is as many as are changed at once: name fewer "
                                             "runs or tasks; nothing is changed"};
    }
    CommandOutcome outcome;
    for (const auto& change : several.changes) {
      auto one = change_run(turn, as_command(change), Applied::at_once);
      // The turn is given up with what was done of it.
      if (!one && is_of_store(one.error())) return one.error();
      ENSURE(one, "a change of several runs was tried out, and then refused");
      outcome.runs.push_back(*std::move(one->run));
      std::ranges::move(one->instances, std::back_inserter(outcome.instances));
    }
    return outcome;
  }

  Result<CommandOutcome> trigger(Turn& turn, TriggerRun command) {
    const auto is_given = [given_id = command.run_id.has_value(),
                           given_date = command.logical_date.has_value()](Taken::Name name) {
      // A date that was given names the run too, unless somebody has named it himself.
      return name == Taken::Name::logical_date ? given_date : given_id || given_date;
    };
    for (int attempt = 1;; ++attempt) {
      TRY_ASSIGN(CommandMoves result, moves_of(Command(command), turn.now(), state));
      AddRun& add = std::get<AddRun>(result.moves.front());
      TRY_ASSIGN(const auto taken, history.taken_by_another(add.row, state));
      if (!taken) {
        TRY_ASSIGN(add.past, history.past_of(add.row, *add.shape, state));
        turn.apply(result.moves);
        return std::move(result.outcome);
      }
      if (is_given(taken->name) || attempt == free_names_tried_max) return Error{ErrorKind::conflict, taken->problem};
      // Two in one microsecond: the caller left the date or the name to us, so we find a free one.
      if (command.has_logical_date) {
        command.logical_date = add.row.run_after + Duration(attempt);
      } else {
        command.run_id = make_run_id(RunType::manual, add.row.run_after) + "_" + std::to_string(attempt + 1);
      }
    }
  }

  Result<std::optional<TimePoint>> plan_all(Turn& turn) {
    int backfill_dates = limits::backfill_dates_per_turn_max;
    while (turn.moves() < limits::moves_per_turn_max) {
      dispatcher.describe_queues(state);
      Plan step = plan(turn.now(), state, limits::moves_per_turn_max - turn.moves());
      for (const TaskRef& task : step.settled) state.settle(task);
      if (step.moves.empty() && step.backfills.empty()) return step.wake_at;
      for (Move& move : step.moves) TRY(apply(turn, move));
      if (step.moves.empty() && backfill_dates == 0) break;
      for (const BackfillNumber number : step.backfills) TRY(backfills.take_dates(turn, number, backfill_dates));
    }
    return std::optional(turn.now());
  }

  Result<void> apply(Turn& turn, Move& move) {
    if (auto* add = std::get_if<AddRun>(&move)) {
      TRY_ASSIGN(auto taken, history.taken_by_another(add->row, state));
      // Its name is of no meaning: two may have come in one microsecond, and somebody may have named another run so.
      const std::string id = add->row.run_id;
      for (int i = 2; taken && taken->name == Taken::Name::run_id && i <= free_names_tried_max; ++i) {
        add->row.run_id = id + "_" + std::to_string(i);
        TRY_ASSIGN(taken, history.taken_by_another(add->row, state));
      }
      // Somebody has run it by hand under that date: as in Airflow, that run stands for it.
      if (taken) return {};
      TRY_ASSIGN(add->past, history.past_of(add->row, *add->shape, state));
      add->row.number = state.counters().last_run + 1;
    }
    turn.apply(move);
    const auto* run = std::get_if<MoveRun>(&move);
    if (run != nullptr && run->row.state == RunState::failed) TRY(pause_after_failures(turn, run->row));
    return {};
  }

  Result<void> pause_after_failures(Turn& turn, const DagRun& run) {
    const DagState* dag = state.find_dag(run.dag_id);
    if (dag == nullptr || !dag->shape || dag->record.is_paused) return {};
    const auto& most = dag->shape->dag->max_consecutive_failed_dag_runs;
    if (!most || *most <= 0) return {};
    TRY_ASSIGN(const bool is_enough, history.has_failed_in_a_row(run.dag_id, *most, state));
    if (!is_enough) return {};
    SetDag pause{.row = dag->record, .is_due_known = false};
    pause.row.is_paused = true;
    EventRecord event;
    event.at = turn.now();
    event.event = "scheduler";
    event.dag_id = run.dag_id;
    event.text = "paused: its last " + std::to_string(*most) + (*most == 1 ? " run" : " runs") +
                 " failed (max_consecutive_failed_dag_runs)";
    turn.apply(Move(TellPaused{.run = run.number, .why = event.text}));
    turn.apply(Move(std::move(pause)));
    turn.apply(Move(NoteEvent{std::move(event)}));
    return {};
  }

  // ---- after the commit

  void finish(Turn& turn, std::vector<Answer> answers) {
    if (failure) log_info("scheduler", "the store works again; going on");
    publish_stopped();
    if (turn.has_notifications() && options.on_notifications) options.on_notifications();
    if (!turn.dropped().empty() && options.on_runs_deleted) options.on_runs_deleted(turn.dropped());
    failure.reset();
    retry_delay = first_retry_delay;
    to_give_up.clear();
    for (Answer& answer : answers) answer.asked.answer.set_value(std::move(answer.outcome));
    // After the commit, not before: a start that the store does not know of could never be ended.
    const std::vector<Fence> started = turn.started();
    dispatcher.hand_out(state, started);
    if (!start_held_since) {
      for (const Received& one : std::exchange(received, {})) {
        if (one.fate == ReportFate::foreign) continue;
        if (ends_try(one.report)) {
          dispatcher.acknowledge(one);
        } else if (one.fate == ReportFate::stale) {
          dispatcher.end_stray(one);
        }
      }
    }
    state.evict_finished();
    counts.started += static_cast<int64_t>(started.size());
    counts.live = static_cast<int64_t>(state.tries().size());
    counts.runs = static_cast<int64_t>(state.runs().size());
    for (const auto& [ended, count] : turn.ended()) *counts.ended.at(ended) += count;
  }

  std::optional<TimePoint> next_wake(std::optional<TimePoint> wake, TimePoint now) const {
    const auto consider = [&](TimePoint at) {
      if (!wake || at < *wake) wake = at;
    };
    if (!catalog.is_done() || !state.dirty().empty() || !state.dirty_indices().empty() || dispatcher.has_reports())
      consider(now);
    if (start_held_since) consider(at_monotonic(*start_held_since + start_report_delay));
    if (const auto look = dispatcher.next_look()) consider(at_monotonic(*look));
    if (!state.stopped().empty()) consider(now + obstacle_interval);
    return wake;
  }

  TimePoint at_monotonic(Duration at) const { return clock.now() + std::max(Duration(0), at - clock.monotonic()); }

  // ---- when the store fails

  Result<std::optional<TimePoint>> fail(const Error& error, Inbox::Content content, std::vector<Answer> answers) {
    counts.failed_commits += 1;
    switch (error.kind) {
      case ErrorKind::conflict:
      case ErrorKind::invalid: {
        // Another scheduler's term, or rows that are not what we believe: whoever is wrong, we must not go on.
        const Error fatal = error.within("the scheduler stops");
        refuse_all(content, answers, {ErrorKind::unavailable, fatal.message});
        return fatal;
      }
      case ErrorKind::not_found:
      case ErrorKind::denied:
      case ErrorKind::unavailable:
      case ErrorKind::timeout:
      case ErrorKind::cancelled:
      case ErrorKind::io:
      case ErrorKind::data:
      case ErrorKind::unsupported: break;
    }
    return stop_dispatch(error, std::move(content), std::move(answers));
  }

  // Whether the commit took effect is not known, and memory has gone ahead of it: the store is asked what holds, once
  // it answers again. Reports stay with us; their fences say whether they were obeyed.
  Result<std::optional<TimePoint>> stop_dispatch(const Error& error, Inbox::Content content,
                                                 std::vector<Answer> answers) {
    // Each time that it is asked in vain, at the last every half minute: who looks at the log now must see it.
    log_error("scheduler", "the store fails, nothing is started: " + error.message);
    failure = error;
    start_held_since.reset();
    retry_at = clock.monotonic() + retry_delay;
    retry_delay = std::min(retry_delay * 2, last_retry_delay);
    refuse_all(content, answers, refusal());
    needs_load = !load();
    if (!needs_load) dispatcher.take_over(state);
    state.set_stopped(error.message);
    publish_stopped();
    answer_questions(content);
    return std::optional(at_monotonic(retry_at));
  }

  Error refusal() const {
    return {ErrorKind::unavailable, "the scheduler cannot write to its store: " + failure->message};
  }

  static void refuse_all(Inbox::Content& content, std::vector<Answer>& answers, const Error& error) {
    for (Asked& asked : content.commands) asked.answer.set_value(error);
    content.commands.clear();
    for (Answer& answer : answers) answer.asked.answer.set_value(error);
    answers.clear();
  }

  void refuse(Inbox::Content content) {
    std::vector<Answer> none;
    refuse_all(content, none, refusal());
    answer_questions(content);
  }

  void answer_questions(Inbox::Content& content) {
    for (AskedWhy& asked : content.questions) {
      std::optional<Reason> reason = udon::why(clock.now(), state, asked.key);
      if (!reason && needs_load) {
        reason = Reason{.kind = ReasonKind::dispatch_stopped,
                        .text = "nothing is started, and the store cannot be read: " + failure->message};
      }
      asked.answer.set_value(std::move(reason));
    }
    content.questions.clear();
  }
};

Loop::Loop(LoopOptions options, const Clock& clock, StoreReader& reader, StoreWriter& writer, StoreSettings& settings,
           std::vector<Executor*> executors, std::function<std::string(const TryId&)> make_token, Metrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), clock, reader, writer, settings, std::move(executors),
                                   std::move(make_token), metrics)) {}

Loop::~Loop() { impl_->close(stopping()); }

Result<void> Loop::start() { return impl_->start(); }

Result<void> Loop::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const auto next = impl_->turn();
    if (!next) {
      impl_->close({ErrorKind::unavailable, next.error().message});
      return next.error();
    }
    const TimePoint now = impl_->clock.now();
    const Duration most = *next ? std::clamp(**next - now, Duration(0), sleep_max) : sleep_max;
    if (most > Duration(0)) impl_->inbox.wait(stop, most);
  }
  impl_->close(stopping());
  return {};
}

Result<std::optional<TimePoint>> Loop::turn() { return impl_->turn(); }

void Loop::offer(CatalogPtr catalog) { impl_->inbox.put(std::move(catalog)); }
void Loop::wake() { impl_->inbox.wake(); }
std::future<Result<CommandOutcome>> Loop::enqueue(Command command) { return impl_->inbox.put(std::move(command)); }
Result<CommandOutcome> Loop::submit(Command command) { return enqueue(std::move(command)).get(); }
bool Loop::is_ready() const { return impl_->is_ready; }
std::string Loop::stopped() const {
  const std::lock_guard lock(impl_->stopped_mutex);
  return impl_->stopped;
}
const State& Loop::state() const { return impl_->state; }

Result<Reason> Loop::why(const TaskInstanceKey& key) {
  if (auto reason = impl_->inbox.put(key).get()) return *reason;
  TRY_ASSIGN(const auto row, impl_->history.reader().instance(key));
  if (row) return why_finished(row->instance);
  return Error{ErrorKind::not_found, "there is no task instance " + to_string(key)};
}

}  // namespace udon
