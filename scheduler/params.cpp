#include "scheduler/params.h"

#include "dagfile/params.h"

namespace udon {

Result<void> check_conf(const Dag& dag, const Value& conf) {
  if (!conf.is_map()) return Error{ErrorKind::invalid, "conf must be an object, got " + std::string(conf.type_name())};
  for (const Param& param : dag.params) {
    const Value* given = conf.find(param.name);
    if (given == nullptr && param.default_value) given = &*param.default_value;
    const std::string where = "param `" + param.name + "` of DAG `" + dag.dag_id + "`";
    if (given == nullptr) return Error{ErrorKind::invalid, where + ": it has no default, so conf must give it"};
    TRY(check_param(*given, param.schema, where));
  }
  return {};
}

Value merged_params(const Dag& dag, const Value& conf) {
  Value params = Value::map();
  for (const Param& param : dag.params) {
    const Value* given = conf.find(param.name);
    if (given != nullptr) {
      params.set(param.name, *given);
    } else if (param.default_value) {
      params.set(param.name, *param.default_value);
    }
  }
  return params;
}

}  // namespace udon
