#pragma once
// Scheduled runs against the wall: what the clock of the DAG's zone shows at each of them, read from UTC to local time
// only, so that nothing is shared with the scheduler's own search for the next time.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "model/dag.h"
#include "model/run.h"

namespace udon::simulation {

class CalendarAuditor {
 public:
  using Complain = std::function<void(std::string)>;

  // A run that has just come to be, in order of their numbers, and its DAG as it is meant.
  void see(const DagRun& run, const Dag& dag, const Complain& complain);
  // Somebody took a run away, or made one under a date of the calendar: a gap proves nothing any more.
  void forgive_gaps(const std::string& dag_id) { last_[dag_id].is_gapless = false; }

 private:
  struct Seen {
    std::string version;
    TimePoint at{};
    bool is_gapless = false;
  };
  std::map<std::string, Seen> last_;  // by DAG id
};

}  // namespace udon::simulation
