// The tasks of a DAG, each by itself.
#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "dagfile/loader/document.h"

namespace udon {
namespace {

// default_args, sorted into what every task takes and what only operators with such a parameter take.
struct DefaultArgs {
  std::vector<const YamlMember*> fields;
  std::vector<const YamlMember*> parameters;
  std::vector<const YamlMember*> notices;
};

bool is_waiting(OperatorKind kind) { return kind == OperatorKind::sensor || kind == OperatorKind::external_job; }

// Words that only what waits outside of a process understands.
bool fits_kind(std::string_view key, OperatorKind kind) {
  if (key == "soft_fail") return kind == OperatorKind::sensor;
  if (key == "timeout" || key == "poke_interval") return is_waiting(kind);
  return true;
}

class TaskReader {
 public:
  TaskReader(Dag& dag, std::vector<TaskSource>& sources, const std::vector<GroupSource>& groups,
             const DocumentContext& context)
      : dag_(dag), sources_(sources), groups_(groups), context_(context), problems_(context.problems) {}

  void read(const YamlNode& root) {
    const YamlNode* tasks = root.find("tasks");
    if (tasks == nullptr || tasks->is_null() || (!tasks->is_map() && !tasks->is_list())) {
      if (tasks == nullptr)
        problems_.error(root, "`tasks` is missing");
      else
        problems_.error(*tasks, "`tasks`: " + expected("a map of task ids to tasks, or a list of tasks", *tasks));
      return;
    }
    collect(*tasks);
    if (tasks->items.empty() && tasks->members.empty())
      problems_.error(*tasks, "`tasks` is empty: a DAG has at least one");
    const YamlNode* defaults = root.find("default_args");
    const DefaultArgs default_args = defaults != nullptr ? sort_defaults(*defaults, sources_) : DefaultArgs{};
    for (const TaskSource& source : sources_) group_ids_.push_back(group_of(source, default_args));
    for (const GroupSource& group : groups_) sort_defaults_of(group);
    for (size_t i = 0; i < sources_.size(); ++i) {
      note_mapped_names(sources_[i], group_ids_[i]);
      fill(dag_.tasks[i], sources_[i], with_groups(default_args, group_ids_[i]));
    }
    for (size_t i = 0; i < sources_.size(); ++i) check_setups(dag_.tasks[i], *sources_[i].node);
  }

 private:
  void collect(const YamlNode& tasks) {
    for (const YamlMember& member : tasks.members) {
      if (const auto problem = problem_of_id(member.key)) {
        problems_.error(member.offset, "`" + member.key + "` is no task id: it " + *problem);
        continue;
      }
      if (member.value.is_map() && member.value.find("task_id") != nullptr) {
        problems_.error(*member.value.find("task_id"), "`task_id` is for a list of tasks; in a map the key is the id");
        continue;
      }
      add(member.key, member.offset, member.value);
    }
    for (const YamlNode& item : tasks.items) {
      const YamlNode* id = item.find("task_id");
      if (id == nullptr) {
        problems_.error(item, item.is_map() ? "`task_id` is missing" : expected("a task", item));
        continue;
      }
      const auto read = read_id("task_id", *id, problems_);
      if (!read) continue;
      if (!ids_.insert(*read).second) {
        problems_.error(*id, "the task id `" + *read + "` stands twice");
        continue;
      }
      add(*read, id->offset, item);
    }
  }

  void add(const std::string& id, uint32_t offset, const YamlNode& node) {
    if (!node.is_map()) {
      problems_.error(node.is_null() ? offset : node.offset,
                      "task `" + id + "`: " + expected("a map with `operator`", node));
      return;
    }
    TaskSource source;
    source.offset = offset;
    source.node = &node;
    const YamlNode* name = node.find("operator");
    if (name == nullptr || !name->is_text()) {
      problems_.error(name == nullptr ? offset : name->offset,
                      "task `" + id + "`: " +
                          (name == nullptr ? "`operator` is missing"
                                           : "`operator`: " + expected("the name of an operator", *name)));
    } else {
      source.spec = context_.operators.find(name->text);
      if (source.spec == nullptr)
        problems_.error(*name,
                        "unknown operator `" + name->text + "`" + did_you_mean(name->text, context_.operators.names()));
    }
    Task task;
    task.task_id = id;
    task.line = problems_.yaml().place(offset).line;
    if (source.spec != nullptr) {
      task.operator_name = source.spec->name;
      task.kind = parse_operator_kind(source.spec->kind).value_or(OperatorKind::process);
    }
    dag_.tasks.push_back(std::move(task));
    sources_.push_back(std::move(source));
  }

  // Before anything else is read of the task: its group has a say in what it says of itself.
  static std::string group_of(const TaskSource& source, const DefaultArgs& defaults) {
    const YamlNode* group = source.node->find("group");
    for (const YamlMember* member : defaults.fields)
      if (group == nullptr && member->key == "group") group = &member->value;
    return group != nullptr && group->is_text() ? group->text : "";
  }

  void sort_defaults_of(const GroupSource& group) {
    if (group.default_args == nullptr) return;
    std::vector<TaskSource> inside;
    for (size_t i = 0; i < sources_.size(); ++i)
      if (is_in_group(group.group.group_id, group_ids_[i])) inside.push_back(sources_[i]);
    if (const YamlNode* other = group.default_args->find("group"))
      problems_.error(*other, "`default_args` of a task group cannot put its tasks into a group");
    group_defaults_[group.group.group_id] = sort_defaults(*group.default_args, inside);
  }

  // What an inner group says takes the place of what the outer one and the DAG say.
  DefaultArgs with_groups(DefaultArgs all, const std::string& group_id) const {
    const auto overlay = [](std::vector<const YamlMember*>& under, const std::vector<const YamlMember*>& over) {
      for (const YamlMember* member : over) {
        std::erase_if(under, [&](const YamlMember* old) { return old->key == member->key; });
        under.push_back(member);
      }
    };
    for (size_t end = group_id.find('.');; end = group_id.find('.', end + 1)) {
      if (const auto found = group_defaults_.find(group_id.substr(0, end)); found != group_defaults_.end()) {
        overlay(all.fields, found->second.fields);
        overlay(all.parameters, found->second.parameters);
        overlay(all.notices, found->second.notices);
      }
      if (end == std::string::npos) return all;
    }
  }

  void note_mapped_names(TaskSource& source, const std::string& group_id) const {
    for (const char* key : {"expand", "expand_zip"})
      if (const YamlNode* inputs = source.node->find(key))
        for (const YamlMember& input : inputs->members) source.mapped_names.push_back(input.key);
    for (const GroupSource& group : groups_) {
      if (!is_in_group(group.group.group_id, group_id)) continue;
      source.mapped_names.insert(source.mapped_names.end(), group.mapped_names.begin(), group.mapped_names.end());
    }
  }

  // `among`: the tasks that they are for.
  DefaultArgs sort_defaults(const YamlNode& node, const std::vector<TaskSource>& among) {
    DefaultArgs sorted;
    if (!node.is_map()) {
      problems_.error(node, "`default_args`: " + expected("a map", node));
      return sorted;
    }
    for (const YamlMember& member : node.members) {
      if (find_field(task_fields(), member.key) != nullptr) {
        // Tried once here, so that a mistake is told once and not by each task.
        Task scratch;
        const int before = problems_.errors();
        set_field(scratch, member);
        if (problems_.errors() == before) sorted.fields.push_back(&member);
        continue;
      }
      if (std::ranges::find(notice_list_keys(), member.key) != notice_list_keys().end()) {
        sorted.notices.push_back(&member);
        continue;
      }
      const bool is_parameter = std::any_of(among.begin(), among.end(), [&](const TaskSource& source) {
        return source.spec != nullptr && source.spec->find(member.key) != nullptr;
      });
      if (is_parameter) {
        sorted.parameters.push_back(&member);
        continue;
      }
      // With an unknown operator among the tasks, the key may be its parameter.
      const bool is_complete =
          std::all_of(among.begin(), among.end(), [](const TaskSource& source) { return source.spec != nullptr; });
      if (is_complete) problems_.error(member.offset, "`default_args`: " + about_unknown(member.key, among));
    }
    return sorted;
  }

  static std::string about_unknown(const std::string& key, const std::vector<TaskSource>& sources) {
    std::vector<std::string> known;
    for (const Field<Task>& field : task_fields()) known.emplace_back(field.key);
    known.insert(known.end(), notice_list_keys().begin(), notice_list_keys().end());
    for (const TaskSource& source : sources) {
      if (source.spec == nullptr) continue;
      for (const ParamSpec& param : source.spec->params) known.push_back(param.name);
    }
    if (key == "owner") return "`owner` belongs to the DAG here: `owners`";
    const auto& special = special_task_keys();
    if (std::find(special.begin(), special.end(), key) != special.end())
      return "`" + key + "` must be said of each task";
    return "neither a task nor one of its operators has `" + key + "`" + did_you_mean(key, known);
  }

  void set_field(Task& task, const YamlMember& member) {
    const Field<Task>& field = *find_field(task_fields(), member.key);
    if (auto value = read_field(field.type, field.key, member.value, problems_)) field.set(task, std::move(*value));
  }

  void fill(Task& task, TaskSource& source, const DefaultArgs& defaults) {
    for (const YamlMember* member : defaults.fields) {
      if (source.node->find(member->key) == nullptr && fits_kind(member->key, task.kind)) set_field(task, *member);
    }
    for (const YamlMember& member : source.node->members) {
      const auto& special = special_task_keys();
      if (std::find(special.begin(), special.end(), member.key) != special.end()) continue;
      if (find_field(task_fields(), member.key) != nullptr) {
        if (source.spec != nullptr && !fits_kind(member.key, task.kind)) {
          problems_.error(member.offset, "`" + member.key + "` is for sensors" +
                                             (member.key == "soft_fail" ? "" : " and external jobs") + ", and `" +
                                             source.spec->name + "` is none" +
                                             (member.key == "timeout" ? "; did you mean `execution_timeout`?" : ""));
          continue;
        }
        set_field(task, member);
      } else if (is_reserved_task_key(member.key)) {
        problems_.error(member.offset, member.key == "owner"
                                           ? "`owner` belongs to the DAG here: `owners`"
                                           : "`" + member.key + "` is a reserved word that means nothing yet");
      } else {
        source.parameters.push_back({member.key, member.offset, &member.value, false});
      }
    }
    for (const YamlMember* member : defaults.parameters) {
      if (source.spec != nullptr && source.spec->find(member->key) != nullptr &&
          source.node->find(member->key) == nullptr)
        source.parameters.push_back({member->key, member->offset, &member->value, true});
    }
    if (const YamlNode* teardown = source.node->find("teardown")) read_teardown(*teardown, task, source);
    if (const YamlNode* given = source.node->find("on_failure_fail_dagrun"); given != nullptr && !task.is_teardown)
      problems_.error(*given, "`on_failure_fail_dagrun` is for teardown tasks, and `" + task.task_id + "` is none");
    if (task.is_setup && task.is_teardown) problems_.error(source.offset, "a task is `setup` or `teardown`, not both");
    task.expand = read_expand(*source.node, context_);
    read_notices_of(task, source, defaults);
    if (const YamlNode* after = source.node->find("after")) read_after(*after, source.after, problems_);
    if (!task.expand) return;
    for (const MapInput& input : task.expand->inputs) {
      if (const auto* upstream = std::get_if<std::string>(&input.source)) {
        const YamlNode* node =
            source.node->find("expand") != nullptr ? source.node->find("expand") : source.node->find("expand_zip");
        source.after.emplace_back(*upstream, node->find(input.name)->offset);
      }
    }
  }

  // Those that the task names take the place of the default's for the same event.
  void read_notices_of(Task& task, const TaskSource& source, const DefaultArgs& defaults) {
    for (const NoticeEvent event : all_notice_events()) {
      const std::string key = key_of(event);
      const YamlNode* notices = source.node->find(key);
      for (const YamlMember* member : defaults.notices)
        if (notices == nullptr && member->key == key) notices = &member->value;
      if (notices == nullptr) continue;
      for (Notice& notice : read_notices(event, *notices, source.mapped_names, problems_))
        task.notices.push_back(std::move(notice));
    }
  }

  void read_teardown(const YamlNode& teardown, Task& task, TaskSource& source) {
    if (teardown.is_text() || teardown.is_list()) {
      const auto setups = read_texts("teardown", teardown, problems_);
      if (!setups) return;
      task.is_teardown = true;
      if (teardown.is_text()) source.after.emplace_back(teardown.text, teardown.offset);
      for (const YamlNode& item : teardown.items) source.after.emplace_back(item.text, item.offset);
    } else if (const auto flag = read_flag("teardown", teardown, problems_)) {
      task.is_teardown = *flag;
    }
    // As Airflow's as_teardown: that is what makes it one.
    if (task.is_teardown && source.node->find("trigger_rule") == nullptr) {
      task.trigger_rule = TriggerRule::all_done_setup_success;
    }
  }

  // Unknown ids are told when the tasks are connected.
  void check_setups(const Task& task, const YamlNode& node) {
    const YamlNode* teardown = node.find("teardown");
    if (teardown == nullptr || !task.is_teardown) return;
    const auto check = [&](const YamlNode& item) {
      const int index = dag_.index_of(item.text);
      if (index >= 0 && !dag_.tasks[static_cast<size_t>(index)].is_setup) {
        problems_.error(item, "task `" + task.task_id + "`: `" + item.text + "` is no setup task (`setup: true`)");
      }
    };
    if (teardown->is_text()) check(*teardown);
    for (const YamlNode& item : teardown->items) check(item);
  }

  Dag& dag_;
  std::vector<TaskSource>& sources_;
  const std::vector<GroupSource>& groups_;
  const DocumentContext& context_;
  Problems& problems_;
  std::set<std::string> ids_;
  std::vector<std::string> group_ids_;  // of the tasks
  std::map<std::string, DefaultArgs> group_defaults_;
};

}  // namespace

const std::vector<std::string>& special_task_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all{"task_id", "operator", "after", "expand", "expand_zip", "teardown"};
    all.insert(all.end(), notice_list_keys().begin(), notice_list_keys().end());
    return all;
  }();
  return keys;
}

void read_tasks(const YamlNode& root, Dag& dag, std::vector<TaskSource>& sources,
                const std::vector<GroupSource>& groups, const DocumentContext& context) {
  TaskReader(dag, sources, groups, context).read(root);
}

void read_after(const YamlNode& node, std::vector<std::pair<std::string, uint32_t>>& after, Problems& problems) {
  if (node.is_text()) {
    after.emplace_back(node.text, node.offset);
    return;
  }
  if (!node.is_list()) {
    problems.error(node, "`after`: " + expected("a list of task ids", node));
    return;
  }
  for (const YamlNode& item : node.items) {
    if (item.is_text())
      after.emplace_back(item.text, item.offset);
    else
      problems.error(item, "`after`: " + expected("a task id", item) +
                               (item.is_list() || item.is_map() ? "" : "; quote it to make it a text"));
  }
}

}  // namespace udon
