#pragma once
// What a verb works with: where the installation is, who answers (a server, its socket, or the store itself), and where
// output goes. Made once by main.
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "cli/api.h"
#include "cli/output.h"
#include "cli/settings.h"

namespace udon::cli {

class Session {
 public:
  Session(Output output, Path home, Settings settings, const Clock& clock)
      : output_(std::move(output)), home_(std::move(home)), settings_(std::move(settings)), clock_(clock) {}

  Output& output() { return output_; }
  const Path& home() const { return home_; }
  const Settings& settings() const { return settings_; }
  const Clock& clock() const { return clock_; }

  // Who answers: UDON_SERVER with UDON_TOKEN, the live server of this home, or its store under the scheduler's lock.
  // `access`: whether the verb may write to the store where no server runs.
  Result<Api*> api(Access access = Access::read);
  void forget_api() { api_.reset(); }  // so that the next one is found anew

 private:
  Output output_;
  Path home_;
  Settings settings_;
  const Clock& clock_;
  std::unique_ptr<Api> api_;
};

}  // namespace udon::cli
