#include "web/router.h"

#include <algorithm>
#include <exception>

#include "base/ensure.h"
#include "base/log.h"
#include "base/text.h"

namespace udon::web {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::viewer: return "viewer";
    case Role::user: return "user";
    case Role::op: return "op";
    case Role::admin: return "admin";
  }
  return "";
}

std::optional<Role> parse_role(std::string_view text) {
  for (const Role role : {Role::viewer, Role::user, Role::op, Role::admin})
    if (to_string(role) == text) return role;
  return std::nullopt;
}

const std::string& Call::part(std::string_view name) const {
  const auto found = path.find(name);
  ENSURE(found != path.end(), "a handler asked for a part of the path that its route does not name");
  return found->second;
}

namespace {
bool is_placeholder(const std::string& segment) { return segment.size() > 2 && segment.front() == '{'; }
}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Access access, std::string_view summary,
                 Handler handler) {
  ENSURE(!pattern.empty() && pattern.front() == '/', "a route's pattern starts with /");
  routes_.push_back({std::string(method), std::string(pattern), access, std::string(summary), std::move(handler)});
  Compiled compiled{split(pattern.substr(1), '/'), routes_.size() - 1};
  auto& same_length = by_length_[compiled.segments.size()];
  // "/tries/{n}" and "/{map_index}/tries" both match "/tries/tries": the literal that comes first wins.
  const auto place = std::find_if(same_length.begin(), same_length.end(), [&](const Compiled& other) {
    for (size_t i = 0; i < compiled.segments.size(); ++i) {
      const bool mine = is_placeholder(compiled.segments[i]), theirs = is_placeholder(other.segments[i]);
      if (mine != theirs) return theirs;
    }
    return false;
  });
  same_length.insert(place, std::move(compiled));
}

std::optional<std::map<std::string, std::string, std::less<>>> Router::match(const Compiled& compiled,
                                                                             const Request& request) const {
  std::map<std::string, std::string, std::less<>> parts;
  for (size_t i = 0; i < compiled.segments.size(); ++i) {
    const std::string& segment = compiled.segments[i];
    if (is_placeholder(segment)) {
      if (request.path[i].empty()) return std::nullopt;
      parts.emplace(segment.substr(1, segment.size() - 2), request.path[i]);
    } else if (segment != request.path[i]) {
      return std::nullopt;
    }
  }
  return parts;
}

Response Router::handle(const Request& request) const {
  try {
    const std::string method = request.method == "HEAD" ? "GET" : request.method;
    std::vector<std::string> allowed;
    const auto same_length = by_length_.find(request.path.size());
    if (same_length != by_length_.end()) {
      for (const Compiled& compiled : same_length->second) {
        auto parts = match(compiled, request);
        if (!parts) continue;
        const Route& route = routes_[compiled.route];
        if (route.method != method) {
          allowed.push_back(route.method);
          continue;
        }
        Call call{request, *std::move(parts), {}};
        if (route.access.kind == Access::Kind::person) {
          auto user = authenticate_(request);
          if (!user) return user.error();
          if (user->role < route.access.role)
            return error_response(403, "Forbidden: this needs the role " + std::string(to_string(route.access.role)) +
                                           ", " + user->name + " has " + std::string(to_string(user->role)));
          call.user = *std::move(user);
        }
        Result<Response> response = route.handler(call);
        return response ? *std::move(response) : error_response(response.error());
      }
    }
    if (allowed.empty()) return error_response(404, "Not Found");
    Response response = error_response(405, "Method Not Allowed");
    response.headers.emplace_back("Allow", join(allowed, ", "));
    return response;
  } catch (const std::exception& e) {
    log_error("web", request.method + " /" + join(request.path, "/") + ": " + e.what());
  }
  return error_response(500, "Internal Server Error");
}

}  // namespace udon::web
