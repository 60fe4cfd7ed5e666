#pragma once
// What a try asks of the server that started it, over its socket, with the try's own token.
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "base/value.h"
#include "connections/connection.h"
#include "connections/source_grant.h"
#include "worker/task/http_client.h"

namespace udon {

// Thread-safe.
class Door {
 public:
  struct Options {
    Path socket;
    std::string try_id;
    std::string token;
    // How long a server that is not there is waited for: a try outlives its scheduler, and a restart takes seconds.
    std::chrono::milliseconds patience{0};
    std::chrono::milliseconds timeout = std::chrono::seconds(30);  // of one request
    std::function<void(const std::string&)> tell;                  // once, when waiting begins; may be empty
  };
  Door(Options options, std::stop_token stop) : options_(std::move(options)), stop_(std::move(stop)) {}

  Result<Connection> connection(const std::string& id) const;
  Result<std::string> variable(const std::string& key) const;
  // Nothing: no such XCom. Without a map index of a mapped task: a list over all.
  Result<std::optional<Value>> xcom(const std::string& task_id, const std::string& key,
                                    std::optional<int> map_index) const;
  // Never waits for a server that is not there.
  Result<SourceGrant> source(const SourceAsk& ask) const;
  // TaskContext::trigger_dag_run and look_at_dag_run.
  Result<Value> trigger_dag_run(const Value& wish) const { return post("/task/v1/dag_runs", wish); }
  Result<Value> look_at_dag_run(const Value& question) const { return post("/task/v1/dag_runs/look", question); }

 private:
  HttpRequest request(const std::string& target) const;
  Result<Value> get(const std::string& target) const;
  Result<Value> post(const std::string& target, const Value& body) const;
  Result<HttpResponse> ask_patiently(const HttpRequest& request) const;

  const Options options_;
  const std::stop_token stop_;
};

}  // namespace udon
