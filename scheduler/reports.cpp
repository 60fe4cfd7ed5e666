#include "scheduler/reports.h"

#include <algorithm>

#include "base/ensure.h"
#include "base/limits.h"
#include "base/text.h"
#include "model/retry.h"
#include "scheduler/asset_events.h"
#include "scheduler/plan.h"

namespace udon {

namespace {

// How a try's end is taken.
struct Ending {
  TaskState to = TaskState::failed;
  std::string note;
  bool keeps_xcoms = false;
  std::optional<Value> choice;
  std::vector<AssetEvent> asset_events;
};

std::string with(std::string text, const std::string& addition) {
  if (text.empty()) return addition;
  return text + "; " + addition;
}

// What a task instance becomes by its answer.
TaskState state_after(const AskedQuestion& asked) {
  const bool fails = asked.question.fails_on_reject && is_rejection(asked.question, *asked.answer);
  return fails ? TaskState::failed : TaskState::success;
}

class Reading {
 public:
  Reading(const LiveTry& live, Fence fence, TimePoint now, const State& state)
      : live_(live),
        fence_(fence),
        now_(now),
        run_(state.runs().at(live.at.run)),
        task_(run_.dag().tasks[static_cast<size_t>(live.at.task)]),
        row_(run_.instance(live.at)),
        asked_(run_.question_of(live.at)),
        deferral_(run_.deferral_of(live.at)),
        next_fence_(state.counters().last_fence + 1) {}

  Moves take() { return std::move(moves_); }

  void read(const TryStarted& started) {
    if (row_.state == TaskState::queued) {
      go_on(live_.kind == TryKind::process ? TaskState::running : TaskState::deferred, started.at);
    }
    if (live_.hostname == started.hostname && live_.pid == started.pid) return;
    ChangeTry change{.fence = fence_, .row = live_, .user = {}, .text = {}};
    change.row.hostname = started.hostname;
    change.row.pid = started.pid;
    moves_.emplace_back(std::move(change));
  }

  void read(const StillWaiting& waiting) {
    if (row_.state == TaskState::queued) go_on(TaskState::deferred, waiting.at);
    moves_.emplace_back(NotePoke{.fence = fence_, .text = waiting.message, .at = waiting.at});
  }

  void read(const TryAsks& asks) {
    if (live_.kind != TryKind::probe) return;
    if (row_.state == TaskState::queued) go_on(TaskState::deferred, asks.at);
    // Said again after a restart; and who ends it has no use for an answer.
    if (asked_ != nullptr || live_.becomes) return;
    AskedQuestion asked{.instance = row_.number,
                        .try_number = row_.try_number,
                        .asked_at = now_,
                        .question = asks.question,
                        .answer = {}};
    moves_.emplace_back(SetQuestion{live_.at, std::make_shared<const AskedQuestion>(std::move(asked))});
  }

  void read(const TryEnded& ended) {
    if (!live_.becomes && ended.result == TryEnded::Result::deferred && live_.kind == TryKind::process)
      return defer(ended);
    if (!live_.becomes && ended.result == TryEnded::Result::resumed && live_.kind == TryKind::probe && deferral_)
      return resume(ended);
    take_defaults(ended);
    const Ending ending = ending_of(ended);
    // A try that ran was running, also where its start is learned of with its end only.
    const bool has_run = ended.cause != EndCause::start_failed || ended.result != TryEnded::Result::failed;
    if (row_.state == TaskState::queued && has_run) {
      go_on(live_.kind == TryKind::process ? TaskState::running : TaskState::deferred,
            ended.started_at.value_or(ended.at));
    }
    if (ending.keeps_xcoms) {
      const Value answered = asked_ && asked_->answer ? xcoms_of_answer() : Value();
      for (const auto& [key, value] : (answered.is_map() ? answered : ended.xcom).as_map()) {
        moves_.emplace_back(StoreXCom{.at = live_.at, .key = key, .value = value});
      }
    }
    // With the success, in one commit: a crash after it must not let go on what was not chosen.
    if (ending.choice) {
      moves_.emplace_back(StoreXCom{.at = live_.at, .key = std::string(choice_key), .value = *ending.choice});
    }
    end(ending, std::min(ended.at, now_));
  }

  void read(const TryUnknown&) {
    const bool is_answered = asked_ && asked_->answer;
    if (live_.becomes && !is_answered) return end({.to = *live_.becomes, .note = live_.note}, now_);
    if (row_.state != TaskState::queued) {
      return read(TryEnded{.result = TryEnded::Result::failed,
                           .cause = EndCause::lost,
                           .error_kind = {},
                           .message = "lost: no executor knows of the try any more",
                           .started_at = {},
                           .at = now_});
    }
    // It never began: the next one takes its place and its number, with a fence of its own.
    MoveInstance move = to(TaskState::scheduled);
    if (!deferral_) move.row.try_number -= 1;
    move.row.queued_at.reset();
    move.text = "the try was not started";
    moves_.emplace_back(std::move(move));
  }

 private:
  MoveInstance to(TaskState state) const {
    MoveInstance move;
    move.at = live_.at;
    move.row = row_;
    move.row.state = state;
    move.cause = MoveCause::report;
    return move;
  }

  // Its process has ended; the try waits, and somebody else looks for what it waits for.
  void defer(const TryEnded& ended) {
    if (row_.state == TaskState::queued) go_on(TaskState::running, ended.started_at.value_or(ended.at));
    if (auto problem = problem_of_xcoms(ended)) return end({.to = TaskState::failed, .note = *problem}, now_);
    for (const auto& [key, value] : ended.xcom.as_map())
      moves_.emplace_back(StoreXCom{.at = live_.at, .key = key, .value = value});
    Deferral deferral{.instance = row_.number,
                      .try_number = row_.try_number,
                      .fence = next_fence_,
                      .started_at = row_.start_date.value_or(now_),
                      .since = now_,
                      .what = ended.deferring.value_or(Deferring{}),
                      .event = {}};
    moves_.emplace_back(SetDeferral{live_.at, std::make_shared<const Deferral>(std::move(deferral))});
    MoveInstance move = to(TaskState::deferred);
    move.row.fence = next_fence_;
    move.text = ended.message;
    moves_.emplace_back(std::move(move));
  }

  // It goes on in a new process: the same try, with the same number, once there is a slot for it.
  void resume(const TryEnded& ended) {
    Deferral deferral = *deferral_;
    deferral.fence = 0;
    deferral.event = ended.event;
    moves_.emplace_back(SetDeferral{live_.at, std::make_shared<const Deferral>(std::move(deferral))});
    if (row_.state == TaskState::queued) go_on(TaskState::deferred, ended.at);
    MoveInstance move = to(TaskState::scheduled);
    move.row.scheduled_at = now_;
    move.row.queued_at.reset();
    move.text = ended.message;
    moves_.emplace_back(std::move(move));
  }

  // Nobody has answered in time: what was to be taken then is the answer.
  void take_defaults(const TryEnded& ended) {
    const bool is_due = asked_ && !asked_->answer && !asked_->question.defaults.empty() && !live_.becomes &&
                        ended.result != TryEnded::Result::success && ended.cause == EndCause::timeout;
    if (!is_due) return;
    AskedQuestion answered = *asked_;
    answered.answer = Answer{.at = now_, .user = {}, .chosen = answered.question.defaults};
    for (const QuestionParam& param : answered.question.params) {
      if (param.default_value) answered.answer->params_input.set(param.name, *param.default_value);
    }
    asked_ = std::make_shared<const AskedQuestion>(std::move(answered));
    moves_.emplace_back(SetQuestion{live_.at, asked_});
  }

  void go_on(TaskState state, TimePoint at) {
    MoveInstance move = to(state);
    move.row.start_date = std::min(at, now_);
    if (deferral_) move.row.start_date = deferral_->started_at;  // the try has begun long ago
    row_ = move.row;
    moves_.emplace_back(std::move(move));
  }

  void end(const Ending& ending, TimePoint at) {
    MoveInstance move = to(ending.to);
    // What somebody has decided is their move, whenever the try has come to its end.
    if (live_.becomes && ending.to != TaskState::none) move.cause = MoveCause::command;
    move.row.note = move.text = ending.note;
    move.row.end_date = std::max(at, row_.start_date.value_or(at));
    if (ending.to == TaskState::up_for_retry) {
      move.row.next_try_at = at + retry_pause(task_.retry, row_.try_number + 1,
                                              to_string(key_of(run_, row_)) + "#" + std::to_string(row_.try_number));
    }
    // What it had handed on when it was deferred is not to be found by the next one.
    const bool goes_on = ending.to == TaskState::none || ending.to == TaskState::up_for_retry;
    if (deferral_ && goes_on) moves_.emplace_back(ForgetXComs{live_.at});
    if (ending.to == TaskState::none) {
      // Cleared while it was live: as many tries again as the task says.
      move.row.max_tries = row_.try_number + 1 + task_.retry.retries;
      move.row.start_date = move.row.end_date = move.row.queued_at = move.row.scheduled_at = std::nullopt;
    }
    moves_.emplace_back(std::move(move));
    // With the success, in one commit. What somebody has marked has made nothing, as in Airflow.
    for (const AssetEvent& event : ending.asset_events) moves_.emplace_back(AddAssetEvent{event});
  }

  Ending ending_of(const TryEnded& ended) const {
    // Killed, marked or cleared after it was answered: that is the later word.
    if (asked_ && asked_->answer && (!live_.becomes || *live_.becomes == state_after(*asked_))) return answered(ended);
    if (live_.becomes) return wished(ended);
    switch (ended.result) {
      case TryEnded::Result::success:
        if (auto problem = problem_of_xcoms(ended)) return {.to = TaskState::failed, .note = *problem};
        return success(ended);
      case TryEnded::Result::skipped: return {.to = TaskState::skipped, .note = ended.message};
      case TryEnded::Result::failed: return failure(ended);
      case TryEnded::Result::deferred: return {.to = TaskState::failed, .note = "what waits cannot be deferred"};
      case TryEnded::Result::resumed: return {.to = TaskState::failed, .note = "what was not deferred cannot go on"};
    }
    ENSURE(false, "a result outside its enum");
  }

  Value xcoms_of_answer() const { return Value::Map{{"return_value", return_value_of(*asked_->answer)}}; }

  Ending answered(const TryEnded& ended) const {
    const Answer& answer = *asked_->answer;
    const std::string note = answer.user.empty() ? ended.message + (ended.message.empty() ? "" : "; ") +
                                                       "taken: " + join(answer.chosen, ", ")
                                                 : "answered by " + describe(answer);
    if (state_after(*asked_) == TaskState::failed) return {.to = TaskState::failed, .note = note};
    TryEnded as;
    as.result = TryEnded::Result::success;
    as.message = note;
    as.xcom = xcoms_of_answer();
    if (task_.choosing != Choosing::short_circuit) return success(as);
    as.xcom.set("return_value", !is_rejection(asked_->question, answer));
    as.xcom.set(ignores_rules_key, asked_->question.rejects_far);
    return success(as);
  }

  Ending success(const TryEnded& ended) const {
    Ending ending{.to = TaskState::success, .note = ended.message, .keeps_xcoms = true};
    auto events = asset_events_of(run_, live_.at, ended.xcom, now_);
    if (!events) return {.to = TaskState::failed, .note = events.error().message};
    ending.asset_events = std::move(*events);
    if (task_.choosing == Choosing::nothing) return ending;
    auto choice = make_choice(run_.dag(), live_.at.task, ended.xcom);
    if (!choice) return {.to = TaskState::failed, .note = choice.error().message};
    ending.choice = std::move(*choice);
    return ending;
  }

  // Somebody has decided what becomes of it while it was live. That holds, and what the try itself did is told.
  Ending wished(const TryEnded& ended) const {
    const bool has_succeeded = ended.result == TryEnded::Result::success;
    const bool is_success = *live_.becomes == TaskState::success;
    std::string note = live_.note;
    if (has_succeeded && !is_success && *live_.becomes != TaskState::none) {
      note = with(note, "the try itself had succeeded before it could be ended");
    }
    return {.to = *live_.becomes, .note = note, .keeps_xcoms = has_succeeded && is_success};
  }

  Ending failure(const TryEnded& ended) const {
    const std::string what = ended.message.empty() ? std::string(to_string(ended.cause)) : ended.message;
    if (ended.cause == EndCause::timeout && task_.kind == OperatorKind::sensor) {
      if (task_.soft_fail) return {.to = TaskState::skipped, .note = with(what, "skipped by soft_fail")};
      if (row_.try_number >= row_.max_tries) return {.to = TaskState::failed, .note = what};
      return {.to = TaskState::failed, .note = with(what, "not tried again: its timeout counts over all its tries")};
    }
    if (row_.try_number >= row_.max_tries) return {.to = TaskState::failed, .note = what};
    if (const std::string why = why_no_retry(task_.retry, ended); !why.empty()) {
      return {.to = TaskState::failed, .note = with(what, why)};
    }
    return {.to = TaskState::up_for_retry, .note = what};
  }

  static std::optional<std::string> problem_of_xcoms(const TryEnded& ended) {
    if (!ended.xcom.is_map()) return "its result holds XComs in no readable form";
    for (const auto& [key, value] : ended.xcom.as_map()) {
      if (const auto bytes = static_cast<int64_t>(to_json(value).size()); bytes > limits::xcom_bytes_max) {
        return "XCom `" + key + "` has " + std::to_string(bytes) + " bytes; at most " +
               std::to_string(limits::xcom_bytes_max) + " are allowed: hand on a path, not the data";
      }
    }
    return std::nullopt;
  }

  const LiveTry& live_;
  Fence fence_;
  TimePoint now_;
  const ActiveRun& run_;
  const Task& task_;
  TaskInstance row_;  // as it is after the moves so far
  QuestionPtr asked_;
  DeferralPtr deferral_;
  Fence next_fence_;
  Moves moves_;
};

}  // namespace

Moves moves_of_answer(const Answer& answer, InstanceRef at, const State& state) {
  AskedQuestion answered = *state.runs().at(at.run).question_of(at);
  answered.answer = answer;
  const TaskState becomes = state_after(answered);
  Moves moves;
  moves.emplace_back(SetQuestion{at, std::make_shared<const AskedQuestion>(std::move(answered))});
  moves.emplace_back(end_try(state, state.instance(at).fence, becomes, EndCause::killed,
                             "answered by " + describe(answer), answer.user));
  return moves;
}

bool ends_try(const Report& report) {
  return std::holds_alternative<TryEnded>(report.what) || std::holds_alternative<TryUnknown>(report.what);
}

ReportMoves moves_of(const Report& report, TimePoint now, const std::string& installation, const State& state) {
  if (report.try_id.installation != installation) return {.fate = ReportFate::foreign, .moves = {}};
  const auto live = state.tries().find(report.try_id.fence);
  if (live == state.tries().end()) return {.fate = ReportFate::stale, .moves = {}};
  Reading reading(live->second, report.try_id.fence, now, state);
  std::visit([&](const auto& what) { reading.read(what); }, report.what);
  return {.fate = ReportFate::obeyed, .moves = reading.take()};
}

}  // namespace udon
