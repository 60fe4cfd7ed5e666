#pragma once
// Wire values of PostgreSQL's binary COPY into Arrow arrays. The hashes are made elsewhere (postgres_hash.h), on
// purpose.
#include <arrow/api.h>

#include <memory>
#include <string>

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
    null_by_policy,  // it has no place in the target, and a policy says NULL
    refused,         // refusal() says why and what to write instead
  };
  virtual Taken append(const PostgresField& field) = 0;  // not NULL
  virtual void append_null() = 0;
  virtual int64_t value_bytes() const { return 0; }  // of variable-length values since the last finish
  virtual Result<std::shared_ptr<arrow::Array>> finish() = 0;

  const std::string& refusal() const { return refusal_; }
  const std::string& policy() const { return policy_; }  // "infinity=null", after null_by_policy

 protected:
  Taken refuse(std::string text) {
    refusal_ = std::move(text);
    return Taken::refused;
  }
  // What a policy makes of a value; `what` is the value in words.
  Taken by_policy(const std::string& name, const std::string& choice, const std::string& what,
                  const std::string& choices);
  std::string refusal_;
  std::string policy_;
};

std::unique_ptr<PostgresColumn> make_postgres_column(const PostgresValuePlan& plan, const PostgresValuePlan* element,
                                                     const Policies& policies, std::shared_ptr<const TimeZone> zone);

}  // namespace udon::data
