#pragma once
// A store that answers as a test says, and our file system before it.
#include <mutex>
#include <string>
#include <vector>

#include "base/text.h"
#include "tests/io/store.h"
#include "tests/support/fault_server.h"

namespace udon::test {

inline std::string xml_error(const std::string& code, const std::string& message = "The store's words.",
                             const std::string& more = {}) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code><Message>" + message +
         "</Message>" + more + "</Error>";
}

// A store's answers in their order; the last one again and again.
class FaultStore {
 public:
  explicit FaultStore(std::vector<FaultReply> answers)
      : answers_(std::move(answers)), server_([this](const SeenRequest&) {
          const std::lock_guard lock(mutex_);
          return answers_[std::min(next_++, answers_.size() - 1)];
        }) {}
  const FaultServer& server() const { return server_; }
  size_t asked() const { return server_.requests().size(); }

 private:
  std::mutex mutex_;
  std::vector<FaultReply> answers_;
  size_t next_ = 0;
  FaultServer server_;
};

struct FaultClient {
  FakeClock clock{*parse_time("2026-01-31T12:00:00Z")};
  std::vector<Duration> pauses;
  std::stop_source stop;
  bool stops_at_pause = false;
  std::vector<std::string> log;
  std::unique_ptr<FileSystem> files;

  explicit FaultClient(const FaultServer& server, const std::string& options = {},
                       Duration stall = std::chrono::seconds(30)) {
    IoContext context{.clock = clock, .stop = stop.get_token(), .environment = {}, .stall = stall};
    context.pause = [this](Duration duration, const std::stop_token&) {
      pauses.push_back(duration);
      return !stops_at_pause;
    };
    context.log = [this](std::string_view line) { log.emplace_back(line); };
    const auto connection = parse_connection_uri(
        "lake", "aws://AKIDLAKE:very-secret-key@/?aws_session_token=very-secret-token&endpoint_url=" +
                    percent_encode(server.url()) + options);
    REQUIRE(connection);
    files = open_store(*connection, "lake", context);
  }
};

inline void check_no_secret(const Error& error) { CHECK_THAT(error.message, !Catch::Contains("very-secret")); }

}  // namespace udon::test
