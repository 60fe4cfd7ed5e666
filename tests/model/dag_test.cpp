#include "model/dag.h"

#include <catch2/catch.hpp>
#include <set>

#include "base/random.h"

using namespace udon;
using namespace std::chrono_literals;

namespace {

// A DAG of `count` tasks with the given edges (from a lower index to a higher one).
Dag make_dag(int count, const std::vector<std::pair<int, int>>& edges) {
  Dag dag;
  dag.tasks.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < dag.tasks.size(); ++i) dag.tasks[i].task_id = "t" + std::to_string(i);
  for (const auto& [from, to] : edges) {
    dag.tasks[static_cast<size_t>(from)].downstream.push_back(to);
    dag.tasks[static_cast<size_t>(to)].upstream.push_back(from);
  }
  return dag;
}

MapSpec make_spec(MapSpec::Combine combine, std::vector<std::pair<std::string, int>> inputs) {
  MapSpec spec;
  spec.combine = combine;
  for (const auto& [name, size] : inputs) {
    Value::List list;
    for (int i = 0; i < size; ++i) list.emplace_back(name + std::to_string(i));
    spec.inputs.push_back({name, list});
  }
  return spec;
}

}  // namespace

TEST_CASE("operator kinds and weight rules are read back from their words") {
  for (const OperatorKind kind : {OperatorKind::process, OperatorKind::sensor, OperatorKind::external_job}) {
    CHECK(parse_operator_kind(to_string(kind)) == kind);
  }
  for (const WeightRule rule : {WeightRule::downstream, WeightRule::upstream, WeightRule::absolute}) {
    CHECK(parse_weight_rule(to_string(rule)) == rule);
  }
  CHECK(parse_operator_kind("Sensor") == std::nullopt);
  CHECK(parse_weight_rule("") == std::nullopt);
}

TEST_CASE("a task is found by its id") {
  const Dag dag = make_dag(3, {});
  CHECK(dag.index_of("t0") == 0);
  CHECK(dag.index_of("t2") == 2);
  CHECK(dag.index_of("t") == -1);
  CHECK(Dag{}.index_of("t0") == -1);
}

TEST_CASE("a fixed retry delay is the same before each try") {
  const RetryPolicy policy{.retries = 3, .delay = 90s, .delay_max = 10s};
  CHECK(retry_delay(policy, 2) == 90s);
  CHECK(retry_delay(policy, 9) == 90s);
}

TEST_CASE("an exponential retry delay doubles with each try up to its cap, for ever without overflow") {
  RetryPolicy policy{.retries = 3, .delay = 1min, .exponential_backoff = true, .delay_max = {}};
  CHECK(retry_delay(policy, 2) == 1min);
  CHECK(retry_delay(policy, 3) == 2min);
  CHECK(retry_delay(policy, 4) == 4min);
  CHECK(retry_delay(policy, 1000) == 24h);
  policy.delay_max = 3min;
  CHECK(retry_delay(policy, 4) == 3min);
  policy.delay = 1h;
  CHECK(retry_delay(policy, 2) == 3min);
  policy = {.delay = 0s, .exponential_backoff = true, .delay_max = {}};
  CHECK(retry_delay(policy, 2'000'000'000) == 0s);
  policy = {.delay = 1us, .exponential_backoff = true, .delay_max = Duration::max()};
  CHECK(retry_delay(policy, 2'000'000'000) == Duration::max());
}

TEST_CASE("a product of inputs has their product's length, the last input varying fastest") {
  const MapSpec spec = make_spec(MapSpec::Combine::product, {{"a", 2}, {"b", 3}});
  REQUIRE(known_length(spec) == 6);
  CHECK(to_json(bound_values(spec, 0)) == R"({"a":"a0","b":"b0"})");
  CHECK(to_json(bound_values(spec, 1)) == R"({"a":"a0","b":"b1"})");
  CHECK(to_json(bound_values(spec, 3)) == R"({"a":"a1","b":"b0"})");
  CHECK(to_json(bound_values(spec, 5)) == R"({"a":"a1","b":"b2"})");
  std::set<std::string> all;
  for (int64_t i = 0; i < 6; ++i) all.insert(to_json(bound_values(spec, i)));
  CHECK(all.size() == 6);
}

TEST_CASE("zipped inputs go side by side, as many as the shortest has") {
  const MapSpec spec = make_spec(MapSpec::Combine::zip, {{"a", 2}, {"b", 3}});
  REQUIRE(known_length(spec) == 2);
  CHECK(to_json(bound_values(spec, 1)) == R"({"a":"a1","b":"b1"})");
}

TEST_CASE("an empty input maps to nothing, and a length beyond 64 bits does not wrap to a small one") {
  CHECK(known_length(make_spec(MapSpec::Combine::product, {{"a", 5}, {"b", 0}})) == 0);
  CHECK(known_length(make_spec(MapSpec::Combine::product, {{"b", 0}, {"a", 5}})) == 0);
  CHECK(known_length(make_spec(MapSpec::Combine::zip, {{"a", 5}, {"b", 0}})) == 0);
  CHECK(known_length(MapSpec{}) == 0);
  MapSpec huge;
  for (int i = 0; i < 20; ++i) huge.inputs.push_back({"i" + std::to_string(i), Value::List(1000)});
  CHECK(known_length(huge) == std::numeric_limits<int64_t>::max());
}

TEST_CASE("a length that hangs on an upstream task's result is not known") {
  MapSpec spec = make_spec(MapSpec::Combine::product, {{"a", 2}});
  spec.inputs.push_back({"b", std::string("upstream_task")});
  CHECK(known_length(spec) == std::nullopt);
}

TEST_CASE("priority adds up the weights of all that follow, each task once") {
  // A diamond: 0 -> 1, 2 -> 3.
  Dag dag = make_dag(4, {{0, 1}, {0, 2}, {1, 3}, {2, 3}});
  CHECK(effective_priorities(dag) == std::vector<int64_t>{4, 2, 2, 1});
  for (Task& task : dag.tasks) task.weight_rule = WeightRule::upstream;
  CHECK(effective_priorities(dag) == std::vector<int64_t>{1, 2, 2, 4});
  for (Task& task : dag.tasks) task.weight_rule = WeightRule::absolute;
  dag.tasks[1].priority_weight = 7;
  CHECK(effective_priorities(dag) == std::vector<int64_t>{1, 7, 1, 1});
  dag.tasks[0].weight_rule = WeightRule::downstream;
  dag.tasks[3].weight_rule = WeightRule::upstream;
  CHECK(effective_priorities(dag) == std::vector<int64_t>{10, 7, 1, 10});
  CHECK(effective_priorities(Dag{}).empty());
}

TEST_CASE("priorities of random DAGs are those of a plain walk") {
  Random random(20260131);
  for (int round = 0; round < 30; ++round) {
    const int count = 1 + static_cast<int>(random.below(200));
    std::vector<std::pair<int, int>> edges;
    for (int to = 1; to < count; ++to) {
      for (uint64_t k = random.below(4); k > 0; --k) {
        const auto from = static_cast<int>(random.below(static_cast<uint64_t>(to)));
        if (std::find(edges.begin(), edges.end(), std::pair(from, to)) == edges.end()) edges.emplace_back(from, to);
      }
    }
    Dag dag = make_dag(count, edges);
    for (Task& task : dag.tasks) {
      task.priority_weight = static_cast<int>(random.below(100)) - 20;
      task.weight_rule = random.one_in(2) ? WeightRule::downstream : WeightRule::upstream;
    }
    std::vector<int64_t> expected;
    for (size_t i = 0; i < dag.tasks.size(); ++i) {
      const auto next = dag.tasks[i].weight_rule == WeightRule::downstream ? &Task::downstream : &Task::upstream;
      std::set<size_t> seen{i};
      std::vector<size_t> open{i};
      int64_t sum = 0;
      while (!open.empty()) {
        const size_t at = open.back();
        open.pop_back();
        sum += dag.tasks[at].priority_weight;
        for (const int other : dag.tasks[at].*next) {
          if (seen.insert(static_cast<size_t>(other)).second) open.push_back(static_cast<size_t>(other));
        }
      }
      expected.push_back(sum);
    }
    INFO("round " << round);
    CHECK(effective_priorities(dag) == expected);
  }
}
