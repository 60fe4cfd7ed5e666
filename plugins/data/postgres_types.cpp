#include "plugins/data/postgres_types.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plugins/data/exact_number.h"
#include "plugins/db/sql_text.h"

namespace udon::data {
namespace {

// pg_type.dat: the OIDs of built-in types never change.
enum Oid : uint32_t {
  oid_bool = 16,
  oid_bytea = 17,
  oid_int8 = 20,
  oid_int2 = 21,
  oid_int4 = 23,
  oid_text = 25,
  oid_oid = 26,
  oid_json = 114,
  oid_xml = 142,
  oid_float4 = 700,
  oid_float8 = 701,
  oid_money = 790,
  oid_inet = 869,
  oid_cidr = 650,
  oid_bpchar = 1042,
  oid_varchar = 1043,
  oid_date = 1082,
  oid_timestamp = 1114,
  oid_time = 1083,
  oid_timestamptz = 1184,
  oid_interval = 1186,
  oid_numeric = 1700,
  oid_uuid = 2950,
  oid_jsonb = 3802,
};

constexpr int money_digits = 19;  // int64, two of them behind the point

const auto utc_microseconds = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
const auto wall_microseconds = arrow::timestamp(arrow::TimeUnit::MICRO);

// How to have a value as text exactly as the server prints it. An explicit cast is not always that: inet's adds /32.
std::string as_printed(uint32_t type, const std::string& column) {
  if (type == oid_inet) return "pg_catalog.textin(pg_catalog.inet_out(" + column + "))";
  if (type == oid_cidr) return "pg_catalog.textin(pg_catalog.cidr_out(" + column + "))";
  return column + "::pg_catalog.text";
}

struct Planned {
  PostgresValuePlan value;
  bool as_text = false;  // not readable off the wire: the server's text is
};

Planned text_plan() { return {.value = {.kind = PostgresKind::text, .type = arrow::utf8()}, .as_text = true}; }

TextForm form_of(const PostgresCatalogColumn& column) {
  if (column.type_kind == 'e') return TextForm::characters;
  switch (column.type) {
    case oid_text:
    case oid_varchar:
    case oid_bpchar:
    case oid_bytea: return TextForm::characters;
    case oid_numeric: return TextForm::digits;
    case oid_time: return TextForm::time;
    case oid_interval: return TextForm::interval;
    case oid_uuid: return TextForm::uuid;
    default: return TextForm::opaque;
  }
}

// Can a policy make a NULL of a value of the kind?
bool becomes_null(PostgresKind kind, const Policies& policies) {
  switch (kind) {
    case PostgresKind::date:
    case PostgresKind::wall_clock:
    case PostgresKind::instant: return policies.infinity == "null" || policies.ancient_dates == "null";
    case PostgresKind::decimal: return policies.nan == "null" || policies.infinity == "null";
    case PostgresKind::text: return policies.invalid_text == "null";
    default: return false;
  }
}

// numeric's modifier: ((precision << 16) | (scale & 0x7ff)) + 4; the scale is a signed number of 11 bits.
Planned plan_numeric(int32_t modifier) {
  if (modifier < 4) return text_plan();
  const int precision = (modifier - 4) >> 16 & 0xffff;
  const int scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  if (precision > decimal_digits_max || scale < 0 || scale > precision) return text_plan();
  return {.value = {.kind = PostgresKind::decimal,
                    .type = arrow::decimal128(precision, scale),
                    .precision = precision,
                    .scale = scale}};
}

// `is_zoned`: wall clocks are of the request's zone.
Planned plan_value(uint32_t type, int32_t modifier, bool is_zoned) {
  switch (type) {
    case oid_bool: return {.value = {.kind = PostgresKind::boolean, .type = arrow::boolean()}};
    case oid_int2: return {.value = {.kind = PostgresKind::int16, .type = arrow::int16()}};
    case oid_int4: return {.value = {.kind = PostgresKind::int32, .type = arrow::int32()}};
    case oid_int8: return {.value = {.kind = PostgresKind::int64, .type = arrow::int64()}};
    case oid_oid: return {.value = {.kind = PostgresKind::oid, .type = arrow::int64()}};
    case oid_float4: return {.value = {.kind = PostgresKind::float32, .type = arrow::float32()}};
    case oid_float8: return {.value = {.kind = PostgresKind::float64, .type = arrow::float64()}};
    case oid_numeric: return plan_numeric(modifier);
    case oid_date: return {.value = {.kind = PostgresKind::date, .type = arrow::date32()}};
    case oid_timestamp:
      return {.value = {.kind = PostgresKind::wall_clock,
                        .type = is_zoned ? utc_microseconds : wall_microseconds,
                        .is_zoned = is_zoned}};
    case oid_timestamptz: return {.value = {.kind = PostgresKind::instant, .type = utc_microseconds}};
    case oid_bytea: return {.value = {.kind = PostgresKind::binary, .type = arrow::binary()}};
    // Their wire form is their text as it is; a cast would take the blanks of char(n).
    case oid_text:
    case oid_varchar:
    case oid_bpchar:
    case oid_json: return {.value = {.kind = PostgresKind::text, .type = arrow::utf8()}};
    default: return text_plan();
  }
}

// How long a value of a type without bound is. That of text and bytes stands in front of it, wherever it is kept; of
// others it is only known once they are unpacked and printed: so only of those that could be large then. Compression
// makes them at most 255 times smaller, and a control character of jsonb is printed as six.
std::string bytes_of(const PostgresCatalogColumn& column, const PostgresColumnPlan& plan, const std::string& quoted,
                     int64_t value_bytes_max) {
  constexpr int64_t shrinks_at_most = 255 * 6;
  const auto if_may_be_large = [&](const std::string& bytes) {
    return fmt::format("case when pg_catalog.pg_column_size({}) > {} then {} end", quoted,
                       value_bytes_max / shrinks_at_most, bytes);
  };
  if (column.element != 0 && plan.element != nullptr)
    return if_may_be_large(fmt::format("pg_catalog.octet_length(pg_catalog.array_send({}))", plan.select));
  switch (column.type) {
    case oid_varchar:
    case oid_bpchar:
      if (column.modifier >= 0 && int64_t{column.modifier} * 4 <= value_bytes_max) return "";
      [[fallthrough]];
    case oid_text:
    case oid_bytea: return fmt::format("pg_catalog.octet_length({})", quoted);
    case oid_json:
    case oid_jsonb:
    case oid_xml: return if_may_be_large(fmt::format("pg_catalog.octet_length({}::pg_catalog.text)", quoted));
    default: return "";
  }
}

PostgresColumnPlan plan_column(const PostgresCatalogColumn& column, const ColumnRequest& asked,
                               const TableRequest& request) {
  const std::string quoted = quote_identifier(column.name, SqlDialect::postgresql);
  PostgresColumnPlan plan;
  plan.info.request = asked;
  plan.info.source_type = column.type_text;
  plan.info.dictionary = column.type_kind == 'e';
  plan.select = quoted;
  // An override speaks of the wall clock as it is, unless it asks for the instant.
  const bool is_zoned = !request.timezone.empty() && (asked.type.empty() || asked.type == "timestamptz");
  const bool is_list = column.element != 0;
  const bool is_text = !is_list && column.type != oid_money &&
                       plan_value(column.type, column.modifier, is_zoned).value.kind == PostgresKind::text;
  if (asked.type == "string" && !is_text && column.type != oid_bytea) {
    // As the server prints it; money by way of numeric, as its own text depends on the server's language.
    plan.value = text_plan().value;
    if (column.type == oid_money || column.element == oid_money)
      plan.select =
          fmt::format("{}::pg_catalog.numeric({},2){}::pg_catalog.text", quoted, money_digits, is_list ? "[]" : "");
    else
      plan.select = quoted + "::pg_catalog.text";
    plan.info.is_recast = true;
  } else if (is_list) {
    Planned element = plan_value(column.element, column.modifier, is_zoned);
    if (column.element == oid_money) {
      element.value = {.kind = PostgresKind::decimal,
                       .type = arrow::decimal128(money_digits, 2),
                       .precision = money_digits,
                       .scale = 2};
      plan.select = fmt::format("{}::pg_catalog.numeric({},2)[]", quoted, money_digits);
    } else if (column.element == oid_inet || column.element == oid_cidr) {
      // Element by element in order, with NULLs, and nothing for a NULL array; no text for arrays that are no list.
      plan.select = fmt::format(
          "case when {0} is null then null when pg_catalog.array_ndims({0}) > 1 then {0}::pg_catalog.text[] else "
          "array(select {1} from pg_catalog.unnest({0}) with ordinality as u(e, n) order by n) end",
          quoted, as_printed(column.element, "e"));
    } else if (element.as_text) {
      plan.select = quoted + "::pg_catalog.text[]";
    }
    plan.element = std::make_shared<PostgresValuePlan>(element.value);
    plan.value = {.kind = PostgresKind::list, .type = arrow::list(element.value.type)};
  } else if (column.type == oid_money) {
    plan.value = {.kind = PostgresKind::decimal,
                  .type = arrow::decimal128(money_digits, 2),
                  .precision = money_digits,
                  .scale = 2};
    plan.select = fmt::format("{}::pg_catalog.numeric({},2)", quoted, money_digits);
  } else {
    const Planned planned = plan_value(column.type, column.modifier, is_zoned);
    plan.value = planned.value;
    if (planned.as_text) plan.select = as_printed(column.type, quoted);
  }
  plan.bytes = bytes_of(column, plan, quoted, request.value_bytes_max);
  plan.info.type = plan.value.type;
  plan.info.text_form = form_of(column);
  // Whatever the table says.
  plan.info.nullable = column.is_nullable || becomes_null(plan.value.kind, request.policies);
  return plan;
}

}  // namespace

Result<std::vector<PostgresColumnPlan>> plan_postgres_columns(const std::vector<PostgresCatalogColumn>& catalog,
                                                              const TableRequest& request) {
  std::vector<PostgresColumnPlan> plans;
  if (request.all_columns) {
    for (const PostgresCatalogColumn& column : catalog)
      plans.push_back(
          plan_column(column, {.source_name = column.name, .name = column.name, .mask = "", .type = ""}, request));
    return plans;
  }
  std::vector<std::string> names;
  for (const PostgresCatalogColumn& column : catalog) names.push_back(column.name);
  for (const ColumnRequest& asked : request.columns) {
    const auto it =
        std::find_if(catalog.begin(), catalog.end(), [&](const auto& c) { return c.name == asked.source_name; });
    if (it == catalog.end())
      return Error{ErrorKind::not_found,
                   fmt::format("table {} has no column `{}`{}; it has {}", request.table, asked.source_name,
                               did_you_mean(asked.source_name, names), join(names, ", "))};
    plans.push_back(plan_column(*it, asked, request));
  }
  return plans;
}

}  // namespace udon::data
