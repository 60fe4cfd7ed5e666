#include "plugins/branch/branch.h"

#include "base/text.h"
#include "plugins/api/redacted.h"

namespace udon {
namespace {

// As a key of `cases` is written: texts as they are, true and 3 as in YAML.
std::string as_key(const Value& value) { return value.is_string() ? value.as_string() : to_json(value); }

class BranchOperator final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(const Value chosen, choose(parameters));
    TRY_ASSIGN(Value ids, ids_of(chosen));
    ids = redacted(context, ids);
    const std::string message = ids.size() == 0 ? "chose nothing" : "chose " + names_of(ids);
    context.log(message);
    return Outcome{.return_value = std::move(ids), .message = message};
  }

 private:
  static Result<Value> choose(const Value& parameters) {
    const Value& value = parameters.get("choose");
    const Value& cases = parameters.get("cases");
    if (cases.is_null()) return value;
    if (value.is_list() || value.is_map()) {
      return Error{ErrorKind::data, "choose: with `cases` one value is expected, not " +
                                        std::string(value.type_name()) + " " + to_json(value)};
    }
    const std::string key = as_key(value);
    if (const Value* found = cases.find(key)) return *found;
    if (const Value& otherwise = parameters.get("otherwise"); !otherwise.is_null()) return otherwise;
    std::vector<std::string> known;
    for (const auto& [name, ids] : cases.as_map()) known.push_back(name);
    return Error{ErrorKind::data, "`cases` has no `" + key + "`, and there is no `otherwise`; it has: " +
                                      join(known, ", ") + did_you_mean(key, known)};
  }

  // A list of texts: one id, several, none.
  static Result<Value> ids_of(const Value& chosen) {
    Value ids = Value::list();
    if (chosen.is_null()) return ids;
    for (const Value& id : chosen.is_list() ? chosen.as_list() : Value::List{chosen}) {
      if (!id.is_string() || id.as_string().empty()) {
        return Error{ErrorKind::data,
                     "chosen are ids of tasks, not " + std::string(id.type_name()) + " " + to_json(id)};
      }
      ids.push_back(id);
    }
    return ids;
  }

  static std::string names_of(const Value& ids) {
    std::string names;
    for (const Value& id : ids.as_list()) names += (names.empty() ? "`" : ", `") + id.as_string() + "`";
    return names;
  }
};

}  // namespace

std::unique_ptr<Operator> make_branch_operator() { return std::make_unique<BranchOperator>(); }

}  // namespace udon
