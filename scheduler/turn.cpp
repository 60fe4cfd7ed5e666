#include "scheduler/turn.h"

#include "base/ensure.h"
#include "dagfile/serialize.h"
#include "model/wire.h"
#include "scheduler/asset_events.h"
#include "scheduler/deadlines.h"
#include "scheduler/notices.h"

namespace udon {

void Turn::apply(const Move& given) {
  Move numbered;  // of asset events, whose makers do not know of each other
  const auto* event = std::get_if<AddAssetEvent>(&given);
  if (event != nullptr) {
    AddAssetEvent add = *event;
    add.row.number = state_.counters().last_asset_event + 1;
    numbered = std::move(add);
  }
  const Move& move = event != nullptr ? numbered : given;
  // Written first: what is written is measured against the state before.
  std::visit([this](const auto& what) { write(what); }, move);
  state_.apply(move);
  ++moves_;
}

Batch Turn::take_batch(Epoch epoch) { return {.epoch = epoch, .at = now_, .changes = std::move(changes_)}; }

std::optional<std::optional<Value>> Turn::xcom_of(InstanceNumber instance, const std::string& key) const {
  std::optional<std::optional<Value>> found;
  for (const Change& change : changes_) {
    if (const auto* put = std::get_if<PutXCom>(&change); put && put->row.instance == instance && put->row.key == key)
      found = std::optional(put->row.value);
    if (const auto* gone = std::get_if<DeleteXComs>(&change); gone && gone->instance == instance)
      found = std::optional<Value>();
  }
  return found;
}

std::vector<Fence> Turn::started() const {
  std::vector<Fence> live;
  for (const Fence fence : started_) {
    if (state_.tries().contains(fence)) live.push_back(fence);
  }
  return live;
}

void Turn::put_try(const TaskInstance& row, const LiveTry& live, TaskState state) {
  TryRecord record;
  record.instance = row.number;
  record.try_number = row.try_number;
  record.fence = row.fence;
  // A try that is being ended is recorded as what it is to be: a scheduler that starts after a crash goes on from
  // there.
  const bool is_decided = is_live(state) && live.becomes && *live.becomes != TaskState::none;
  record.state = is_decided ? *live.becomes : state;
  record.queued_at = row.queued_at;
  record.start_date = row.start_date;
  record.end_date = row.end_date;
  record.hostname = live.hostname;
  record.pid = live.pid;
  record.log_file = log_file_of(row.run, row.number, row.try_number);
  record.note = row.note.empty() ? live.note : row.note;
  const auto [at, is_new] = try_at_.try_emplace({row.number, row.try_number}, changes_.size());
  if (is_new) {
    changes_.emplace_back(PutTry{std::move(record)});
  } else {
    changes_[at->second] = PutTry{std::move(record)};
  }
}

void Turn::write(const MoveInstance& move) {
  const TaskInstance& old = state_.instance(move.at);
  const TaskInstance& row = move.row;
  const auto at = instance_at_.find(row.number);
  auto* last = at == instance_at_.end() ? nullptr : std::get_if<ChangeInstance>(&changes_[at->second]);
  if (last != nullptr && last->cause == move.cause && last->user == move.user && old.state != row.state &&
      last->row.state != last->expected_state) {
    last->through.push_back(old.state);
    last->row = row;
    if (!move.text.empty()) last->event_text = move.text;
  } else {
    instance_at_[row.number] = changes_.size();
    changes_.emplace_back(ChangeInstance{.expected_state = old.state,
                                         .expected_fence = old.fence,
                                         .row = row,
                                         .cause = move.cause,
                                         .through = {},
                                         .user = move.user,
                                         .event_text = move.text});
  }
  if (is_finished(row.state) && old.state != row.state) ended_[row.state] += 1;
  const ActiveRun& run = state_.runs().at(move.at.run);
  queue(notifications_of(run, move.at, row, now_));
  if (!keeps_deferral(row.state) && run.deferral_of(move.at) != nullptr)
    changes_.emplace_back(DropDeferral{row.number});

  const bool was_live = is_live(old.state);
  const bool is_deferred = was_live && row.state == TaskState::deferred && row.fence != old.fence;
  if ((!was_live && is_live(row.state)) || is_deferred) {
    started_.insert(row.fence);
    put_try(row, LiveTry{}, row.state);
  } else if (was_live && is_live(row.state)) {
    put_try(row, state_.tries().at(row.fence), row.state);
  } else if (was_live && row.state == TaskState::scheduled && run.deferral_of(move.at) != nullptr) {
    put_try(row, state_.tries().at(old.fence), row.state);  // it has not ended: it goes on
  } else if (!was_live && !keeps_deferral(row.state) && run.deferral_of(move.at) != nullptr) {
    TaskInstance ended = old;
    ended.end_date = row.end_date.value_or(now_);
    ended.note = row.note.empty() ? move.text : row.note;
    put_try(ended, LiveTry{}, is_finished(row.state) ? row.state : TaskState::failed);
  } else if (was_live) {
    // The history of tries keeps how this one ended, also where the task instance goes on: to be retried, to begin
    // anew.
    TaskInstance ended = old;
    ended.start_date = row.start_date ? row.start_date : old.start_date;
    ended.end_date = row.end_date ? row.end_date : now_;
    ended.note = row.note.empty() ? move.text : row.note;
    put_try(ended, state_.tries().at(old.fence), is_finished(row.state) ? row.state : TaskState::failed);
  }
}

void Turn::write(const AddInstances& move) {
  auto* last = changes_.empty() ? nullptr : std::get_if<InsertInstances>(&changes_.back());
  if (last == nullptr) {
    changes_.emplace_back(InsertInstances{});
    last = std::get_if<InsertInstances>(&changes_.back());
  }
  last->rows.insert(last->rows.end(), move.rows.begin(), move.rows.end());
  moves_ += static_cast<int>(move.rows.size());
}

void Turn::write(const ChangeTry& move) {
  const LiveTry& old = state_.tries().at(move.fence);
  const ActiveRun& run = state_.runs().at(old.at.run);
  const TaskInstance& row = run.instance(old.at);
  put_try(row, move.row, row.state);
  if (move.text.empty()) return;
  EventRecord event;
  event.at = now_;
  event.event = "command";
  event.dag_id = run.row.dag_id;
  event.run_id = run.row.run_id;
  event.task_id = row.task_id;
  event.map_index = row.map_index;
  event.try_number = row.try_number;
  event.user = move.user;
  event.text = move.text;
  changes_.emplace_back(AppendEvent{std::move(event)});
}

void Turn::write(const StoreXCom& move) {
  changes_.emplace_back(
      PutXCom{{.instance = state_.instance(move.at).number, .key = move.key, .value = move.value, .at = now_}});
}

void Turn::write(const ForgetXComs& move) { changes_.emplace_back(DeleteXComs{state_.instance(move.at).number}); }

void Turn::write(const AddRun& move) {
  changes_.emplace_back(InsertRun{.row = move.row, .user = move.user});
  if (move.events.empty()) return;
  changes_.emplace_back(TakeAssetEvents{.dag_id = move.row.dag_id, .events = move.events, .run = move.row.number});
}

void Turn::write(const AddAssetEvent& move) {
  changes_.emplace_back(InsertAssetEvent{.row = move.row, .consumers = state_.consumers_of(move.row.asset)});
}

void Turn::write(const DropAssetEvents& move) {
  changes_.emplace_back(TakeAssetEvents{.dag_id = move.dag_id, .events = move.events, .run = 0});
}

void Turn::write(const MoveRun& move) {
  const DagRun& old = state_.runs().at(move.row.number).row;
  changes_.emplace_back(ChangeRun{
      .expected_state = old.state, .row = move.row, .cause = move.cause, .user = move.user, .event_text = move.text});
  queue(notifications_of(state_.runs().at(move.row.number), move.row, move.text, now_));
}

void Turn::write(const ChangeVersion& move) {
  const DagRun row = with_version(state_.runs().at(move.run).row, move.shape->dag->version, move.at);
  changes_.emplace_back(ChangeRun{.expected_state = row.state,
                                  .row = row,
                                  .cause = MoveCause::command,
                                  .user = move.user,
                                  .event_text = "goes on with another version of its DAG"});
}

void Turn::queue(std::vector<Notification> notifications) {
  for (Notification& row : notifications) changes_.emplace_back(QueueNotification{std::move(row)});
  has_notifications_ = has_notifications_ || !notifications.empty();
}

void Turn::write(const TellDeadline& move) {
  queue(notifications_of_deadline(state_.runs().at(move.run), move.deadline, now_));
}

void Turn::write(const TellPaused& move) { queue(notifications_of_pause(state_.runs().at(move.run), move.why, now_)); }

void Turn::write(const DropRun& move) {
  changes_.emplace_back(DeleteRunRows{.run = move.run, .user = move.user});
  dropped_.push_back(move.run);
}

void Turn::write(const SetDag& move) {
  const DagState* old = state_.find_dag(move.row.dag_id);
  if (old != nullptr && old->record == move.row) return;
  const auto [at, is_new] = dag_at_.try_emplace(move.row.dag_id, changes_.size());
  if (is_new) {
    changes_.emplace_back(PutDag{move.row});
  } else {
    changes_[at->second] = PutDag{move.row};
  }
}

void Turn::write(const LoadDag& move) {
  if (!move.shape) return;
  const Dag& dag = *move.shape->dag;
  const DagState* known = state_.find_dag(dag.dag_id);
  if (known != nullptr && known->record.version == dag.version) return;  // it was written when the version came
  changes_.emplace_back(PutDagVersion{{.dag_id = dag.dag_id,
                                       .version = dag.version,
                                       .number = 0,
                                       .created_at = now_,
                                       .bundle = dag.bundle,
                                       .bundle_version = dag.bundle_version,
                                       .serialized = serialize(dag),
                                       .source = dag.source}});
  if (PutAssets assets{assets_named_in(dag)}; !assets.names.empty()) changes_.emplace_back(std::move(assets));
}

void Turn::write(const SetBackfill& move) {
  const auto [at, is_new] = backfill_at_.try_emplace(move.row.number, changes_.size());
  if (is_new) {
    changes_.emplace_back(PutBackfill{move.row});
  } else {
    changes_[at->second] = PutBackfill{move.row};
  }
}

void Turn::write(const SetQuestion& move) {
  const ActiveRun& run = state_.runs().at(move.at.run);
  changes_.emplace_back(PutQuestion{*move.question});
  if (run.question_of(move.at) == nullptr) queue(notifications_of_question(run, move.at, *move.question, now_));
}

void Turn::write(const SetDeferral& move) { changes_.emplace_back(PutDeferral{*move.deferral}); }

void Turn::write(const NoteEvent& move) { changes_.emplace_back(AppendEvent{move.row}); }

}  // namespace udon
