#pragma once
// Which handler answers which method and path, and who may ask. Filled once at the start, then read by all threads.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "web/http.h"

namespace udon::web {

// What a person may do; each role may do all that the ones before it may. Airflow's simple auth manager.
enum class Role {
  viewer,  // look at DAGs, runs, logs, XComs, pools
  user,    // and trigger, clear, mark, kill, pause
  op,      // and pools, connections, variables, settings
  admin,   // and users and tokens
};
std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

struct User {
  std::string name;
  Role role = Role::viewer;
};

// Who may call a route: nobody in particular, a person of at least a role, or a live try (which task_api.h checks).
struct Access {
  enum class Kind { open, person, live_try };
  Kind kind = Kind::person;
  Role role = Role::viewer;
};
inline constexpr Access open_to_all{Access::Kind::open, Role::viewer};
inline constexpr Access for_live_tries{Access::Kind::live_try, Role::viewer};
inline constexpr Access at_least(Role role) { return {Access::Kind::person, role}; }

// One request on its way through its handler.
struct Call {
  const Request& request;
  std::map<std::string, std::string, std::less<>> path;  // what stood for {dag_id} and the like
  User user;                                             // empty on open routes

  const std::string& part(std::string_view name) const;  // of `path`; the route's pattern must name it
};

using Handler = std::function<Result<Response>(const Call&)>;

struct Route {
  std::string method;
  std::string pattern;  // "/api/v2/dags/{dag_id}/details"
  Access access;
  std::string summary;  // one sentence, for openapi.json
  Handler handler;
};

class Router {
 public:
  // Given a request, the user that it comes from, or the answer that refuses it (401, 403).
  using Authenticate = std::function<tl::expected<User, Response>(const Request&)>;

  explicit Router(Authenticate authenticate) : authenticate_(std::move(authenticate)) {}

  void add(std::string_view method, std::string_view pattern, Access access, std::string_view summary, Handler handler);
  // Never throws: a handler's exception is a 500 that says nothing of its inside, and a line in the log.
  Response handle(const Request& request) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Compiled {
    std::vector<std::string> segments;
    size_t route;
  };
  std::optional<std::map<std::string, std::string, std::less<>>> match(const Compiled& compiled,
                                                                       const Request& request) const;
  Authenticate authenticate_;
  std::vector<Route> routes_;
  std::map<size_t, std::vector<Compiled>> by_length_;  // literal segments before {} ones
};

}  // namespace udon::web
