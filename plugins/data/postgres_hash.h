#pragma once
// Hashes of PostgreSQL's wire values over their canonical bytes (canonical.h). It shares no decoding with
// postgres_columns.cpp: a mistake there shows as a sum that the file does not have.
#include <cstdint>

#include "base/timezone.h"
#include "plugins/data/postgres_types.h"
#include "plugins/db/postgres/copy_stream.h"

namespace udon::data {

// Of a value that is not NULL and that the column's builder has taken.
uint64_t hash_postgres_value(const PostgresField& field, const PostgresValuePlan& plan,
                             const PostgresValuePlan* element, const TimeZone* zone);

}  // namespace udon::data
