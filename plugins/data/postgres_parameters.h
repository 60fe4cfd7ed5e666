#pragma once
// Values for places in a statement of PostgreSQL, by the types that the server infers for them.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/timezone.h"
#include "base/value.h"
#include "plugins/db/postgres/session.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

// The zone of parameter `timezone`; nullptr: none was said. invalid, with the nearest name: there is no such zone.
Result<std::shared_ptr<const TimeZone>> zone_of_parameter(const std::string& timezone);

struct PostgresParameterZone {
  std::shared_ptr<const TimeZone> zone;  // may be nullptr
  std::string name;
  std::string where;  // the parameter that values come from, for messages: "where"
};

// The value as text for a place of that type; nothing is NULL. An instant against a column without zone would silently
// lose its offset, and a time without offset against one with zone would silently be taken as UTC: the zone's wall
// clock, or invalid if no zone was said.
Result<std::optional<std::string>> postgres_parameter(const Value& value, uint32_t type,
                                                      const PostgresParameterZone& zone);

// For COPY, which takes no bound values: literals in the values' places, quoted by libpq and cast to the type that the
// server itself infers for each.
Result<std::string> with_postgres_literals(PostgresSession& session, const BoundSql& bound,
                                           const std::vector<uint32_t>& types, const PostgresParameterZone& zone);

}  // namespace udon::data
