#pragma once
// A store that fails when a test says so, around any other. Fault loops fail the 1st call, then the 2nd, …
// until none fails; a commit can also fail after it took effect, as when the connection breaks before the
// answer.
#include <cstdint>
#include <memory>
#include <optional>

#include "store/outbox.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/writer.h"

namespace udon {

class FaultyStore final : public Store {
 public:
  enum class When { before_effect, after_effect };

  explicit FaultyStore(Store& behind);  // outlives this
  ~FaultyStore() override;

  // The `nth` commit from now (1: the next) fails, once. acquire_epoch counts as a commit.
  void fail_commit(int64_t nth, When when, Error error = {ErrorKind::io, "commit: No space left on device (injected)"});
  // From now on every commit fails before its effect, until `heal`: a full disk.
  void fail_all_commits(Error error = {ErrorKind::io, "commit: No space left on device (injected)"});
  // The `nth` call from now of any verb (reads and settings too) fails, once, before its effect.
  void fail_call(int64_t nth, Error error = {ErrorKind::unavailable, "the store does not answer (injected)"});
  void heal();
  int64_t commits() const;  // so far, those that failed too
  int64_t calls() const;
  bool has_failed() const;  // whether anything was failed since the last fail_… or heal

  StoreReader& reader() override;
  StoreSettings& settings() override;
  StoreWriter& writer() override;
  StoreOutbox& outbox() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
