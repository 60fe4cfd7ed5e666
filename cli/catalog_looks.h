#pragma once
// When the DAG files are looked at: in turn, with pauses, and sooner if somebody asks for a DAG that is not there,
// whose file may just have been written.
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "base/clock.h"

namespace udon::cli {

// Who asks waits in a thread of the HTTP server; of those there are few.
inline constexpr int looks_waited_for_max = 4;
inline constexpr Duration look_waited_for_max = std::chrono::seconds(3);

class CatalogLooks {
 public:
  explicit CatalogLooks(const Clock& clock, Duration wait_max = look_waited_for_max)
      : clock_(clock), wait_max_(wait_max) {}

  // Any thread: waits until a look that began after the call is over. All who ask meanwhile share it. false: that would
  // take too long, too many wait already, or there will be none.
  bool ask();
  int waiting() const;  // who asked

  // The thread that looks: begin(), the look, end(); then wait() until the next one is due. Out of turn as much as in
  // turn it takes a part of a processor that does not depend on how many ask: a twentieth.
  void begin();
  void end();
  void wait(const std::stop_token& stop);
  void close();  // there will be no more

 private:
  const Clock& clock_;
  const Duration wait_max_;
  mutable std::mutex mutex_;  // what follows
  std::condition_variable_any changed_;
  uint64_t begun_ = 0, ended_ = 0;
  bool is_asked_ = false, is_closed_ = false;
  int waiting_ = 0;
  Duration began_at_{0}, ended_at_{0};
};

}  // namespace udon::cli
