#include "plugins/data/mysql_types.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "plugins/data/exact_number.h"
#include "plugins/db/sql_text.h"

namespace udon::data {
namespace {

bool is_geometry(const std::string& type) {
  static const std::set<std::string> types{"geometry",      "point",           "linestring",   "polygon",
                                           "multipoint",    "multilinestring", "multipolygon", "geometrycollection",
                                           "geomcollection"};
  return types.contains(type);
}

// Character sets whose every stored text comes out of the conversion to utf8mb4 as it was, or as invalid UTF-8.
bool converts_without_loss(const std::string& charset) {
  static const std::set<std::string> charsets{"utf8mb4", "utf8mb3", "utf8",    "latin1",
                                              "ucs2",    "utf16",   "utf16le", "utf32"};
  return charset.empty() || charsets.contains(charset);
}

struct Target {
  MysqlKind kind;
  std::shared_ptr<arrow::DataType> type;
};

// `is_zoned`: wall clocks are of the request's zone.
Result<Target> target_of(const MysqlCatalogColumn& column, bool is_zoned) {
  const std::string& type = column.data_type;
  const bool is_unsigned = column.column_type.find("unsigned") != std::string::npos ||
                           column.column_type.find("zerofill") != std::string::npos;
  const auto microseconds = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto utc_microseconds = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  using enum MysqlKind;
  if (type == "tinyint") return is_unsigned ? Target{int16, arrow::int16()} : Target{int8, arrow::int8()};
  if (type == "smallint") return is_unsigned ? Target{int32, arrow::int32()} : Target{int16, arrow::int16()};
  if (type == "mediumint") return Target{int32, arrow::int32()};
  if (type == "int" || type == "integer")
    return is_unsigned ? Target{int64, arrow::int64()} : Target{int32, arrow::int32()};
  if (type == "bigint") return is_unsigned ? Target{uint64, arrow::decimal128(20, 0)} : Target{int64, arrow::int64()};
  if (type == "year") return Target{int16, arrow::int16()};
  if (type == "bit") {
    if (column.precision == 1) return Target{boolean, arrow::boolean()};
    return column.precision == 64 ? Target{bits64, arrow::decimal128(20, 0)} : Target{bits, arrow::int64()};
  }
  if (type == "decimal" || type == "numeric") {
    if (column.precision > decimal_digits_max) return Target{digits, arrow::utf8()};
    return Target{decimal, arrow::decimal128(column.precision, column.scale)};
  }
  if (type == "float") return Target{float32, arrow::float32()};
  if (type == "double" || type == "real") return Target{float64, arrow::float64()};
  if (type == "date") return Target{date, arrow::date32()};
  if (type == "datetime") return Target{datetime, is_zoned ? utc_microseconds : microseconds};
  if (type == "timestamp") return Target{instant, utc_microseconds};
  if (type == "time") return Target{time, arrow::utf8()};
  if (type == "binary" || type == "varbinary" || type.ends_with("blob") || type == "vector")
    return Target{binary, arrow::binary()};
  if (is_geometry(type)) return Target{geometry, arrow::binary()};
  static const std::set<std::string> texts{"char", "varchar", "tinytext", "text", "mediumtext", "longtext",
                                           "enum", "set",     "json",     "uuid", "inet4",      "inet6"};
  if (texts.contains(type)) return Target{text, arrow::utf8()};
  return Error{ErrorKind::unsupported, "column `" + column.name + "` has type " + column.column_type +
                                           ", for which there is no exact place; leave it out of `columns`"};
}

// How the server prints a value of the kind; nothing for those that are text or bytes anyway. `quoted`: the column.
std::string as_printed(MysqlKind kind, const MysqlCatalogColumn& column, const std::string& quoted) {
  using enum MysqlKind;
  switch (kind) {
    case int8:
    case int16:
    case int32:
    case int64:
    case uint64:
    case decimal:
    case float64:
    case date:
    case datetime: return "cast(" + quoted + " as char)";
    // As a float it would be rounded to six digits; the double that it is reads back, as float and double, to the same.
    case float32: return "cast(" + quoted + " + 0e0 as char)";
    case instant: return "concat(cast(" + quoted + " as char), '+00')";  // the session's zone is UTC
    case boolean:
    case bits:
    case bits64: return "lpad(bin(" + quoted + " + 0), " + std::to_string(column.precision) + ", '0')";
    case digits:
    case time:
    case text:
    case binary:
    case geometry: return {};
  }
  return {};
}

TextForm form_of(MysqlKind kind, const std::string& type) {
  static const std::set<std::string> opaque{"json", "set", "inet4", "inet6", "vector"};
  if (kind == MysqlKind::digits) return TextForm::digits;
  if (kind == MysqlKind::time) return TextForm::time;
  if (type == "uuid" && kind == MysqlKind::text) return TextForm::uuid;
  if (kind != MysqlKind::text && kind != MysqlKind::binary) return TextForm::opaque;
  return opaque.contains(type) ? TextForm::opaque : TextForm::characters;
}

// Can a policy make a NULL of a value of the kind?
bool becomes_null(MysqlKind kind, const Policies& policies) {
  switch (kind) {
    case MysqlKind::date:
    case MysqlKind::datetime:
    case MysqlKind::instant: return policies.zero_dates == "null" || policies.ancient_dates == "null";
    case MysqlKind::text: return policies.invalid_text == "null";
    default: return false;
  }
}

MysqlColumnPlan plan_with(const MysqlCatalogColumn& column, ColumnRequest asked, Target target, bool is_zoned,
                          const TableRequest& request) {
  MysqlColumnPlan plan;
  plan.info.request = std::move(asked);
  plan.info.source_type = column.column_type;
  plan.info.type = std::move(target.type);
  plan.info.dictionary = column.data_type == "enum" || column.data_type == "set";
  plan.kind = target.kind;
  plan.is_zoned = target.kind == MysqlKind::datetime && is_zoned;
  plan.is_unsigned = plan.info.source_type.find("unsigned") != std::string::npos ||
                     plan.info.source_type.find("zerofill") != std::string::npos;
  plan.scale = column.scale;
  const std::string quoted = quote_identifier(column.name, SqlDialect::mysql);
  plan.select = quoted;
  if (plan.info.request.type == "string") {
    if (const std::string printed = as_printed(plan.kind, column, quoted); !printed.empty()) {
      plan.kind = MysqlKind::text;
      plan.info.type = arrow::utf8();
      plan.info.is_recast = true;
      plan.select = printed;
    }
  }
  plan.info.text_form = form_of(plan.kind, column.data_type);
  // Whatever the table says.
  plan.info.nullable = column.is_nullable || becomes_null(plan.kind, request.policies);
  const bool may_be_large = column.octets_max > request.value_bytes_max || column.data_type == "json";
  if ((plan.kind == MysqlKind::text || plan.kind == MysqlKind::binary) && may_be_large)
    // One more than allowed tells that a value is too large, without sending all of it.
    plan.select = "left(" + quoted + ", " + std::to_string(request.value_bytes_max + 1) + ")";
  if (plan.kind == MysqlKind::text && !converts_without_loss(column.charset)) {
    const std::string bytes = "cast(" + plan.select + " as binary)";
    plan.question_marks = "length(" + bytes + ") - length(replace(" + bytes + ", '?', ''))";
  }
  return plan;
}

}  // namespace

Result<std::vector<MysqlColumnPlan>> plan_mysql_columns(const std::vector<MysqlCatalogColumn>& catalog,
                                                        const TableRequest& request) {
  std::vector<ColumnRequest> asked = request.columns;
  if (request.all_columns) {
    asked.clear();
    for (const MysqlCatalogColumn& column : catalog)
      if (!column.is_invisible) asked.push_back({.source_name = column.name, .name = column.name});
  }
  if (asked.empty())
    return Error{ErrorKind::invalid, "no columns are chosen; write their names, or `columns: '*'` for all"};

  std::vector<std::string> names;
  for (const MysqlCatalogColumn& column : catalog) names.push_back(column.name);
  std::vector<MysqlColumnPlan> plans;
  for (ColumnRequest& column : asked) {
    // As MySQL does: exactly, or else without regard to case.
    auto found =
        std::find_if(catalog.begin(), catalog.end(), [&](const auto& c) { return c.name == column.source_name; });
    if (found == catalog.end())
      found = std::find_if(catalog.begin(), catalog.end(),
                           [&](const auto& c) { return lower_ascii(c.name) == lower_ascii(column.source_name); });
    if (found == catalog.end())
      return Error{ErrorKind::not_found, "there is no column `" + column.source_name + "`" +
                                             did_you_mean(column.source_name, names) +
                                             " (columns: " + join(names, ", ") + ")"};
    // An override speaks of the wall clock as it is, unless it asks for the instant.
    const bool is_zoned = !request.timezone.empty() && (column.type.empty() || column.type == "timestamptz");
    TRY_ASSIGN(Target target, target_of(*found, is_zoned));
    plans.push_back(plan_with(*found, std::move(column), std::move(target), is_zoned, request));
  }
  return plans;
}

namespace {

bool fits(MysqlKind kind, const MysqlColumn& column) {
  using enum MysqlKind;
  using Wire = MysqlWireType;
  switch (kind) {
    case int8: return column.type == Wire::tiny && !column.is_unsigned;
    case int16:
      return (column.type == Wire::short_int && !column.is_unsigned) ||
             (column.type == Wire::tiny && column.is_unsigned) || column.type == Wire::year;
    case int32:
      return (column.type == Wire::long_int && !column.is_unsigned) || column.type == Wire::int24 ||
             (column.type == Wire::short_int && column.is_unsigned);
    case int64:
      return (column.type == Wire::long_long && !column.is_unsigned) ||
             (column.type == Wire::long_int && column.is_unsigned);
    case uint64: return column.type == Wire::long_long && column.is_unsigned;
    case boolean:
    case bits:
    case bits64: return column.type == Wire::bit;
    case decimal:
    case digits: return column.type == Wire::new_decimal;
    case float32: return column.type == Wire::float32;
    case float64: return column.type == Wire::float64;
    case date: return column.type == Wire::date;
    case datetime: return column.type == Wire::datetime;
    case instant: return column.type == Wire::timestamp;
    case time: return column.type == Wire::time;
    case geometry: return column.type == Wire::geometry;
    case text:
    case binary:
      switch (column.type) {
        case Wire::varchar:
        case Wire::json:
        case Wire::enumeration:
        case Wire::set:
        case Wire::tiny_blob:
        case Wire::medium_blob:
        case Wire::long_blob:
        case Wire::blob:
        case Wire::var_string:
        case Wire::string: return true;
        default: return false;
      }
  }
  return false;
}

}  // namespace

Result<void> check_mysql_result(const std::vector<MysqlColumnPlan>& plans, const std::vector<MysqlColumn>& columns) {
  for (size_t i = 0; i < plans.size(); ++i) {
    if (i < columns.size() && fits(plans[i].kind, columns[i])) continue;
    // `select null as n` in a view: the catalog calls it binary(0), on the wire it is NULL without a type.
    if (i < columns.size() && columns[i].type == MysqlWireType::null)
      return Error{ErrorKind::unsupported, "column `" + plans[i].info.request.source_name +
                                               "` has no type: it is a bare NULL in the view; leave it out of "
                                               "`columns`, or CAST it in the view: cast(null as char)"};
    return Error{ErrorKind::conflict, "column `" + plans[i].info.request.source_name + "` is not of type " +
                                          plans[i].info.source_type + " any more: the table is being altered"};
  }
  return {};
}

}  // namespace udon::data
