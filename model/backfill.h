#pragma once
// A backfill: runs for the dates of a DAG's schedule within a range, made (or run again) a few at a time beside the
// calendar's own. A value; model/backfill.cpp has the words, model/backfill_dates.cpp the arithmetic, the loop takes
// the steps.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/value.h"
#include "model/run.h"
#include "model/schedule.h"

namespace udon {

// What becomes of a date that has a finished run already. One that is still active is left alone always.
enum class ReprocessBehavior { none, failed, completed };
std::string_view to_string(ReprocessBehavior behavior);
std::optional<ReprocessBehavior> parse_reprocess_behavior(std::string_view text);

struct Backfill {
  BackfillNumber number = 0;
  std::string dag_id;
  TimePoint from{}, to{};  // logical dates, both ends included
  ReprocessBehavior reprocess = ReprocessBehavior::none;
  bool runs_backwards = false;
  int max_active_runs = 10;  // of its own: its runs are not counted against the DAG's
  Value conf = Value::map();
  bool on_latest_version = false;  // runs that are run again go on with the newest version of the DAG
  bool is_paused = false;
  std::string user;
  TimePoint created_at{}, updated_at{};
  std::optional<TimePoint> completed_at;
  bool is_cancelled = false;

  // How far it has come. Dates are taken one after the other from the schedule as it is then.
  std::optional<TimePoint> last_date;  // the last one that was dealt with
  bool has_all_dates = false;          // none is left
  int64_t dates = 0;                   // how many the range had when it was made
  int64_t created = 0, cleared = 0, skipped = 0;
  int64_t handled() const { return created + cleared + skipped; }
  bool operator==(const Backfill&) const = default;
};

// What people are told of it.
enum class BackfillStatus { active, paused, completed, cancelled };
std::string_view to_string(BackfillStatus status);
BackfillStatus status_of(const Backfill& backfill);

// Its next date, by the schedule alone: a backfill may lie before a DAG's start_date. None that was not yet due when
// the backfill was made.
std::optional<DueRun> next_date_of(const Backfill& backfill, const Schedule& schedule);

enum class BackfillAction { create, clear, skip_existing, skip_active };
std::string_view to_string(BackfillAction action);  // "create", "clear", "already exists", "in flight"
// `there`: the state of the run that the date has, if it has one.
BackfillAction action_on(ReprocessBehavior behavior, std::optional<RunState> there);

// One line of a dry run.
struct BackfillDate {
  DueRun due;
  BackfillAction action = BackfillAction::create;
  std::string run_id;  // of the run that is there, or the one that is made
  bool operator==(const BackfillDate&) const = default;
};

}  // namespace udon
