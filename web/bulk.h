#pragma once
// PATCH on a whole collection: {"actions": [{"action": "create", "entities": [...], "action_on_existence": "fail"}]}.
// Used by importers (airflowctl). Each kind of thing says how one of it is made, changed and deleted.
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "web/fields.h"
#include "web/router.h"

namespace udon::web {

struct BulkSubject {
  std::string id_member;  // "connection_id", "key", "name"
  std::function<Result<bool>(const std::string& id)> exists;
  // An entity as in the body of POST. Problems are collected; then nothing is done.
  std::function<Result<void>(const Value&entity, Value::List where, Problems&)> create, replace;
  std::function<Result<void>(const Value& entity, const std::vector<std::string>& mask, Value::List where, Problems&)>
      update;
  std::function<Result<void>(const std::string& id)> remove;
};

Result<Response> carry_out_bulk(const Call& call, const BulkSubject& subject);

}  // namespace udon::web
