#include "cli/task_tree.h"

#include "base/text.h"

namespace udon::cli {
namespace {

// What needs a look comes first.
constexpr const char* states_by_urgency[] = {"failed",   "upstream_failed",   "up_for_retry", "restarting", "running",
                                             "deferred", "up_for_reschedule", "queued",       "scheduled",  "none",
                                             "success",  "skipped",           "removed"};

// "[0-41,43-99]", not longer than a name may be.
std::string describe_indices(const Value& ranges) {
  constexpr int width_max = 40;
  std::vector<std::string> parts;
  for (const Value& range : ranges.as_list()) {
    const int64_t first = range.as_list()[0].as_int(), last = range.as_list()[1].as_int();
    parts.push_back(std::to_string(first) + (first == last ? "" : "-" + std::to_string(last)));
  }
  const std::string text = join(parts, ",");
  return "[" + (display_width(text) > width_max ? cut_to_width(text, width_max) : text) + "]";
}

class Rows {
 public:
  explicit Rows(const Terminal& terminal) : has_lines_(terminal.is_terminal) {}
  Value::List take() { return std::move(rows_); }

  void add(const Value& nodes, const std::string& before, bool is_top) {
    const Value::List& list = nodes.as_list();
    for (size_t i = 0; i < list.size(); ++i) {
      const Value& node = list[i];
      const bool is_last = i + 1 == list.size();
      add_row(node, before + (is_top ? "" : branch(is_last)) + node.text("id"));
      const std::string below = is_top ? "" : before + stem(is_last);
      const bool has_children = node.get("children").is_list() && node.get("children").size() > 0;
      if (node.get("map_indexes").is_list()) add_indices(node, below, has_children);
      if (has_children) add(node.get("children"), below, false);
    }
  }

 private:
  std::string branch(bool is_last) const { return !has_lines_ ? "  " : is_last ? "└─ " : "├─ "; }
  std::string stem(bool is_last) const { return !has_lines_ ? "  " : is_last ? "   " : "│  "; }

  void add_row(Value row, std::string name) {
    row.set("name", std::move(name));
    rows_.push_back(std::move(row));
  }

  void add_indices(const Value& node, const std::string& below, bool has_children) {
    const Value::List& all = node.get("map_indexes").as_list();
    for (size_t i = 0; i < all.size(); ++i) {
      const int64_t count = all[i].integer("count");
      const std::string states = describe_states(all[i].get("states"));
      add_row(Value::Map{{"is_of_indices", true},
                         {"count", std::to_string(count) + (count == 1 ? " index" : " indices")},
                         {"states_text", states + (count == 1 ? "" : " each")}},
              below + branch(i + 1 == all.size() && !has_children) + describe_indices(all[i].get("map_indexes")));
    }
  }

  const bool has_lines_;
  Value::List rows_;
};

}  // namespace

bool has_groups(const Value& nodes) {
  if (!nodes.is_list()) return false;
  for (const Value& node : nodes.as_list()) {
    if (node.get("children").is_list()) return true;
  }
  return false;
}

Value::List tree_rows(const Value& nodes, const Terminal& terminal) {
  Rows rows(terminal);
  rows.add(nodes, "", true);
  return rows.take();
}

std::string describe_states(const Value& states) {
  std::vector<std::string> parts;
  for (const char* state : states_by_urgency) {
    const int64_t count = states.integer(state);
    if (count == 0) continue;
    if (count == 1 && states.size() == 1) return state;
    parts.push_back(std::to_string(count) + " " + state);
  }
  return join(parts, ", ");
}

const std::vector<Column>& run_tree_columns() {
  static const std::vector<Column> columns{
      column("TASK", "name"),
      {"INSTANCES",
       [](const Value& row) {
         return row.flag("is_of_indices") ? row.text("count") : std::to_string(row.integer("task_instances"));
       }},
      {"STATES",
       [](const Value& row) {
         return row.flag("is_of_indices") ? row.text("states_text") : describe_states(row.get("states"));
       }},
      {"KIND", [](const Value& row) {
         if (row.flag("is_of_indices")) return std::string();
         const bool is_group = row.get("children").is_list();
         return std::string(row.flag("is_mapped") ? "mapped " : "") + (is_group ? "group" : row.text("operator"));
       }}};
  return columns;
}

}  // namespace udon::cli
