// Task groups: what they say of themselves, which tasks lie in them, and what it means to come after a group.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/text.h"
#include "dagfile/loader/document.h"

namespace udon {
namespace {

std::optional<std::string> problem_of_group_id(const std::string& id) {
  for (const std::string& part : split(id, '.')) {
    if (const auto problem = problem_of_id(part)) return "`" + part + "` " + *problem;
  }
  return std::nullopt;
}

class GroupReader {
 public:
  GroupReader(std::vector<GroupSource>& groups, const DocumentContext& context)
      : groups_(groups), context_(context), problems_(context.problems) {}

  void read(const YamlNode& node) {
    if (!node.is_map()) {
      problems_.error(node, "`task_groups`: " + expected("a map of group ids to groups, such as {extract: {tooltip: "
                                                         "From the sources}}",
                                                         node));
      return;
    }
    for (const YamlMember& member : node.members) read(member);
  }

 private:
  void read(const YamlMember& member) {
    const YamlNode& node = member.value;
    const std::string where = "task group `" + member.key + "`";
    if (const auto problem = problem_of_group_id(member.key)) {
      problems_.error(member.offset, "`" + member.key + "` is no id of a task group: " + *problem);
      return;
    }
    GroupSource source;
    source.group.group_id = member.key;
    source.offset = member.offset;
    if (!node.is_map() && !node.is_null()) {
      problems_.error(node, where + ": " + expected("a map", node));
      return;
    }
    for (const YamlMember& word : node.members) read(word, source, where);
    source.group.expand = read_expand(node, context_);
    for (const char* key : {"expand", "expand_zip"}) {
      const YamlNode* inputs = node.find(key);
      if (inputs == nullptr) continue;
      source.is_mapped = true;
      for (const YamlMember& input : inputs->members) source.mapped_names.push_back(input.key);
      if (!source.group.expand) continue;
      for (const MapInput& input : source.group.expand->inputs) {
        const auto* upstream = std::get_if<std::string>(&input.source);
        if (upstream != nullptr) source.after.emplace_back(*upstream, inputs->find(input.name)->offset);
      }
    }
    groups_.push_back(std::move(source));
  }

  void read(const YamlMember& word, GroupSource& source, const std::string& where) {
    const auto text = [&](std::string& into) {
      if (word.value.is_text())
        into = word.value.text;
      else
        problems_.error(word.value, where + ": `" + word.key + "`: " + expected("a text", word.value));
    };
    if (word.key == "group_display_name") return text(source.group.display_name);
    if (word.key == "tooltip") return text(source.group.tooltip);
    if (word.key == "doc") return text(source.group.doc);
    if (word.key == "default_args") {
      source.default_args = &word.value;
    } else if (word.key == "after") {
      read_after(word.value, source.after, problems_);
    } else if (word.key == "tasks") {
      problems_.error(word.offset, where + ": its tasks stand in the DAG's `tasks`, each with `group: " +
                                       source.group.group_id + "`");
    } else if (word.key == "prefix_group_id") {
      problems_.error(word.offset, where + ": a task's id is what stands in `tasks`: there is no `prefix_group_id`");
    } else if (std::ranges::find(group_keys(), word.key) == group_keys().end()) {
      problems_.error(word.offset, where + ": unknown key `" + word.key + "`" + did_you_mean(word.key, group_keys()));
    }
  }

  std::vector<GroupSource>& groups_;
  const DocumentContext& context_;
  Problems& problems_;
};

// Tasks that come after a group come after the last ones in it, and what a group comes after is before the first ones
// in it: Airflow's roots and leaves.
class GroupEdges {
 public:
  using After = std::vector<std::pair<std::string, uint32_t>>;

  GroupEdges(Dag& dag, std::vector<TaskSource>& sources, const std::vector<GroupSource>& groups)
      : dag_(dag), sources_(sources) {
    for (size_t i = 0; i < dag.tasks.size(); ++i) task_at_.emplace(dag.tasks[i].task_id, static_cast<int>(i));
    for (const GroupSource& group : groups) after_[group.group.group_id] = &group.after;
  }

  bool is_group(const std::string& id) const { return !task_at_.contains(id) && dag_.find_group(id) != nullptr; }
  bool is_known(const std::string& id) const { return task_at_.contains(id) || is_group(id); }
  // A task or group of that id lies in the group, or is it.
  bool is_inside(const std::string& group, const std::string& id) const {
    const auto task = task_at_.find(id);
    if (task == task_at_.end()) return is_in_group(group, id);
    return is_in_group(group, group_of(task->second));
  }

  std::vector<int> roots(const std::string& group) const {
    std::vector<int> found;
    for (const int task : dag_.tasks_in(group)) {
      if (is_root(task, group)) found.push_back(task);
    }
    return found;
  }

  std::vector<int> leaves(const std::string& group) {
    if (const auto known = leaves_.find(group); known != leaves_.end()) return known->second;
    std::set<int> followed;   // by anything in the group
    std::set<int> worked_on;  // by anything but teardowns
    const auto note = [&](const After& after, bool is_of_teardowns) {
      for (const auto& [id, offset] : after) {
        if (id == group || !is_inside(group, id)) continue;
        for (const int task : meant(id)) {
          followed.insert(task);
          if (!is_of_teardowns) worked_on.insert(task);
        }
      }
    };
    const std::vector<int> inside = dag_.tasks_in(group);
    for (const int task : inside) note(sources_[static_cast<size_t>(task)].after, is_teardown(task));
    for (const auto& [id, after] : after_) {
      if (id == group || !is_in_group(group, id)) continue;
      note(*after, std::ranges::all_of(roots(id), [&](int root) { return is_teardown(root); }));
    }
    std::set<int> last;
    for (const int task : inside) {
      if (!followed.contains(task)) add_last(group, task, worked_on, last);
    }
    return leaves_[group] = {last.begin(), last.end()};
  }

 private:
  const std::string& group_of(int task) const { return dag_.tasks[static_cast<size_t>(task)].group_id; }

  std::vector<int> meant(const std::string& id) {
    const auto task = task_at_.find(id);
    return task == task_at_.end() ? leaves(id) : std::vector<int>{task->second};
  }

  bool has_inside(const std::string& group, const After& after) const {
    return std::ranges::any_of(after,
                               [&](const auto& one) { return one.first != group && is_inside(group, one.first); });
  }

  bool is_root(int task, const std::string& group) const {
    if (has_inside(group, sources_[static_cast<size_t>(task)].after)) return false;
    for (const auto& [id, after] : after_) {
      const bool is_between = id != group && is_in_group(group, id) && is_in_group(id, group_of(task));
      if (is_between && has_inside(group, *after) && is_root(task, id)) return false;
    }
    return true;
  }

  bool is_teardown(int task) const { return dag_.tasks[static_cast<size_t>(task)].is_teardown; }

  // In a teardown's place the last ones before it that are none: nobody waits for the clearing away.
  void add_last(const std::string& group, int task, const std::set<int>& worked_on, std::set<int>& last) {
    if (!is_teardown(task)) {
      last.insert(task);
      return;
    }
    for (const auto& [id, offset] : sources_[static_cast<size_t>(task)].after) {
      if (id == group || !is_inside(group, id)) continue;
      for (const int before : meant(id)) {
        if (before == task || dag_.tasks[static_cast<size_t>(before)].is_setup || worked_on.contains(before)) continue;
        if (seen_.insert({task, before}).second) add_last(group, before, worked_on, last);
      }
    }
  }

  Dag& dag_;
  std::vector<TaskSource>& sources_;
  std::map<std::string, int> task_at_;
  std::map<std::string, const After*> after_;  // of the groups that say so
  std::map<std::string, std::vector<int>> leaves_;
  std::set<std::pair<int, int>> seen_;  // steps from a teardown back: a file may hold a cycle
};

class GroupPlacing {
 public:
  GroupPlacing(Dag& dag, std::vector<TaskSource>& sources, std::vector<GroupSource>& groups, Problems& problems)
      : dag_(dag), sources_(sources), groups_(groups), problems_(problems) {}

  void place() {
    for (size_t i = 0; i < dag_.tasks.size(); ++i) check_group_of(dag_.tasks[i], sources_[i]);
    for (GroupSource& source : groups_) {
      check(source);
      add_with_parents(source.group.group_id);
    }
    for (const Task& task : dag_.tasks) add_with_parents(task.group_id);
    for (size_t i = 0; i < dag_.tasks.size(); ++i) map(dag_.tasks[i], sources_[i]);
    connect();
  }

 private:
  const GroupSource* declared(std::string_view id) const {
    for (const GroupSource& source : groups_)
      if (source.group.group_id == id) return &source;
    return nullptr;
  }

  void check_group_of(Task& task, const TaskSource& source) {
    if (task.group_id.empty()) return;
    const YamlNode* said = source.node->find("group");
    const uint32_t offset = said == nullptr ? source.offset : said->offset;
    if (const auto problem = problem_of_group_id(task.group_id)) {
      problems_.error(offset, "`group`: `" + task.group_id + "` is no id of a task group: " + *problem);
      task.group_id.clear();
      return;
    }
    const bool is_known = groups_.empty() || std::ranges::any_of(groups_, [&](const GroupSource& group) {
                            return is_in_group(task.group_id, group.group.group_id);
                          });
    if (is_known) return;
    std::vector<std::string> ids;
    for (const GroupSource& group : groups_) ids.push_back(group.group.group_id);
    problems_.error(offset, "task `" + task.task_id + "`: `task_groups` has no `" + task.group_id + "`" +
                                did_you_mean(task.group_id, ids));
  }

  void check(const GroupSource& source) {
    const std::string& id = source.group.group_id;
    const std::string where = "task group `" + id + "`";
    if (dag_.index_of(id) >= 0) problems_.error(source.offset, where + ": a task has that id, too");
    if (dag_.tasks_in(id).empty()) {
      std::vector<std::string> named;
      for (const Task& task : dag_.tasks)
        if (!task.group_id.empty()) named.push_back(task.group_id);
      problems_.error(source.offset, where + ": no task lies in it (`group: " + id + "`)" + did_you_mean(id, named));
    }
    if (!source.is_mapped) return;
    for (const GroupSource& other : groups_) {
      if (!other.is_mapped || &other == &source || !is_in_group(other.group.group_id, id)) continue;
      problems_.error(source.offset, where + " lies in `" + other.group.group_id +
                                         "`, which is mapped already: a mapped group in a mapped group is not to be "
                                         "had; let one of them name both lists");
    }
  }

  void add_with_parents(std::string_view id) {
    if (id.empty() || dag_.find_group(id) != nullptr) return;
    add_with_parents(parent_group(id));
    const GroupSource* source = declared(id);
    dag_.groups.push_back(source != nullptr ? source->group : TaskGroup{.group_id = std::string(id)});
  }

  void map(Task& task, TaskSource& source) {
    for (const GroupSource& group : groups_) {
      if (!group.is_mapped || !is_in_group(group.group.group_id, task.group_id)) continue;
      for (const char* key : {"expand", "expand_zip"}) {
        if (const YamlNode* own = source.node->find(key))
          problems_.error(*own, "task `" + task.task_id + "` lies in the mapped task group `" + group.group.group_id +
                                    "` and cannot be mapped once more by `" + key + "`; let the group name both lists");
      }
      task.mapped_group = group.group.group_id;
      task.expand = group.group.expand;
      return;
    }
  }

  // Names of groups become names of tasks, in the place where they stand; the groups keep what was said of them.
  void connect() {
    GroupEdges edges(dag_, sources_, groups_);
    std::vector<GroupEdges::After> meant(sources_.size());
    const auto add = [&](int task, const std::string& id, uint32_t offset) {
      GroupEdges::After& after = meant[static_cast<size_t>(task)];
      if (!edges.is_group(id)) return void(after.emplace_back(id, offset));
      for (const int last : edges.leaves(id)) after.emplace_back(dag_.tasks[static_cast<size_t>(last)].task_id, offset);
    };
    for (size_t i = 0; i < sources_.size(); ++i) {
      const Task& task = dag_.tasks[i];
      for (const auto& [id, offset] : sources_[i].after) {
        if (edges.is_group(id) && is_in_group(id, task.group_id)) {
          problems_.error(offset, "task `" + task.task_id + "` lies in `" + id + "` and cannot come after it");
        } else {
          add(static_cast<int>(i), id, offset);
          if (edges.is_group(id)) note(group_named(id).downstream_tasks, task.task_id);
        }
      }
    }
    for (const GroupSource& source : groups_) {
      const std::string& group = source.group.group_id;
      for (const auto& [id, offset] : source.after) {
        if (!edges.is_known(id)) {
          problems_.error(offset,
                          "task group `" + group + "`: unknown upstream task `" + id + "`" + did_you_mean(id, names()));
        } else if (edges.is_inside(group, id) || is_in_group(id, group)) {
          problems_.error(offset,
                          "task group `" + group + "` cannot come after `" + id + "`: one of them lies in the other");
        } else {
          for (const int root : edges.roots(group)) add(root, id, offset);
          note(group_named(group).upstream, id);
        }
      }
    }
    for (size_t i = 0; i < sources_.size(); ++i) sources_[i].after = std::move(meant[i]);
  }

  TaskGroup& group_named(const std::string& id) { return *std::ranges::find(dag_.groups, id, &TaskGroup::group_id); }

  static void note(std::vector<std::string>& ids, const std::string& id) {
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> ids;
    for (const Task& task : dag_.tasks) ids.push_back(task.task_id);
    for (const TaskGroup& group : dag_.groups) ids.push_back(group.group_id);
    return ids;
  }

  Dag& dag_;
  std::vector<TaskSource>& sources_;
  std::vector<GroupSource>& groups_;
  Problems& problems_;
};

}  // namespace

const std::vector<std::string>& group_keys() {
  static const std::vector<std::string> keys{"group_display_name", "tooltip", "doc", "default_args", "after", "expand",
                                             "expand_zip"};
  return keys;
}

std::vector<GroupSource> read_groups(const YamlNode& root, const DocumentContext& context) {
  std::vector<GroupSource> groups;
  if (const YamlNode* node = root.find("task_groups")) GroupReader(groups, context).read(*node);
  return groups;
}

void place_groups(Dag& dag, std::vector<TaskSource>& sources, std::vector<GroupSource>& groups, Problems& problems) {
  GroupPlacing(dag, sources, groups, problems).place();
}

}  // namespace udon
