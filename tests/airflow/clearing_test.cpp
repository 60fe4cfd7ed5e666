// Which task instances are cleared and marked: our API, with the scheduler's own code behind it, against the answers of
// Airflow's API to the same questions over the same DAGs (tests/airflow/clearing_table.py).
//
// Where we differ knowingly: setups and teardowns of a mapped group (below); with upstream and downstream at once we
// take what Airflow's command line takes (`subset`), not what its API does; of task instances without a state Airflow
// says that they are cleared, we do not, so all have one here.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <sstream>

#include "dagfile/loader/load.h"
#include "dagfile/serialize.h"
#include "scheduler/commands.h"
#include "tests/dagfile/operators.h"
#include "tests/golden.h"
#include "tests/web/api_scene.h"

using namespace udon;
using namespace udon::test;

namespace {

using Names = std::set<std::string>;
using ByRun = std::map<std::string, Names>;

Names words(const std::string& text) {
  std::istringstream stream(text);
  Names found;
  for (std::string word; stream >> word;) found.insert(word);
  return found;
}

std::string told(const ByRun& by_run) {
  std::string text;
  for (const auto& [run, names] : by_run) {
    text += run + ":";
    for (const std::string& name : names) text += " " + name;
    text += "; ";
  }
  return text;
}

TaskState state_of(char letter) {
  switch (letter) {
    case 's': return TaskState::success;
    case 'f': return TaskState::failed;
    case 'u': return TaskState::upstream_failed;
    default: return TaskState::skipped;
  }
}

// A DAG of the table with its three runs, in the scheduler's memory and in the store.
class House {
 public:
  explicit House(const std::string& text) {
    const OperatorCatalog catalog = test::operators();
    const LoadedFile loaded = load_dag_text(".", "dags.yaml", text, catalog);
    INFO(text << "\n" << (loaded.diagnostics.empty() ? "" : to_string(loaded.diagnostics[0])));
    REQUIRE(loaded.dags.size() == 1);
    dag_ = loaded.dags[0];
    shape_ = make_shape(dag_);
    auto snapshot = std::make_shared<CatalogSnapshot>();
    snapshot->dags.emplace(dag_->dag_id, dag_);
    scene_.catalog = std::move(snapshot);
    scene_.commit({PutDag{{.dag_id = dag_->dag_id, .file = "dags.yaml", .version = dag_->version}},
                   PutDagVersion{{.dag_id = dag_->dag_id,
                                  .version = dag_->version,
                                  .created_at = t0,
                                  .serialized = serialize(*dag_),
                                  .source = text}}});
    scene_.control.answer = [this](const Command& command) { return carry_out(command); };
  }

  const Dag& dag() const { return *dag_; }
  const Task& task(const std::string& id) const {
    const int index = dag_->index_of(id);
    REQUIRE(index >= 0);
    return dag_->tasks[static_cast<size_t>(index)];
  }

  // "t0=s t1[0]=f"
  void add_run(const std::string& run_id, const std::string& states) {
    ActiveRun run;
    run.row = make_run(++last_run_, dag_->dag_id);
    run.row.run_id = run_id;
    run.row.dag_version = dag_->version;
    scene_.commit({InsertRun{run.row, ""}});
    run.row.state = RunState::success;
    run.shape = shape_;
    run.slots.resize(dag_->tasks.size());
    for (size_t i = 0; i < run.slots.size(); ++i) set_known_length(run.slots[i], shape_, static_cast<int>(i));
    std::istringstream stream(states);
    std::vector<TaskInstance> stored;
    for (std::string word; stream >> word;) {
      const size_t end = word.find('='), bracket = word.find('[');
      const int map_index = bracket == word.npos ? -1 : std::stoi(word.substr(bracket + 1));
      TaskInstance row = make_instance(++last_instance_, last_run_, word.substr(0, std::min(end, bracket)), map_index);
      stored.push_back(row);
      row.state = state_of(word[end + 1]);
      const int task = dag_->index_of(row.task_id);
      REQUIRE(task >= 0);
      run.slots[static_cast<size_t>(task)].instances.push_back(row);
    }
    scene_.commit({InsertInstances{std::move(stored)}});
    state_.load_run(std::move(run), {});
  }

  ByRun clear(const Value& question) {
    Value body = question;
    body.set("dag_run_id", "r2");
    body.set("dry_run", true);
    if (body.find("only_failed") == nullptr) body.set("only_failed", false);
    return ask("POST", "/api/v2/dags/" + dag_->dag_id + "/clearTaskInstances", body);
  }

  ByRun mark_failed(const std::string& group, const Value& question) {
    Value body = question;
    body.set("new_state", "failed");
    return ask("PATCH", "/api/v2/dags/" + dag_->dag_id + "/dagRuns/r2/taskGroupInstances/" + group + "/dry_run", body);
  }

  // Tasks of which anything is cleared.
  Names subset(const Value& question) const {
    ClearTasks command{.selection = {.dag_id = dag_->dag_id, .run_id = "r2"}, .dry_run = true};
    for (const Value& id : question.get("task_ids").as_list()) command.selection.tasks.emplace_back(id.as_string(), -1);
    command.selection.upstream = question.flag("include_upstream");
    command.selection.downstream = question.flag("include_downstream");
    const auto moves = moves_of(command, t0, state_);
    REQUIRE(moves);
    Names names;
    for (const TaskInstanceKey& key : moves->outcome.instances) names.insert(key.task_id);
    return names;
  }

 private:
  // As the scheduler does: of several runs one after the other.
  Result<CommandOutcome> carry_out(const Command& command) {
    if (const auto* several = std::get_if<ChangeRuns>(&command)) {
      CommandOutcome all;
      for (const auto& change : several->changes) {
        TRY_ASSIGN(const CommandOutcome one,
                   carry_out(std::visit([](const auto& of_run) { return Command(of_run); }, change)));
        all.instances.insert(all.instances.end(), one.instances.begin(), one.instances.end());
      }
      return all;
    }
    TRY_ASSIGN(CommandMoves moves, moves_of(command, t0, state_));
    CHECK(moves.moves.empty());  // all are dry runs
    return std::move(moves.outcome);
  }

  ByRun ask(const std::string& method, const std::string& url, const Value& body) {
    const Value answer = scene_.json(200, method, url, to_json(body));
    ByRun by_run;
    for (const Value& row : answer.get("task_instances").as_list()) {
      const int64_t index = row.integer("map_index");
      by_run[row.text("dag_run_id")].insert(row.text("task_id") + (index < 0 ? "" : "[" + std::to_string(index) + "]"));
    }
    return by_run;
  }

  ApiScene scene_;
  State state_{16};
  DagPtr dag_;
  ShapePtr shape_;
  RunNumber last_run_ = 0;
  InstanceNumber last_instance_ = 0;
};

ByRun by_run_of(const Value& answer) {
  ByRun by_run;
  for (const auto& [run, names] : answer.as_map()) by_run[run] = words(names.as_string());
  return by_run;
}

// `{…} {…}`: a question and its answer.
std::pair<Value, Value> two_objects(const std::string& text) {
  const size_t gap = text.find("} {");
  REQUIRE(gap != text.npos);
  return {parse_json(text.substr(0, gap + 1)).value(), parse_json(text.substr(gap + 2)).value()};
}

// A knowing difference: whoever clears an index of a mapped group has the setups and teardowns in that group done anew
// for that index alone. Airflow does it for all indices, though the others' setups have served nobody anew.
ByRun without_setups_of_other_indices(const House& house, const Value& question, ByRun airflows) {
  std::map<std::string, Names> named;  // mapped group → "[index]"
  for (const Value& id : question.get("task_ids").as_list()) {
    const std::string& group = house.task(id.is_list() ? id.as_list()[0].as_string() : id.as_string()).mapped_group;
    if (group.empty()) continue;
    if (!id.is_list()) return airflows;
    named[group].insert("[" + std::to_string(id.as_list()[1].as_int()) + "]");
  }
  for (auto& [run, names] : airflows) {
    std::erase_if(names, [&](const std::string& name) {
      const size_t bracket = name.find('[');
      if (bracket == name.npos) return false;
      const Task& task = house.task(name.substr(0, bracket));
      const auto group = named.find(task.mapped_group);
      return (task.is_setup || task.is_teardown) && group != named.end() &&
             !group->second.contains(name.substr(bracket));
    });
  }
  std::erase_if(airflows, [](const auto& one) { return one.second.empty(); });
  return airflows;
}

bool names_an_index(const Value& question) {
  return std::ranges::any_of(question.get("task_ids").as_list(), [](const Value& id) { return id.is_list(); });
}

}  // namespace

TEST_CASE("what is cleared and marked is what Airflow clears and marks, over random DAGs with groups and setups") {
  const Result<std::string> table = read_file(source_folder() / "tests/golden/clearing.txt");
  REQUIRE(table);
  std::istringstream lines(*table);
  std::unique_ptr<House> house;
  std::map<std::string, Names> edges;
  int dags = 0, questions = 0, of_indices = 0, knowingly = 0, others = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string kind = line.substr(0, line.find(' ')), rest = line.substr(std::min(line.size(), kind.size() + 1));
    INFO((house ? house->dag().source : ""));
    INFO(line);
    if (kind == "dag") {
      house = std::make_unique<House>(rest);
      edges.clear();
      ++dags;
    } else if (kind == "edges") {
      Names after = words(rest);
      const std::string task = rest.substr(0, rest.find(' '));
      after.erase(task);
      edges[task] = std::move(after);
    } else if (kind == "states") {
      if (rest.starts_with("r1")) {
        // What coming after a group, and before one, means.
        for (const Task& task : house->dag().tasks) {
          Names upstream;
          for (const int before : task.upstream)
            upstream.insert(house->dag().tasks[static_cast<size_t>(before)].task_id);
          INFO(task.task_id);
          CHECK(upstream == edges[task.task_id]);
        }
      }
      house->add_run(rest.substr(0, 2), rest.substr(3));
    } else if (kind == "clear") {
      const auto [question, answer] = two_objects(rest);
      const ByRun ours = house->clear(question);
      ByRun airflows = by_run_of(answer);
      INFO("ours: " << told(ours));
      ++questions;
      if (names_an_index(question)) {
        ++of_indices;
        if (ours != airflows) {
          ++knowingly;
          airflows = without_setups_of_other_indices(*house, question, std::move(airflows));
        }
      }
      CHECK(ours == airflows);
    } else if (kind == "subset") {
      const size_t end = rest.find('}') + 1;
      const Names ours = house->subset(parse_json(rest.substr(0, end)).value());
      INFO("ours: " << told({{"", ours}}));
      ++others;
      CHECK(ours == words(rest.substr(end)));
    } else if (kind == "mark") {
      const size_t brace = rest.find(' ');
      const auto [question, answer] = two_objects(rest.substr(brace + 1));
      const ByRun ours = house->mark_failed(rest.substr(0, brace), question);
      INFO("ours: " << told(ours));
      ++others;
      CHECK(ours == by_run_of(answer));
    } else {
      CHECK(kind == "#");
    }
  }
  CHECK(dags == 110);
  CHECK(questions == 880);
  CHECK(of_indices > 100);
  CHECK((knowingly > 0 && knowingly < 10));
  CHECK(others > 880);
}
