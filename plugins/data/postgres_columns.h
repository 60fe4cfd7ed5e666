#pragma once
// Wire values of PostgreSQL's binary COPY into Arrow arrays. The hashes are made elsewhere (postgres_hash.h), on
// purpose.
#include <arrow/api.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/timezone.h"
#include "plugins/data/postgres_types.h"
#include "plugins/data/reader.h"
#include "plugins/db/postgres/copy_stream.h"

namespace udon::data {

class PostgresColumn {
 public:
  virtual ~PostgresColumn() = default;

  enum class Taken {
    value,
    null,     // a policy says so
    refused,  // refusal() says why and what to write instead
  };
  // Before that many values, NULLs among them, are appended.
  virtual Result<void> reserve(int64_t values) = 0;
  virtual Taken append(const PostgresField& field) = 0;  // not NULL
  virtual void append_null() = 0;
  virtual int64_t value_bytes() const { return 0; }  // of variable-length values since the last finish
  virtual Result<std::shared_ptr<arrow::Array>> finish() = 0;
  // Values that a policy took care of so far; `column`: its name.
  virtual void report_policies(const std::string& /*column*/, std::vector<PolicyUse>& /*uses*/) const {}

  const std::string& refusal() const { return refusal_; }

 protected:
  Taken refuse(std::string text) {
    refusal_ = std::move(text);
    return Taken::refused;
  }

 private:
  std::string refusal_;
};

std::unique_ptr<PostgresColumn> make_postgres_column(const PostgresValuePlan& plan, const PostgresValuePlan* element,
                                                     const Policies& policies, std::shared_ptr<const TimeZone> zone);

}  // namespace udon::data
