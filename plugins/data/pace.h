#pragma once
// Reading gently: keeps the readers of one try within the bounds of their server, which are shared by all tries
// (connections/source_bounds.h). A thread asks each second for the try's share, and looks every few seconds at how the
// server fares; readers that should not read stand still between two batches.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "connections/source_grant.h"
#include "plugins/data/pace_rules.h"
#include "plugins/data/source_observer.h"

namespace udon::data {

class Pace {
 public:
  struct Options {
    std::string connection;  // its id
    std::string source;      // source_of, for messages
    std::function<Result<SourceGrant>(const SourceAsk&)> ask;
    std::unique_ptr<SourceObserver> observer;
    std::function<void(const std::string&)> log;  // called on the thread
    const Clock& clock;
    Duration ask_each = std::chrono::seconds(1);
    Duration look_each = std::chrono::seconds(3);
  };
  explicit Pace(Options options);
  ~Pace();
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;

  // When readers may have to stand still. never: the transaction has locks, for which others would wait; it waits only
  // before it begins.
  enum class Standing { between_batches, never };

  // Before the snapshot is opened: waits until at least one reader may read, and says how many of `readers` may be
  // opened. `on_failure` is called on the thread, once, if the reading must end; failure() tells why.
  Result<int> begin(int readers, const std::stop_token& stop, std::function<void()> on_failure,
                    Standing standing = Standing::between_batches);
  bool has_begun() const { return thread_.joinable(); }
  void opened(int sessions);  // that read, and hold the snapshot
  void end();                 // all has been read: gives back what was granted. Harmless a second time
  std::optional<Error> failure() const;
  // How many rows may come at once so that the rate is kept from second to second; at most `most`.
  int64_t batch_rows(int64_t most) const;

  // One reader, on its thread.
  class Turn {
   public:
    explicit Turn(Pace* pace) : pace_(pace) {}  // nullptr: there is nothing to keep to
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    // Waits until it may read. cancelled; or what ends the try.
    Result<void> before_batch(const std::stop_token& stop);
    void after_batch(int64_t rows);
    // Of a session lost after it had stood still for long: says so.
    Error explain(const Error& error) const;

   private:
    Pace* pace_;
    bool reads_ = false;
    Duration stood_still_{0};
  };

 private:
  enum class Phase { waiting, reading };
  enum class Told { going, standing };

  void run(const std::stop_token& stop);
  void ask(const std::stop_token& stop);
  void look(const std::stop_token& stop);
  void decide();
  void fail(const Error& error);
  void set_rate();
  int all_readers() const;
  std::string whatever_stands_against() const;
  void tell(const std::string& against, int short_by);

  Options options_;
  SourceHealth health_;  // what follows: the thread only
  Throttle throttle_;
  std::optional<SourceLook> seen_;
  Duration next_look_{0}, stands_since_{0};
  Told told_ = Told::going;
  Standing standing_ = Standing::between_batches;  // set before the thread starts
  std::string waits_;                              // what the next ask says of it
  int told_short_ = 0;                             // readers that stand still for others
  bool is_unheard_ = false;
  int64_t rows_at_look_ = 0;
  Duration looked_at_{0};

  std::atomic<int> sessions_ = 0;  // that are open
  mutable std::mutex mutex_;       // what follows; grant_ and phase_ are written by the thread only
  std::condition_variable_any changed_;
  uint64_t version_ = 0;  // of all that a wait is for
  Phase phase_ = Phase::waiting;
  std::optional<SourceGrant> grant_;
  std::string against_;  // reading: of the server's health
  std::optional<Error> failure_;
  std::function<void()> on_failure_;
  RowRate rate_;
  int wanted_ = 0, reading_ = 0;
  int64_t rows_ = 0;
  Duration began_{0};  // the snapshot
  std::jthread thread_;
};

}  // namespace udon::data
