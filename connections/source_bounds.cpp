#include "connections/source_bounds.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.h"

namespace udon {
namespace {

// The one list of the bounds.
template <class Count, class Time>
void each_bound(Count&& count, Time&& time) {
  count("max_readers", &SourceBounds::max_readers);
  count("max_rows_per_second", &SourceBounds::max_rows_per_second);
  time("max_lag", &SourceBounds::max_lag);
  count("max_threads_running", &SourceBounds::max_threads_running);
  time("max_snapshot_age", &SourceBounds::max_snapshot_age);
}

std::vector<std::string> bound_names() {
  std::vector<std::string> names;
  const auto add = [&](const char* name, auto) { names.emplace_back(name); };
  each_bound(add, add);
  return names;
}

std::optional<int64_t> parse_count(const std::string& text) {
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

// An option may stand there as a number: a URI's __extra__ is JSON.
std::string text_of(const Value& value) { return value.is_string() ? value.as_string() : to_json(value); }

}  // namespace

std::string source_of(const Connection& connection) {
  const std::string type = connection.type + "://";
  if (const std::string socket = connection.option("unix_socket"); !socket.empty()) return type + socket;
  const std::string host = connection.host.empty() ? "127.0.0.1" : lower_ascii(connection.host);
  const int usual = connection.type == "mysql" ? 3306 : connection.type == "postgresql" ? 5432 : 0;
  const int port = connection.port == 0 ? usual : connection.port;
  return type + (host.find(':') != host.npos ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<SourceBounds> parse_source_bounds(const Connection& connection) {
  SourceBounds bounds;
  if (connection.type != "mysql" && connection.type != "postgresql") return bounds;
  static const std::vector<std::string> names = bound_names();
  for (const auto& [key, value] : connection.extra.as_map()) {
    if (!key.starts_with("max_")) continue;
    const auto wrong = [&](const std::string& expected) {
      return Error{ErrorKind::invalid,
                   "connection " + connection.id + ": " + key + "=" + text_of(value) + ": expected " + expected};
    };
    if (std::ranges::find(names, key) == names.end())
      return Error{ErrorKind::invalid, "connection " + connection.id + ": there is no option " + key +
                                           "; the bounds of a server are " + join(names, ", ") +
                                           did_you_mean(key, names)};
    std::optional<Error> failure;
    each_bound(
        [&](std::string_view name, std::optional<int64_t> SourceBounds::*bound) {
          if (name != key) return;
          bounds.*bound = parse_count(text_of(value));
          if (!(bounds.*bound)) failure = wrong("a whole number from 1");
        },
        [&](std::string_view name, std::optional<Duration> SourceBounds::*bound) {
          if (name != key) return;
          const auto parsed = parse_duration(text_of(value));
          if (parsed && *parsed > Duration(0))
            bounds.*bound = *parsed;
          else
            failure = wrong("a duration, such as 30s or 2h");
        });
    if (failure) return *failure;
  }
  return bounds;
}

SourceBounds strictest(const SourceBounds& one, const SourceBounds& other) {
  SourceBounds both;
  const auto smaller = [&](std::string_view, auto bound) {
    both.*bound = one.*bound && other.*bound ? std::min(one.*bound, other.*bound)
                  : one.*bound               ? one.*bound
                                             : other.*bound;
  };
  each_bound(smaller, smaller);
  return both;
}

Value to_value(const SourceBounds& bounds) {
  Value value = Value::map();
  each_bound(
      [&](std::string_view name, auto bound) {
        if (bounds.*bound) value.set(name, *(bounds.*bound));
      },
      [&](std::string_view name, auto bound) {
        if (bounds.*bound) value.set(std::string(name) + "_us", static_cast<int64_t>((bounds.*bound)->count()));
      });
  return value;
}

SourceBounds source_bounds_of(const Value& value) {
  SourceBounds bounds;
  each_bound(
      [&](std::string_view name, auto bound) {
        if (const Value* found = value.find(name); found != nullptr && found->is_int()) bounds.*bound = found->as_int();
      },
      [&](std::string_view name, auto bound) {
        if (const Value* found = value.find(std::string(name) + "_us"); found != nullptr && found->is_int())
          bounds.*bound = Duration(found->as_int());
      });
  return bounds;
}

}  // namespace udon
