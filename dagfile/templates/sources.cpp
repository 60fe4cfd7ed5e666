// What Airflow's templates ask of the outside: ti.xcom_pull, var, conn; and macros.
#include "base/text.h"
#include "dagfile/templates/evaluator.h"

namespace udon::templates {

Result<Datum> Evaluator::source_member(Source source, const std::string& name) {
  switch (source) {
    case Source::ti: {
      if (name == "xcom_pull") return bound(Datum(Datum::Data(source)), name);
      // Its facts stand in the context, either under `ti` or beside it.
      TRY_ASSIGN(const Datum own, from_context("ti"));
      if (own.is_dict()) {
        TRY_ASSIGN(Datum member, member_of(own, name, budget_));
        if (!member.is_undefined() && !member.is<Callable>()) return member;
      }
      static const std::vector<std::string> beside{"task_id", "dag_id", "run_id", "map_index", "try_number"};
      for (const std::string& known : beside)
        if (known == name) return from_context(name);
      return undefined("`ti` has no `" + name +
                       "`; it has xcom_pull, task_id, dag_id, run_id, map_index and try_number");
    }
    case Source::var:
      if (name == "value") return Datum(Datum::Data(Source::var_value));
      if (name == "json") return Datum(Datum::Data(Source::var_json));
      return undefined("`var` has `var.value.KEY` and `var.json.KEY`, not `var." + name + "`");
    case Source::var_value:
    case Source::var_json:
      if (name == "get") return bound(Datum(Datum::Data(source)), name);
      return variable(name, source == Source::var_json);
    case Source::conn:
      if (name == "get") return bound(Datum(Datum::Data(source)), name);
      return connection(name);
    case Source::macros:
      if (has_macro(name)) return bound(Datum(Datum::Data(source)), name);
      return undefined("there is no macro `" + name + "`; there are ds_add, ds_format and timedelta");
  }
  return undefined("`" + name + "` is undefined");
}

Result<Datum> Evaluator::call_source(Source source, const std::string& name, const Arguments& arguments) {
  switch (source) {
    case Source::ti: return xcom_pull(arguments);
    case Source::macros: return call_macro(name, arguments, budget_);
    case Source::conn: {
      TRY_ASSIGN(const Parameters given, Parameters::bind("conn.get", arguments, {"conn_id", "default_conn"}, 1));
      TRY_ASSIGN(const std::string id, given.text(0, ""));
      Result<Datum> found = connection(id);
      if (!found && found.error().kind == ErrorKind::not_found && given.has(1)) return given.at(1);
      return found;
    }
    case Source::var_value:
    case Source::var_json: {
      TRY_ASSIGN(const Parameters given, Parameters::bind("var.get", arguments, {"key", "default_var"}, 1));
      TRY_ASSIGN(const std::string key, given.text(0, ""));
      Result<Datum> found = variable(key, source == Source::var_json);
      if (!found && found.error().kind == ErrorKind::not_found && given.has(1)) return given.at(1);
      return found;
    }
    case Source::var: break;
  }
  return failure("`" + name + "` cannot be called");
}

Result<Datum> Evaluator::variable(const std::string& key, bool is_json) {
  if (!lookups_.variable) return failure("variables are not to be had here");
  TRY_ASSIGN(const Value value, lookups_.variable(key));
  if (!is_json || !value.is_string()) return from_value(value);
  const Result<Value> parsed = parse_json(value.as_string());
  if (!parsed) return failure("variable `" + key + "` is no JSON: " + parsed.error().message);
  return from_value(*parsed);
}

Result<Datum> Evaluator::connection(const std::string& id) {
  if (!lookups_.connection) return failure("connections are not to be had here");
  TRY_ASSIGN(const Value value, lookups_.connection(id));
  return from_value(value);
}

// Airflow's arguments, in its order. One task gives its value, a list of tasks the list of theirs; map_indexes
// likewise.
Result<Datum> Evaluator::xcom_pull(const Arguments& arguments) {
  if (!lookups_.xcom) return failure("XComs are not to be had here");
  enum : size_t { task_ids, dag_id, key_, map_indexes, default_, run_id, include_prior_dates };
  TRY_ASSIGN(const Parameters given, Parameters::bind("ti.xcom_pull", arguments,
                                                      {"task_ids", "dag_id", "key", "map_indexes", "default", "run_id",
                                                       "include_prior_dates"}));
  for (const size_t other : {size_t{dag_id}, size_t{run_id}, size_t{include_prior_dates}}) {
    if (!given.has(other) || given.at(other).is_none()) continue;
    TRY_ASSIGN(const bool asks, is_true(given.at(other)));
    if (!asks) continue;
    TRY_ASSIGN(const std::string wanted, to_text(given.at(other)));
    const bool is_own =
        other != include_prior_dates && context_.get("dag_run").text(other == dag_id ? "dag_id" : "run_id") == wanted;
    if (!is_own) return failure("`ti.xcom_pull` reads XComs of its own run only");
  }
  TRY_ASSIGN(const std::string key, given.text(key_, "return_value"));
  const Datum otherwise = given.has(default_) ? given.at(default_) : Datum();

  const auto pull = [&](const std::string& task_id, std::optional<int> map_index) -> Result<Datum> {
    TRY(budget_.step(10));
    TRY_ASSIGN(const Value value, lookups_.xcom(task_id, key, map_index));
    if (value.is_null()) return otherwise;
    return from_value(value);
  };
  const auto pull_task = [&](const std::string& task_id) -> Result<Datum> {
    if (!given.has(map_indexes) || given.at(map_indexes).is_none()) return pull(task_id, std::nullopt);
    const Datum& wanted = given.at(map_indexes);
    TRY(require_defined(wanted));
    const auto index_of = [](const Datum& datum) -> Result<int> {
      TRY(require_defined(datum));
      if (!datum.is_integral() || datum.integer() < -1 || datum.integer() > limits::map_length_max)
        return failure("`map_indexes` takes integers from 0");
      return static_cast<int>(datum.integer());
    };
    if (!wanted.is_sequence()) {
      TRY_ASSIGN(const int index, index_of(wanted));
      return pull(task_id, index);
    }
    Items values;
    for (const Datum& item : wanted.items()) {
      TRY_ASSIGN(const int index, index_of(item));
      TRY_ASSIGN(Datum value, pull(task_id, index));
      values.push_back(std::move(value));
    }
    return budget_.list(std::move(values));
  };

  std::vector<std::string> tasks;
  bool is_one = true;
  if (!given.has(0) || given.at(0).is_none()) {
    tasks = lookups_.upstream;
    is_one = tasks.size() == 1;
    if (tasks.empty()) return otherwise;
  } else {
    TRY(require_defined(given.at(0)));
    if (given.at(0).is_text())
      tasks.push_back(given.at(0).text());
    else {
      is_one = false;
      if (!given.at(0).is_sequence()) return failure("`ti.xcom_pull` takes a task id or a list of them");
      for (const Datum& item : given.at(0).items()) {
        if (!item.is_text()) return failure("`ti.xcom_pull` takes task ids as texts");
        tasks.push_back(item.text());
      }
    }
  }
  if (is_one) return pull_task(tasks[0]);
  Items values;
  for (const std::string& task : tasks) {
    TRY_ASSIGN(Datum value, pull_task(task));
    values.push_back(std::move(value));
  }
  return budget_.list(std::move(values));
}

}  // namespace udon::templates
