#pragma once
// The folder of one try: $UDON_HOME/spool/<try id>/ with
//   request.json  what is to be done (0600: holds the try's token), written before the process starts
//   process.json  identity of the runner (boot id, pid, start time) and the control group of what it starts, written by
//                 the runner as its first act, under the file's lock and never twice: a second runner of the same try
//                 finds it and gives up
//   result.json   how it ended, written as its last act; half of it says nothing
//   tree.json     descendants that the runner saw while it lived, so that a later scheduler can end them too
// It outlives the scheduler: whoever finds it can tell what became of the try. Removed once the end is committed.
// These three say which try they are of and are written in place (stamped_file.h): the folder is an earlier try's.
// Folders are 0700. No secret but the try's token is in it, and that opens only what the try's DAG file names, while it
// lives.
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/subprocess.h"
#include "model/report.h"
#include "model/wire.h"

namespace udon {

struct RunnerProcess {
  ProcessIdentity identity;
  Path cgroup;  // empty: what it starts is in no group of its own
  bool operator==(const RunnerProcess&) const = default;
};

// What each line of a try's log begins with: "2026-01-31T00:00:00.123456Z ", of a fixed width, so that lines stay
// aligned and sort as text.
std::string log_stamp(TimePoint time);

class Spool {
 public:
  explicit Spool(Path home);  // $UDON_HOME, absolute

  const Path& home() const { return home_; }
  Path folder(const TryId& id) const;
  Path log_file(const TryRequest& request) const;  // absolute
  Path staging(const TryId& id) const;             // $UDON_HOME/staging/<try id>
  Path socket() const;                             // $UDON_HOME/run/udon.sock

  Result<void> write_request(const TryRequest& request) const;
  Result<TryRequest> read_request(const TryId& id) const;
  // conflict: another runner was first; whoever gets it must not run the try.
  Result<void> write_process(const TryId& id, const RunnerProcess& process) const;
  // Nothing: not written yet.
  Result<std::optional<RunnerProcess>> read_process(const TryId& id) const;
  // From here on no runner begins this try, however late it comes. False: one has begun. Nothing there is as good.
  Result<bool> bar_runners(const TryId& id) const;
  Result<void> write_tree(const TryId& id, const std::vector<ProcessIdentity>& descendants) const;
  Result<std::vector<ProcessIdentity>> read_tree(const TryId& id) const;
  Result<void> write_result(const TryId& id, const TryEnded& ended) const;
  // Nothing: not written yet. A file that cannot be read as a result (power loss) counts as none.
  Result<std::optional<TryEnded>> read_result(const TryId& id) const;

  // A last line in the log of a try whose runner is gone and could not say it. For the runner's own lines see TaskLog.
  Result<void> append_to_log(const TryId& id, TimePoint at, const std::string& text) const;

  Result<Path> make_staging(const TryId& id) const;  // there already: as good
  // Empties it and puts it by for the next try in this folder. Only where no process of the try is left that could
  // still write there; nothing there is success.
  Result<void> put_by_staging(const TryId& id) const;

  Result<std::vector<TryId>> tries() const;    // of which there is a folder, in the spool or for staging
  Result<void> remove(const TryId& id) const;  // the spool and the staging folder; nothing there is success

 private:
  Path home_;
};

}  // namespace udon
