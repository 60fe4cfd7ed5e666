#pragma once
// Where tries are carried out. The loop owns executors and calls them from its own thread only; nothing here blocks.
// Implementations: local processes (executor/local), the prober child (sensors, external jobs), a fake one in tests;
// all pass one contract suite.
#include <string>
#include <vector>

#include "base/result.h"
#include "model/report.h"
#include "model/wire.h"

namespace udon {

class Executor {
 public:
  virtual ~Executor() = default;

  virtual std::string name() const = 0;
  // Whether it takes tries of this kind and queue at all.
  virtual bool takes(TryKind kind, const std::string& queue) const = 0;
  // Whether a try of this kind may be with it, whatever its queue: after a restart it may not take the queue any more
  // that it took when it started the try.
  virtual bool is_for(TryKind kind) const = 0;
  // How many more tries it would start now.
  virtual int free_slots() const = 0;

  // Starts the try, or hands it on. Starting one that was started changes nothing. An error means that it is not and
  // will not be started: the loop makes a TryEnded{start_failed} of it.
  virtual Result<void> start(const TryRequest& request) = 0;

  // What has come in since the last call, in order. Each try ends in exactly one TryEnded or TryUnknown.
  virtual std::vector<Report> poll() = 0;
  // The loop has committed the end of this try: forget it, remove its spool folder.
  virtual void acknowledge(const TryId& id) = 0;

  // Ends the try's whole process tree: SIGTERM, after the grace SIGKILL. Its TryEnded follows, with `why`, only when
  // nothing of the tree is left. Killing what is not there reports TryUnknown.
  virtual void kill(const TryId& id, EndCause why, const std::string& message) = 0;

  // After a restart: take over this try, which an earlier scheduler started. A TryStarted, TryEnded (also for one whose
  // process is gone without result: `lost`, once its whole process tree is dead) or TryUnknown follows.
  virtual void adopt(const TryRequest& request) = 0;

  // What it finds of earlier schedulers' tries (their folders), ended or not. Asked once after a restart: those that
  // are no longer anybody's current try are adopted by their id alone, then ended or acknowledged, so that nothing is
  // left over.
  virtual std::vector<TryId> leftovers() { return {}; }

  // Tries that it holds, started or adopted and not yet ended; for the auditor and `why`.
  virtual std::vector<TryId> running() const = 0;
};

}  // namespace udon
