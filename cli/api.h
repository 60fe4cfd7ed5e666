#pragma once
// How the verbs ask: the public API, over whatever carries it. Whether that is a server far away, the socket of the one
// here, or the router in this very process on the store, the verbs cannot tell.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/value.h"
#include "cli/settings.h"

namespace udon::cli {

struct ApiAnswer {
  int status = 0;
  std::string body;
  std::string continuation;  // header Airflow-Continuation-Token
};

class Api {
 public:
  virtual ~Api() = default;
  // Errors are those of the way there (unavailable, denied); an answer of any status is an answer.
  virtual Result<ApiAnswer> send(const std::string& method, const std::string& target, const std::string& body,
                                 const std::string& accept) = 0;
  // Whether a scheduler is behind it.
  virtual bool is_live() const = 0;

  // The answer's JSON, or its error as one of ours: kind by status, message by "detail".
  Result<Value> get(const std::string& target);
  Result<Value> post(const std::string& target, const Value& body);
  Result<Value> patch(const std::string& target, const Value& body);
  Result<void> remove(const std::string& target);
  // All rows of a list, page by page, until `most` (all if absent): the list object as one page would be.
  Result<Value> get_all(const std::string& target, std::string_view plural, std::optional<int64_t> most = {});
};

Error error_of_answer(const ApiAnswer& answer);

// "/api/v2/dags/" + path_of({"my dag", "dagRuns"}): segments percent-encoded, joined by '/'.
std::string path_of(std::initializer_list<std::string_view> segments);
// "?a=1&b=2" of the pairs whose values are not empty.
std::string query_of(const std::vector<std::pair<std::string_view, std::string>>& pairs);

enum class Access { read, write };

// A server at a URL ("https://udon.example:8080"), with a bearer token.
Result<std::unique_ptr<Api>> connect_to_server(const std::string& url, const std::string& token);
// The server of a home, over its socket; nothing: none listens there.
Result<std::unique_ptr<Api>> connect_to_socket(const Path& socket);
// The API in this process, on the store of a home that no scheduler has. Takes the scheduler's lock for as long as it
// lives if it may write.
Result<std::unique_ptr<Api>> open_store_api(const Path& home, const Settings& settings, Access access);

}  // namespace udon::cli
