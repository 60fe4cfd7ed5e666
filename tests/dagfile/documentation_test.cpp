// docs/dag-files.md against what the loader knows, both ways.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "base/text.h"
#include "dagfile/loader/document.h"
#include "dagfile/params.h"
#include "dagfile/templates/filters.h"
#include "tests/golden.h"

namespace udon {
namespace {

using Words = std::set<std::string>;

const std::string& page() {
  static const std::string text = *read_file(test::source_folder() / "docs/dag-files.md");
  return text;
}

// From the heading to the next one.
std::string section(const std::string& heading) {
  const size_t begin = page().find("\n" + heading + "\n");
  INFO(heading);
  REQUIRE(begin != std::string::npos);
  const size_t text = begin + heading.size() + 2;
  return page().substr(text, page().find("\n#", text) - text);
}

// What stands in backquotes.
std::vector<std::string> quoted(const std::string& text) {
  std::vector<std::string> words;
  const std::vector<std::string> parts = split(text, '`');
  for (size_t i = 1; i < parts.size(); i += 2) words.push_back(parts[i]);
  return words;
}

struct Row {
  std::vector<std::string> keys;
  std::string type, otherwise;
};
// Of the section's table, without its head.
std::vector<Row> rows(const std::string& heading) {
  std::vector<Row> found;
  int line_number = 0;
  for (const std::string& line : split(section(heading), '\n')) {
    if (!line.starts_with("| ") && !line.starts_with("|-")) continue;
    if (++line_number <= 2) continue;
    const std::vector<std::string> cells = split(line, '|');
    REQUIRE(cells.size() >= 4);
    found.push_back({quoted(cells[1]), std::string(trim(cells[2])), std::string(trim(cells[3]))});
    CHECK_FALSE(found.back().keys.empty());
  }
  CHECK_FALSE(found.empty());
  return found;
}

Words keys_of(const std::string& heading) {
  Words words;
  for (const Row& row : rows(heading)) words.insert(row.keys.begin(), row.keys.end());
  return words;
}

Words set_of(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

std::string shown(const FieldType& type) {
  switch (type.kind) {
    case FieldType::Kind::text: return "text";
    case FieldType::Kind::id: return "id";
    case FieldType::Kind::flag: return "true or false";
    case FieldType::Kind::duration: return "duration";
    case FieldType::Kind::texts: return "list of texts";
    case FieldType::Kind::integer: return "integer, " + std::to_string(type.least) + " to " + std::to_string(type.most);
    case FieldType::Kind::failures: return "kinds of failures";
    case FieldType::Kind::word: return "";  // its words are compared
  }
  return "";
}

template <class T>
void check_types(const std::string& heading, const std::vector<Field<T>>& fields) {
  for (const Row& row : rows(heading)) {
    const Field<T>* field = find_field(fields, row.keys.at(0));
    if (field == nullptr) continue;
    INFO(row.keys[0]);
    if (field->type.kind != FieldType::Kind::word)
      CHECK(row.type == shown(field->type));
    else if (row.keys[0] != "trigger_rule")
      CHECK(set_of(quoted(row.type)) == set_of(field->type.words));
  }
}

TEST_CASE("the page on DAG files names every key of a DAG and of a task, with its type, and no other") {
  std::vector<std::string> keys = special_dag_keys();
  for (const Field<Dag>& field : dag_fields()) keys.emplace_back(field.key);
  CHECK(keys_of("## Keys of a DAG") == set_of(keys));
  check_types("## Keys of a DAG", dag_fields());
  keys = special_task_keys();
  for (const Field<Task>& field : task_fields()) keys.emplace_back(field.key);
  CHECK(keys_of("## Keys of a task") == set_of(keys));
  check_types("## Keys of a task", task_fields());
}

TEST_CASE("the page on DAG files names every key inside schedule, dst, params and expand, and every trigger rule") {
  CHECK(keys_of("### schedule as a map") == set_of(schedule_keys()));
  CHECK(keys_of("### dst") == set_of(dst_keys()));
  CHECK(keys_of("### calendar") == set_of(calendar_keys()));
  CHECK(keys_of("## params") == set_of(param_schema_keys()));
  CHECK(keys_of("### Trigger rules") == set_of(find_field(task_fields(), "trigger_rule")->type.words));
  Words sources;
  for (const std::string& written : keys_of("### Mapping"))
    if (written.starts_with('{')) sources.insert(written.substr(1, written.find(':') - 1));
  CHECK(sources == set_of(map_source_keys()));
  CHECK(keys_of("### Task groups") == set_of(group_keys()));
}

TEST_CASE("the page on DAG files tells the defaults that a task and a DAG have") {
  const Task task;
  const Dag dag;
  const std::map<std::string, std::string> defaults{
      {"trigger_rule", std::string(to_string(task.trigger_rule))},
      {"retries", std::to_string(task.retry.retries)},
      {"retry_delay", format_duration(task.retry.delay)},
      {"max_retry_delay",
       format_duration(retry_delay({.delay = std::chrono::hours(1'000), .exponential_backoff = true}, 3))},
      {"poke_interval", format_duration(task.poke_interval)},
      {"pool", task.pool},
      {"pool_slots", std::to_string(task.pool_slots)},
      {"priority_weight", std::to_string(task.priority_weight)},
      {"weight_rule", std::string(to_string(task.weight_rule))},
      {"queue", task.queue},
      {"max_active_runs", std::to_string(dag.max_active_runs)},
      {"max_active_tasks", std::to_string(dag.max_active_tasks)},
      {"timezone", dag.schedule.timezone},
  };
  size_t seen = 0;
  for (const char* heading : {"## Keys of a DAG", "## Keys of a task"}) {
    for (const Row& row : rows(heading)) {
      const auto found = defaults.find(row.keys.at(0));
      if (found == defaults.end()) continue;
      ++seen;
      CHECK(row.keys[0] + " " + row.otherwise == found->first + " `" + found->second + "`");
    }
  }
  CHECK(seen == defaults.size());
}

TEST_CASE("the page on DAG files names every filter of templates") {
  const size_t begin = page().find("<!-- filters -->"), end = page().find("<!-- end of filters -->");
  REQUIRE(begin < end);
  CHECK(set_of(quoted(page().substr(begin, end - begin))) == set_of(templates::filter_names()));
}

TEST_CASE("a sensor's help page names what every sensor takes, and how often it looks") {
  const std::string help = *read_file(test::source_folder() / "plugins/replica_lag/README.md");
  CHECK(help.find("`poke_interval` (" + format_duration(Task{}.poke_interval) + " unless said otherwise)") !=
        std::string::npos);
}

}  // namespace
}  // namespace udon
