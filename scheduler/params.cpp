#include "scheduler/params.h"

#include "dagfile/params.h"

namespace udon {

namespace {

// A conf stands in the request of each try, its params once more, and that holds 16 MiB with all that a DAG file says.
constexpr int64_t conf_bytes_max = 4 << 20;

}  // namespace

Result<void> check_conf(const Dag& dag, const Value& conf) {
  if (!conf.is_map()) return Error{ErrorKind::invalid, "conf must be an object, got " + std::string(conf.type_name())};
  if (const auto bytes = static_cast<int64_t>(to_json(conf).size()); bytes > conf_bytes_max)
    return Error{ErrorKind::invalid, "conf has " + std::to_string(bytes) + " bytes as JSON, and may have " +
                                         std::to_string(conf_bytes_max) +
                                         ": give the place of what is larger, such as a file or an object"};
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
