#pragma once
// A column's values in another type, as `type:` in the DAG file asks. Whether one type may become another is decided
// before the first row, by what the source's type can hold; what can fail by value is checked value by value. Nothing
// is rounded, cut or shifted: a floating number stands for a decimal, or the other way round, only where the same
// digits come back.
#include <arrow/api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/reader.h"
#include "plugins/spec/data_type.h"

namespace udon::data {

// The value that stopped a recast.
struct RecastFailure {
  int64_t row = 0;     // in the array
  std::string reason;  // "is out of the range of int8 …; choose …": without the value, which may be masked
};

// Used by one thread.
class Recast {
 public:
  virtual ~Recast() = default;
  // data: `failure` tells which value; any other kind: memory.
  virtual Result<std::shared_ptr<arrow::Array>> apply(const arrow::Array& values, RecastFailure& failure) = 0;
  virtual std::shared_ptr<arrow::DataType> type() const = 0;
  virtual std::vector<PolicyUse> policy_uses() const = 0;
  // Can a policy make a NULL of a value?
  virtual bool makes_nulls() = 0;
};

// `column` as its reader delivers it. unsupported, naming the column and the types that it can have, if a value could
// lose something without a word, or would have to be guessed.
Result<std::unique_ptr<Recast>> make_recast(const ColumnInfo& column, const DataType& target, const Policies& policies);

// Does the column already have the type?
bool has_type(const ColumnInfo& column, const DataType& type);

// One value as a person would read it, for messages; cut after 60 bytes.
std::string describe_value(const arrow::Array& values, int64_t row);

}  // namespace udon::data
