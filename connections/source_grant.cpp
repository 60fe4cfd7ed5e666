#include "connections/source_grant.h"

namespace udon {
namespace {

constexpr int64_t readers_max = std::numeric_limits<int>::max();
constexpr size_t waits_bytes_max = 4096;  // a sentence, with what a server may have said

Result<int> readers_in(const Value& value, const char* key) {
  const Value* found = value.find(key);
  if (found == nullptr || !found->is_int() || found->as_int() < 0 || found->as_int() > readers_max)
    return Error{ErrorKind::invalid, std::string(key) + ": expected a number of readers"};
  return static_cast<int>(found->as_int());
}

}  // namespace

Value to_value(const SourceAsk& ask) {
  return Value::Map{{"connection", ask.connection},
                    {"readers_wanted", ask.readers_wanted},
                    {"readers_held", ask.readers_held},
                    {"rows_per_second_held", ask.rows_per_second_held},
                    {"waits", ask.waits}};
}

Result<SourceAsk> parse_source_ask(const Value& value) {
  SourceAsk ask;
  ask.connection = value.is_map() ? value.text("connection") : "";
  if (ask.connection.empty()) return Error{ErrorKind::invalid, "connection: expected an id"};
  TRY_ASSIGN(ask.readers_wanted, readers_in(value, "readers_wanted"));
  TRY_ASSIGN(ask.readers_held, readers_in(value, "readers_held"));
  const Value& held = value.get("rows_per_second_held");
  if (!held.is_number() || !(held.as_double() >= 0))
    return Error{ErrorKind::invalid, "rows_per_second_held: expected a number"};
  ask.rows_per_second_held = held.as_double();
  ask.waits = value.text("waits");
  if (ask.waits.size() > waits_bytes_max)
    return Error{ErrorKind::invalid, "waits: longer than " + std::to_string(waits_bytes_max) + " bytes"};
  return ask;
}

Value to_value(const SourceGrant& grant) {
  return Value::Map{{"bounds", to_value(grant.bounds)},
                    {"readers", grant.readers},
                    {"rows_per_second", grant.rows_per_second ? Value(*grant.rows_per_second) : Value()},
                    {"readers_elsewhere", grant.readers_elsewhere},
                    {"reason", grant.reason}};
}

Result<SourceGrant> parse_source_grant(const Value& value) {
  SourceGrant grant;
  if (!value.is_map() || !value.get("bounds").is_map())
    return Error{ErrorKind::data, "the answer is no grant of a source"};
  grant.bounds = source_bounds_of(value.get("bounds"));
  TRY_ASSIGN(grant.readers, readers_in(value, "readers"));
  TRY_ASSIGN(grant.readers_elsewhere, readers_in(value, "readers_elsewhere"));
  if (const Value& rows = value.get("rows_per_second"); rows.is_number()) grant.rows_per_second = rows.as_double();
  grant.reason = value.text("reason");
  return grant;
}

}  // namespace udon
