#pragma once
// What becomes of each column of a PostgreSQL table: by what the catalog says of it, its Arrow type, how it is
// selected, how its wire value is to be read.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/data/reader.h"

namespace udon::data {

// A column as pg_attribute has it, domains resolved to their base type.
struct PostgresCatalogColumn {
  std::string name;
  std::string type_text;  // format_type(): "numeric(12,2)"
  uint32_t type = 0;      // OID, of the base type
  int32_t modifier = -1;  // atttypmod
  char type_kind = 'b';   // pg_type.typtype: b base, c composite, e enum, r range, m multirange
  std::string type_name;  // pg_type.typname of the base type
  uint32_t element = 0;   // arrays: OID of the element's base type; else 0
  char element_kind = 'b';
  std::string element_name;
  bool is_nullable = true;
};

enum class PostgresKind {
  boolean,
  int16,
  int32,
  int64,
  oid,  // unsigned 32 bits, as int64
  float32,
  float64,
  decimal,  // numeric(p,s) with p ≤ 38
  date,
  wall_clock,  // timestamp without zone; with `is_zoned` its wall clock is the request's zone's
  instant,     // timestamptz
  text,
  binary,
  list,
};

struct PostgresValuePlan {
  PostgresKind kind = PostgresKind::text;
  std::shared_ptr<arrow::DataType> type;
  int precision = 0;  // of decimals
  int scale = 0;
  bool is_zoned = false;
};

struct PostgresColumnPlan {
  ColumnInfo info;
  PostgresValuePlan value;
  std::shared_ptr<PostgresValuePlan> element;  // of lists
  std::string select;                          // the SQL expression
  std::string bytes;                           // that of its size on the wire, about; empty: never large
};

// not_found with the nearest name for a column that the table lacks.
Result<std::vector<PostgresColumnPlan>> plan_postgres_columns(const std::vector<PostgresCatalogColumn>& catalog,
                                                              const TableRequest& request);

}  // namespace udon::data
