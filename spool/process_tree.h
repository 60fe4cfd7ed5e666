#pragma once
// Finding and ending what a try has started, when its runner can't do it any more: all processes of the machine are
// looked through once for any number of tries. Who wants to be sure looks until none is found twice in a row.
#include <string>
#include <unordered_map>
#include <vector>

#include "base/subprocess.h"
#include "model/run.h"

namespace udon {

inline constexpr std::string_view try_id_variable = "UDON_TRY_ID";

struct ProcessRow {
  ProcessIdentity identity;
  pid_t parent = 0;
  pid_t session = 0;
  std::string try_id;  // UDON_TRY_ID in the environment it was started with; empty: none, or it may not be read
};

// Zombies are not in it: they are dead, and their parents reap them.
class ProcessTable {
 public:
  static ProcessTable read();
  explicit ProcessTable(std::vector<ProcessRow> rows);

  const std::vector<ProcessRow>& rows() const { return rows_; }
  const ProcessRow* find(pid_t pid) const;

 private:
  std::vector<ProcessRow> rows_;
  std::unordered_map<pid_t, size_t> by_pid_;
};

// What a try's tree is known by.
struct TreeMarks {
  TryId id;
  std::optional<ProcessIdentity> runner;  // leader of the try's session
  std::vector<ProcessIdentity> recorded;  // descendants seen while the runner lived
};

// The try's processes: its runner, its session, bearers of its id, those recorded, and all that these have started. A
// program that left the session and cleared its environment after its runner was killed is not found.
std::vector<ProcessIdentity> find_tree(const ProcessTable& table, const TreeMarks& marks);

// Descendants of our own process, nearest first; cheap where there are few, as it follows the kernel's lists of
// children.
std::vector<ProcessIdentity> own_descendants();

// To those that still are what they were. Errors (a process of another user) as text; what is gone is no error.
Result<void> signal_processes(const std::vector<ProcessIdentity>& processes, int signal);

}  // namespace udon
