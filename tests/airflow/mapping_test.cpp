// How many task instances a task is mapped to, and what each of them is bound to, as Airflow's own code has it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "base/file.h"
#include "dagfile/loader/load.h"
#include "scheduler/map_inputs.h"
#include "tests/dagfile/operators.h"
#include "tests/golden.h"

using namespace udon;

namespace {

struct Line {
  std::string kind;
  Value inputs;
  std::vector<int64_t> counts;
  Value bound;
};

// KIND JSON COUNT… [JSON]
Line parse(const std::string& text) {
  Line line;
  const size_t from = text.find(' ');
  line.kind = text.substr(0, from);
  size_t to = text.find(' ', from + 1);
  // The inputs end where they are JSON.
  for (; to != text.npos; to = text.find(' ', to + 1)) {
    if (auto inputs = parse_json(text.substr(from + 1, to - from - 1))) {
      line.inputs = *std::move(inputs);
      break;
    }
  }
  std::istringstream rest(text.substr(to));
  for (int64_t count = 0; rest >> count;) line.counts.push_back(count);
  rest.clear();
  std::string bound;
  std::getline(rest, bound);
  if (!bound.empty()) line.bound = parse_json(bound).value();
  return line;
}

std::vector<Line> lines_of(const std::string& kind) {
  const Result<std::string> table = read_file(test::source_folder() / "tests/golden/mapping.txt");
  REQUIRE(table);
  std::istringstream lines(*table);
  std::vector<Line> found;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kind + " ")) found.push_back(parse(line));
  }
  REQUIRE(found.size() == (kind == "expand" ? 120 : 60));
  return found;
}

// One task for each input, which has returned it, and one that is mapped over all of them.
ActiveRun returned(const Value& inputs, MapSpec::Combine combine) {
  auto dag = std::make_shared<Dag>();
  MapSpec spec{.combine = combine, .inputs = {}};
  ActiveRun run;
  for (const auto& [name, value] : inputs.as_map()) {
    Task task;
    task.task_id = "makes_" + name;
    spec.inputs.push_back({.name = name, .source = task.task_id});
    dag->tasks.push_back(std::move(task));
    TaskSlot slot;
    slot.length = 1;
    slot.instances.resize(1);
    slot.in_state[index_of(TaskState::success)] = 1;
    slot.outputs[-1] = value;
    run.slots.push_back(std::move(slot));
  }
  Task mapped;
  mapped.task_id = "mapped";
  mapped.expand = std::move(spec);
  dag->tasks.push_back(std::move(mapped));
  run.slots.emplace_back();
  run.shape = make_shape(std::move(dag));
  return run;
}

Value::List all_bound(const MapSpec& spec) {
  Value::List all;
  for (int64_t index = 0; index < known_length(spec).value(); ++index) all.push_back(bound_values(spec, index));
  return all;
}

// A DAG file that maps the task `mapped`, or the group it lies in, over lists.
LoadedFile load(const std::string& groups, const std::string& tasks) {
  static const OperatorCatalog catalog = test::operators();
  return load_dag_text(".", "dags.yaml", "{dag: a, " + groups + "tasks: {" + tasks + "}}", catalog);
}

const Mapping& expand_of(const LoadedFile& loaded, const std::string& task) {
  INFO((loaded.diagnostics.empty() ? "" : to_string(loaded.diagnostics[0])));
  REQUIRE(loaded.dags.size() == 1);
  return loaded.dags[0]->tasks[static_cast<size_t>(loaded.dags[0]->index_of(task))].expand;
}

bool are_lists(const Value& inputs) {
  return std::ranges::all_of(inputs.as_map(), [](const auto& input) { return input.second.is_list(); });
}

}  // namespace

TEST_CASE("what tasks returned is mapped over as by Airflow: the product of lists and dicts, the last one fastest") {
  for (const Line& line : lines_of("expand")) {
    INFO(to_json(line.inputs));
    const ActiveRun run = returned(line.inputs, MapSpec::Combine::product);
    const Inputs resolved = resolve_inputs(run, static_cast<int>(run.slots.size()) - 1);
    REQUIRE(resolved.bound);
    CHECK(known_length(*resolved.bound) == line.counts.at(0));
    CHECK(Value(all_bound(*resolved.bound)) == line.bound);
  }
}

TEST_CASE("lists in a DAG file are mapped over as by Airflow") {
  int lists = 0;
  for (const Line& line : lines_of("expand")) {
    if (!are_lists(line.inputs)) continue;
    INFO(to_json(line.inputs));
    ++lists;
    const LoadedFile loaded = load("", "mapped: {operator: empty, expand: " + to_json(line.inputs) + "}");
    const Mapping& expand = expand_of(loaded, "mapped");
    CHECK(known_length(*expand) == line.counts.at(0));
    CHECK(Value(all_bound(*expand)) == line.bound);
  }
  CHECK(lists > 40);
}

TEST_CASE("lists are zipped as by Airflow, as far as the shortest goes; in a DAG file unequal ones are a mistake") {
  int unequal = 0;
  for (const Line& line : lines_of("zip")) {
    INFO(to_json(line.inputs));
    const ActiveRun run = returned(line.inputs, MapSpec::Combine::zip);
    const Inputs resolved = resolve_inputs(run, static_cast<int>(run.slots.size()) - 1);
    REQUIRE(resolved.bound);
    CHECK(known_length(*resolved.bound) == line.counts.at(0));
    CHECK(Value(all_bound(*resolved.bound)) == line.bound);
    const bool are_equal = std::ranges::all_of(line.inputs.as_map(), [&](const auto& input) {
      return static_cast<int64_t>(input.second.size()) == line.counts[0];
    });
    const LoadedFile loaded = load("", "mapped: {operator: empty, expand_zip: " + to_json(line.inputs) + "}");
    // Who writes both down meant them to fit; what is returned may well be shorter.
    CHECK(loaded.dags.size() == (are_equal ? 1 : 0));
    if (!are_equal) ++unequal;
    if (are_equal) CHECK(Value(all_bound(*expand_of(loaded, "mapped"))) == line.bound);
  }
  CHECK(unequal > 10);
}

TEST_CASE("all tasks of a mapped group, at whatever depth, are mapped as by Airflow") {
  for (const Line& line : lines_of("group")) {
    INFO(to_json(line.inputs));
    const LoadedFile loaded = load("task_groups: {g: {expand: " + to_json(line.inputs) + "}, g.in: {}}, ",
                                   "t: {operator: empty, group: g}, deep: {operator: empty, group: g.in}");
    const Mapping &expand = expand_of(loaded, "t"), &deep = expand_of(loaded, "deep");
    CHECK(known_length(*expand) == line.counts.at(0));
    CHECK(known_length(*deep) == line.counts.at(1));
    CHECK(Value(all_bound(*expand)) == line.bound);
    CHECK(Value(all_bound(*deep)) == line.bound);
  }
}

// Airflow makes as many task instances as both together have items, and gives those of the inner group no value of the
// outer one: it is "not yet supported" there. Here it is refused, and one group with both lists is as many.
TEST_CASE("a mapped group in a mapped group is refused, and one with both lists has as many as Airflow makes") {
  for (const Line& line : lines_of("nested")) {
    INFO(to_json(line.inputs));
    const Value::List& both = line.inputs.as_list();
    const LoadedFile nested =
        load("task_groups: {g: {expand: " + to_json(both[0]) + "}, g.again: {expand: " + to_json(both[1]) + "}}, ",
             "t: {operator: empty, group: g}, deep: {operator: empty, group: g.again}");
    CHECK(nested.dags.empty());
    Value all = both[0];
    for (const auto& [name, list] : both[1].as_map()) all.set(name, list);
    const LoadedFile loaded =
        load("task_groups: {g: {expand: " + to_json(all) + "}}, ", "t: {operator: empty, group: g}");
    CHECK(known_length(*expand_of(loaded, "t")) == line.counts.at(0));
  }
}
