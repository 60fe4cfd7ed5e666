#include "dagfile/fleet.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "dagfile/loader/yaml.h"

namespace udon {
namespace {

const std::vector<std::string> found_keys = {"table", "connection", "columns", "key", "seen"};

// Texts that YAML reads as themselves. All others are written as JSON, which is YAML too.
bool is_plain(std::string_view text) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  constexpr std::string_view others = "0123456789.-/()$";
  const std::vector<std::string> words = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"};
  if (text.empty() || letters.find(text[0]) == letters.npos) return false;
  if (std::ranges::find(words, lower_ascii(text)) != words.end()) return false;
  return std::ranges::all_of(text,
                             [&](char c) { return letters.find(c) != letters.npos || others.find(c) != others.npos; });
}

std::string scalar(const Value& value) {
  return value.is_string() && is_plain(value.as_string()) ? value.as_string() : to_json(value);
}

// On one line: [a, b], {a: 1}.
std::string flow(const Value& value) {
  std::vector<std::string> parts;
  if (value.is_list()) {
    for (const Value& item : value.as_list()) parts.push_back(flow(item));
    return "[" + join(parts, ", ") + "]";
  }
  if (!value.is_map()) return scalar(value);
  for (const auto& [key, member] : value.as_map()) parts.push_back(scalar(key) + ": " + flow(member));
  return "{" + join(parts, ", ") + "}";
}

std::string written(const Value& entry) {
  std::string text;
  for (const auto& [key, value] : entry.as_map()) {
    text += (text.empty() ? "- " : "  ") + scalar(key) + ":";
    const bool has_own_lines = (key == "columns" && value.is_list()) || (key == "seen" && value.is_map());
    if (!has_own_lines || value.size() == 0) {
      text += " " + flow(value) + "\n";
      continue;
    }
    text += "\n";
    if (value.is_list())
      for (const Value& item : value.as_list()) text += "    - " + flow(item) + "\n";
    else
      for (const auto& [name, member] : value.as_map()) text += "    " + scalar(name) + ": " + flow(member) + "\n";
  }
  return text;
}

std::string plain(const Value& value) { return value.is_string() ? value.as_string() : flow(value); }

std::string name_of(const Value& column) { return column.is_string() ? column.as_string() : column.text("name"); }

// What is done with each column, in the entry's order.
std::vector<std::pair<std::string, std::string>> decisions(const Value& entry) {
  std::vector<std::pair<std::string, std::string>> found;
  if (const Value& columns = entry.get("columns"); columns.is_list())
    for (const Value& column : columns.as_list()) found.emplace_back(name_of(column), flow(column));
  return found;
}

// Type changes, new and dropped columns of the table; then what is done differently with those that stayed.
std::vector<std::string> details(const Value& before, const Value& after) {
  std::vector<std::string> found;
  const Value &old_seen = before.get("seen"), &new_seen = after.get("seen");
  const bool can_compare = old_seen.is_map() && new_seen.is_map();
  if (can_compare) {
    for (const auto& [name, type] : new_seen.as_map()) {
      const Value* old_type = old_seen.find(name);
      if (!old_type)
        found.push_back("+ column `" + name + "` " + plain(type));
      else if (*old_type != type)
        found.push_back("column `" + name + "`: " + plain(*old_type) + " → " + plain(type));
    }
    for (const auto& [name, type] : old_seen.as_map())
      if (!new_seen.find(name)) found.push_back("- column `" + name + "` " + plain(type));
  }
  const auto old_decisions = decisions(before), new_decisions = decisions(after);
  const auto find = [](const auto& list, const std::string& name) {
    return std::ranges::find_if(list, [&](const auto& one) { return one.first == name; });
  };
  const auto is_new_or_gone = [&](const std::string& name) {
    return can_compare && (!old_seen.find(name) || !new_seen.find(name));
  };
  for (const auto& [name, decision] : new_decisions) {
    const auto old = find(old_decisions, name);
    if (old == old_decisions.end()) {
      if (!is_new_or_gone(name)) found.push_back("`" + name + "` is taken now: " + decision);
    } else if (old->second != decision) {
      found.push_back("`" + name + "`: " + old->second + " → " + decision);
    }
  }
  for (const auto& [name, decision] : old_decisions)
    if (find(new_decisions, name) == new_decisions.end() && !is_new_or_gone(name))
      found.push_back("`" + name + "` is left out now");
  for (const auto& [key, value] : after.as_map()) {
    if (std::ranges::find(found_keys, key) != found_keys.end() && key != "key") continue;
    if (before.get(key) != value) found.push_back("`" + key + "`: " + flow(before.get(key)) + " → " + flow(value));
  }
  for (const auto& [key, value] : before.as_map())
    if (!after.find(key)) found.push_back("`" + key + "`: " + flow(value) + " is gone");
  if (found.empty() && before != after) found.emplace_back("its order");
  return found;
}

std::string identity(const Value& entry) { return entry.text("connection") + "\n" + entry.text("table"); }

}  // namespace

std::vector<FleetTask> fleet_tasks(const Path& dag_file, std::string_view content) {
  std::vector<FleetTask> found;
  const YamlFile yaml = parse_yaml(content);
  if (yaml.problem) return found;
  for (const YamlDocument& document : yaml.documents) {
    const YamlNode* tasks = document.root.find("tasks");
    if (tasks == nullptr) continue;
    const YamlNode* id = document.root.find("dag");
    const auto take = [&](const std::string& task_id, const YamlNode& task) {
      for (const char* key : {"expand", "expand_zip"}) {
        const YamlNode* inputs = task.find(key);
        if (inputs == nullptr) continue;
        for (const YamlMember& input : inputs->members) {
          const YamlNode* rules = input.value.find("tables");
          const YamlNode* file = rules == nullptr ? nullptr : rules->find("file");
          if (file == nullptr || !file->is_text()) continue;
          FleetTask fleet{.dag_id = id == nullptr ? "" : id->text, .task_id = task_id, .dag_file = dag_file};
          fleet.manifest = (dag_file.parent_path() / file->text).lexically_normal();
          fleet.parameters = to_value(*rules);
          fleet.parameters.erase("file");
          found.push_back(std::move(fleet));
        }
      }
    };
    for (const YamlMember& task : tasks->members) take(task.key, task.value);
    for (const YamlNode& task : tasks->items)
      if (const YamlNode* task_id = task.find("task_id")) take(task_id->text, task);
  }
  return found;
}

std::string to_manifest(const FleetTask& task, const Value::List& entries) {
  std::string text = "# The tables that `" + task.task_id + "` of " + task.dag_file.filename().string() +
                     " takes. `udon fleet plan --write` makes this file: change the rules there.\n";
  for (const Value& entry : entries) text += written(entry);
  if (entries.empty()) text += "[]\n";
  return text;
}

std::vector<TableChange> compare_tables(const Value::List& before, const Value::List& after) {
  using Kind = TableChange::Kind;
  std::map<std::string, const Value*> old_entries, new_entries;
  for (const Value& entry : before) old_entries[identity(entry)] = &entry;
  for (const Value& entry : after) new_entries[identity(entry)] = &entry;
  std::vector<TableChange> changes;
  for (const Value& entry : after)
    if (!old_entries.contains(identity(entry))) changes.push_back({Kind::added, entry.text("table"), {}});
  for (const Value& entry : before)
    if (!new_entries.contains(identity(entry))) changes.push_back({Kind::dropped, entry.text("table"), {}});
  for (const Value& entry : after) {
    const auto old = old_entries.find(identity(entry));
    if (old == old_entries.end() || !old->second->is_map()) continue;
    auto found = details(*old->second, entry);
    if (!found.empty()) changes.push_back({Kind::changed, entry.text("table"), std::move(found)});
  }
  return changes;
}

}  // namespace udon
