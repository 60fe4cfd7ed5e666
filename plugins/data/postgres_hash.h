#pragma once
// Hashes of PostgreSQL's wire values over their canonical bytes (canonical.h). It shares no decoding with
// postgres_columns.cpp: a mistake there shows as a sum that the file does not have.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/timezone.h"
#include "plugins/data/postgres_types.h"
#include "plugins/data/reader.h"
#include "plugins/db/postgres/copy_stream.h"

namespace udon::data {

class PostgresHasher {
 public:
  PostgresHasher(const std::vector<PostgresColumnPlan>& plans, const Policies& policies,
                 std::shared_ptr<const TimeZone> zone);
  // Of a value that is not NULL and that the column's builder has taken; by policy it may be NULL nevertheless.
  uint64_t hash(size_t column, const PostgresField& field) const;

 private:
  bool becomes_null(const PostgresField& field, PostgresKind kind) const;
  void append_canonical(const PostgresField& field, const PostgresValuePlan& plan, std::string& out) const;
  uint64_t hash_list(const PostgresField& field, const PostgresValuePlan& element) const;

  const std::vector<PostgresColumnPlan>& plans_;
  std::shared_ptr<const TimeZone> zone_;
  bool infinity_is_null_, nan_is_null_, ancient_is_null_, invalid_is_null_, invalid_is_replaced_;
};

}  // namespace udon::data
