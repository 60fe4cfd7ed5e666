// Bytes lost, doubled, exchanged and inserted in good and bad DAG files and templates: whatever comes, it is a DAG or a
// diagnostic with a place inside of the file.
#include <algorithm>
#include <catch2/catch.hpp>

#include "base/random.h"
#include "base/text.h"
#include "dagfile/loader/load.h"
#include "dagfile/serialize.h"
#include "dagfile/templates.h"
#include "tests/dagfile/operators.h"
#include "tests/golden.h"
#include "tests/support/mutation.h"

namespace udon {
namespace {

using test::mutated;

TEST_CASE("no DAG file makes the loader stumble") {
  const OperatorCatalog operators = test::operators();
  const Path folder = test::source_folder() / "tests/golden/diagnostics";
  std::vector<std::string> corpus;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml" && entry.file_size() < 10'000) corpus.push_back(*read_file(entry.path()));
  }
  std::sort(corpus.begin(), corpus.end());
  REQUIRE(corpus.size() > 40);
  const uint64_t seed = test::fuzz_seed();
  Random random(seed);
  for (uint64_t round = test::fuzz_rounds(4000); round > 0; --round) {
    const std::string text = mutated(corpus[random.below(corpus.size())], random, " \n\t:-{}[]\"'&*!|>#%@`,?<=0a\r");
    INFO("seed " << seed << " round " << round << ":\n" << text);
    const LoadedFile loaded = load_dag_text(folder, "fuzz.yaml", text, operators);
    const auto lines = std::count(text.begin(), text.end(), '\n') + std::count(text.begin(), text.end(), '\r') + 2;
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
      REQUIRE(diagnostic.line >= 1);
      REQUIRE(diagnostic.line <= lines);
      REQUIRE(diagnostic.column >= 1);
      REQUIRE_FALSE(diagnostic.message.empty());
    }
    for (const DagPtr& dag : loaded.dags) {
      const Result<Dag> again = deserialize(serialize(*dag));
      REQUIRE(again);
      REQUIRE(*again == *dag);
    }
  }
}

TEST_CASE("no template makes the engine stumble") {
  const std::vector<std::string> corpus{
      "{{ ds }}/{{ params.lake | default('x') | upper }}",
      "{% for a, b in params.items() if a != 'x' %}{{ loop.index }}{{ a ~ b }}{% else %}none{% endfor %}",
      "{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i ** 2 %}{% endfor %}{{ ns.n // 3 % 4 "
      "}}",
      "{% if list is defined and list | length > 2 %}{{ list[1:-1] | join(', ') }}{% elif x %}{{ x }}{% endif %}",
      "{{ '%05.2f %s' | format(3.14159, 'a') }} {{ \"{:>8}|{!r}\".format(1, 'b') }} {{ [1, 2.5, 'c', none, {'k': "
      "(1,)}] }}",
      "{# note #}{% raw %}{{ x }}{% endraw %}{%- filter replace('a', 'b') -%} text {% endfilter %}",
      "{{ list | sort(reverse=true) | map('string') | select('ne', '2') | batch(2) | list | tojson(2) }}",
      "{{ logical_date.add(days=1, months=-2).strftime('%Y-%m-%d') }} {{ (logical_date - macros.timedelta(hours=3)) | "
      "ts_nodash }}"};
  const Value context = *parse_json(
      R"({"ds": "2026-01-31", "logical_date": "2026-01-31T00:00:00Z", "params": {"lake": "s3://x", "한글": [1]}, "list": [3, 1, 2], "x": 1.5})");
  const uint64_t seed = test::fuzz_seed();
  Random random(seed);
  for (uint64_t round = test::fuzz_rounds(20'000); round > 0; --round) {
    const std::string text =
        mutated(corpus[random.below(corpus.size())], random, "{}%|()[].,'\"\\-+*/~=<>!:#0123456789 \nabinisnotforif_");
    INFO("seed " << seed << " round " << round << ":\n" << text);
    const std::optional<TemplateProblem> problem = check_template(text);
    const TemplateFacts facts = facts_of_template(text, {"item"});
    const Result<Value> value = render_text(text, context, {});
    if (problem) {
      REQUIRE_FALSE(value);
      REQUIRE(problem->line >= 1);
      REQUIRE(problem->column >= 1);
      REQUIRE(facts.names.empty());
    }
    if (value && value->is_string() && is_valid_utf8(text)) REQUIRE(is_valid_utf8(value->as_string()));
  }
}

}  // namespace
}  // namespace udon
