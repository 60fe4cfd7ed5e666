#include "model/choice.h"

#include <algorithm>
#include <set>

#include "base/ensure.h"
#include "base/text.h"

namespace udon {
namespace {

std::set<int> all_after(const Dag& dag, int task) {
  std::set<int> after;
  std::vector<int> open{task};
  while (!open.empty()) {
    const int at = open.back();
    open.pop_back();
    for (const int next : dag.tasks[static_cast<size_t>(at)].downstream) {
      if (after.insert(next).second) open.push_back(next);
    }
  }
  return after;
}

Value ids_of(const Dag& dag, const std::vector<int>& tasks) {
  Value ids = Value::list();
  for (const int task : tasks) ids.push_back(dag.tasks[static_cast<size_t>(task)].task_id);
  return ids;
}

Error not_choosable(const Dag& dag, int task, const std::string& what, const std::string& named) {
  const std::vector<std::string> ids = choosable(dag, task);
  std::string listed;
  for (const std::string& id : ids) listed += (listed.empty() ? "`" : ", `") + id + "`";
  return {ErrorKind::invalid, what + "; it may choose " + (ids.empty() ? "nothing: no task is after it" : listed) +
                                  (named.empty() ? "" : did_you_mean(named, ids))};
}

// The tasks directly after `task` that `name` means.
std::vector<int> meant_by(const Dag& dag, int task, const std::string& name) {
  const std::vector<int>& after = dag.tasks[static_cast<size_t>(task)].downstream;
  std::vector<int> meant;
  const int index = dag.index_of(name);
  for (const int next : after) {
    const std::string& group = dag.tasks[static_cast<size_t>(next)].group_id;
    if (next == index || (index < 0 && !name.empty() && is_in_group(name, group))) meant.push_back(next);
  }
  return meant;
}

Result<Value> choice_of_branch(const Dag& dag, int task, const Value& returned) {
  const std::vector<int>& after = dag.tasks[static_cast<size_t>(task)].downstream;
  Value::List names;
  if (returned.is_list()) {
    names = returned.as_list();
  } else if (!returned.is_null()) {
    names.push_back(returned);
  }
  std::set<int> followed;
  for (const Value& name : names) {
    if (!name.is_string()) {
      return not_choosable(
          dag, task, "it chose " + std::string(name.type_name()) + " " + to_json(name) + " instead of the id of a task",
          "");
    }
    const std::vector<int> meant = meant_by(dag, task, name.as_string());
    if (meant.empty()) {
      const bool is_known = dag.index_of(name.as_string()) >= 0;
      return not_choosable(
          dag, task,
          "it chose `" + name.as_string() + "`, which is " + (is_known ? "not directly after it" : "no task"),
          name.as_string());
    }
    for (const int one : meant) {
      followed.insert(one);
      followed.merge(all_after(dag, one));
    }
  }
  std::vector<int> kept;
  for (const int next : after) {
    if (followed.contains(next)) kept.push_back(next);
  }
  return Value(Value::Map{{"followed", ids_of(dag, kept)}});
}

Result<Value> choice_of_short_circuit(const Dag& dag, int task, const Value& xcoms) {
  const Value& condition = xcoms.get("return_value");
  if (!condition.is_bool()) {
    return Error{ErrorKind::invalid,
                 "a short circuit returns true or false, not " + std::string(condition.type_name())};
  }
  std::vector<int> skipped;
  if (!condition.as_bool()) {
    const bool goes_far = xcoms.flag(ignores_rules_key, true);
    const std::set<int> far = goes_far ? all_after(dag, task) : std::set<int>();
    const std::vector<int>& near = dag.tasks[static_cast<size_t>(task)].downstream;
    skipped = goes_far ? std::vector<int>(far.begin(), far.end()) : near;
    // What a setup has made is cleared away all the same.
    std::erase_if(skipped, [&](int other) { return dag.tasks[static_cast<size_t>(other)].is_teardown; });
  }
  return Value(Value::Map{{"skipped", ids_of(dag, skipped)}});
}

}  // namespace

Result<Value> make_choice(const Dag& dag, int task, const Value& xcoms) {
  switch (dag.tasks[static_cast<size_t>(task)].choosing) {
    case Choosing::nothing: break;
    case Choosing::branch: return choice_of_branch(dag, task, xcoms.get("return_value"));
    case Choosing::short_circuit: return choice_of_short_circuit(dag, task, xcoms);
  }
  ENSURE(false, "a choice of a task that makes none");
}

std::vector<int> skipped_by(const Dag& dag, int task, const Value& choice) {
  std::vector<int> skipped;
  if (!choice.is_map()) return skipped;
  const auto is_listed = [](const Value& ids, const std::string& id) {
    return std::ranges::find(ids.as_list(), Value(id)) != ids.as_list().end();
  };
  if (const Value* followed = choice.find("followed"); followed != nullptr && followed->is_list()) {
    for (const int next : dag.tasks[static_cast<size_t>(task)].downstream) {
      if (!is_listed(*followed, dag.tasks[static_cast<size_t>(next)].task_id)) skipped.push_back(next);
    }
  } else if (const Value* ids = choice.find("skipped"); ids != nullptr && ids->is_list() && ids->size() > 0) {
    std::set<std::string_view> named;
    for (const Value& id : ids->as_list()) {
      if (id.is_string()) named.insert(id.as_string());
    }
    for (const int next : all_after(dag, task)) {
      if (named.contains(dag.tasks[static_cast<size_t>(next)].task_id)) skipped.push_back(next);
    }
  }
  return skipped;
}

std::vector<std::string> choosable(const Dag& dag, int task) {
  const Task& of = dag.tasks[static_cast<size_t>(task)];
  std::vector<std::string> tasks;
  std::set<std::string> groups;
  for (const int next : of.downstream) {
    const Task& other = dag.tasks[static_cast<size_t>(next)];
    tasks.push_back(other.task_id);
    for (size_t end = other.group_id.find('.');; end = other.group_id.find('.', end + 1)) {
      const std::string group = other.group_id.substr(0, end);
      if (!group.empty() && !is_in_group(group, of.group_id) && dag.index_of(group) < 0) groups.insert(group);
      if (end == std::string::npos) break;
    }
  }
  tasks.insert(tasks.end(), groups.begin(), groups.end());
  return tasks;
}

}  // namespace udon
