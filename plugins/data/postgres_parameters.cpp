#include "plugins/data/postgres_parameters.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/text.h"

namespace udon::data {
namespace {

constexpr uint32_t oid_text = 25, oid_date = 1082, oid_timestamp = 1114, oid_timestamptz = 1184;

std::string printed(const Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "true" : "false";
  return to_json(value);
}

// `instant` at the zone's wall clock, as a time without zone, or as a date if it is a midnight.
Result<std::string> wall_clock(const std::string& text, TimePoint instant, uint32_t type,
                               const PostgresParameterZone& zone) {
  const std::string wall = format_time(instant, *zone.zone).substr(0, 19);
  if (type == oid_date && wall.substr(11) != "00:00:00")
    return Error{ErrorKind::invalid,
                 fmt::format("{}: '{}' is {} in {}, which is no midnight, and is compared with a date", zone.where,
                             text, wall, zone.name)};
  const auto micros = instant.time_since_epoch().count() % 1'000'000;
  return micros == 0 ? wall : fmt::format("{}.{:06}", wall, micros < 0 ? micros + 1'000'000 : micros);
}

Result<std::string> as_parameter(const std::string& text, uint32_t type, const PostgresParameterZone& zone) {
  if (type != oid_date && type != oid_timestamp && type != oid_timestamptz) return text;
  const auto instant = parse_time(text);  // a plain date is one too, with its midnight in UTC
  const bool is_plain_date = text.size() == 10;
  if (type == oid_timestamptz) {
    if (instant && !is_plain_date) return text;
    if (!zone.zone)
      return Error{ErrorKind::invalid, fmt::format("{}: '{}' has no offset and is compared with an instant; write the "
                                                   "offset, or say `timezone:`",
                                                   zone.where, text)};
    return text + " " + zone.name;  // the server reads a time with a zone's name
  }
  if (!instant || is_plain_date) return text;  // a wall clock, as the column is
  if (!zone.zone)
    return Error{ErrorKind::invalid, fmt::format("{}: the instant '{}' is compared with a column without zone; say "
                                                 "`timezone:`, the zone that its times are meant in",
                                                 zone.where, text)};
  return wall_clock(text, *instant, type, zone);
}

std::string type_name(PostgresSession& session, uint32_t type) {
  const auto found = session.query("select pg_catalog.format_type($1::pg_catalog.oid, null)", {{std::to_string(type)}});
  return found && !found->rows.empty() ? found->rows[0][0].value_or("text") : "text";
}

}  // namespace

Result<std::shared_ptr<const TimeZone>> zone_of_parameter(const std::string& timezone) {
  if (timezone.empty()) return std::shared_ptr<const TimeZone>();
  auto zone = TimeZone::find(timezone);
  if (!zone)
    return Error{ErrorKind::invalid,
                 fmt::format("timezone: `{}` is no time zone{}", timezone, did_you_mean(timezone, known_timezones()))};
  return *zone;
}

Result<std::optional<std::string>> postgres_parameter(const Value& value, uint32_t type,
                                                      const PostgresParameterZone& zone) {
  if (value.is_null()) return std::optional<std::string>();
  TRY_ASSIGN(std::string text, as_parameter(printed(value), type, zone));
  return std::optional(std::move(text));
}

Result<std::string> with_postgres_literals(PostgresSession& session, const BoundSql& bound,
                                           const std::vector<uint32_t>& types, const PostgresParameterZone& zone) {
  std::vector<std::string> literals;
  for (size_t i = 0; i < bound.values.size(); ++i) {
    const uint32_t type = i < types.size() ? types[i] : oid_text;
    TRY_ASSIGN(const std::optional<std::string> text, postgres_parameter(bound.values[i], type, zone));
    if (!text) {
      literals.push_back(fmt::format("null::{}", type_name(session, type)));
      continue;
    }
    TRY_ASSIGN(const std::string literal, session.literal(*text));
    literals.push_back(fmt::format("{}::{}", literal, type_name(session, type)));
  }
  return with_literals(bound, literals);
}

}  // namespace udon::data
