#include "web/bulk.h"

namespace udon::web {
namespace {

struct Tally {
  Value::List success, errors;
  void fail(const std::string& id, const Error& error) {
    errors.push_back(Value::Map{{"error", error.message}, {"status_code", status_of(error.kind)}, {"id", id}});
  }
};

Value show(const std::optional<Tally>& tally) {
  if (!tally) return {};
  return Value::Map{{"success", tally->success}, {"errors", tally->errors}};
}

std::string id_of(const Value& entity, const BulkSubject& subject) {
  return entity.is_string() ? entity.as_string() : entity.text(subject.id_member);
}

}  // namespace

Result<Response> carry_out_bulk(const Call& call, const BulkSubject& subject) {
  Problems problems;
  BodyFields body(call.request, problems);
  const auto actions = body.list("actions", BodyFields::Need::required);
  body.only({"actions"});
  if (!problems.empty()) return problems.response();
  std::optional<Tally> created, updated, deleted;
  int64_t action_index = 0;
  for (const Value& action : actions->as_list()) {
    const Value::List where{"body", "actions", action_index++};
    BodyFields fields(action, where, problems);
    const auto kind = fields.choice("action", {"create", "update", "delete"}, BodyFields::Need::required);
    const auto entities = fields.list("entities", BodyFields::Need::required);
    const std::string if_there = fields.choice("action_on_existence", {"fail", "skip", "overwrite"}).value_or("fail");
    const std::string if_absent = fields.choice("action_on_non_existence", {"fail", "skip"}).value_or("fail");
    std::vector<std::string> mask;
    if (const auto given = fields.list("update_mask"))
      for (const Value& field : given->as_list())
        if (field.is_string()) mask.push_back(field.as_string());
    fields.only({"action", "entities", "action_on_existence", "action_on_non_existence", "update_mask"});
    if (!problems.empty()) return problems.response();
    std::optional<Tally>& tally = *kind == "create" ? created : *kind == "update" ? updated : deleted;
    if (!tally) tally.emplace();
    int64_t entity_index = 0;
    for (const Value& entity : entities->as_list()) {
      Value::List at = where;
      at.push_back("entities");
      at.push_back(entity_index++);
      const std::string id = id_of(entity, subject);
      TRY_ASSIGN(const bool exists, subject.exists(id));
      Result<void> done;
      if (*kind == "create") {
        if (exists && if_there == "skip") continue;
        done = exists && if_there == "overwrite" ? subject.replace(entity, at, problems)
                                                 : subject.create(entity, at, problems);
      } else {
        if (!exists && if_absent == "skip") continue;
        done = *kind == "update" ? subject.update(entity, mask, at, problems) : subject.remove(id);
      }
      if (!problems.empty()) return problems.response();
      if (done)
        tally->success.push_back(id);
      else
        tally->fail(id, done.error());
    }
  }
  return json_response(200,
                       Value::Map{{"create", show(created)}, {"update", show(updated)}, {"delete", show(deleted)}});
}

}  // namespace udon::web
