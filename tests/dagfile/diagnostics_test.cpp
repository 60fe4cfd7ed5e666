// Each file of tests/golden/diagnostics against the diagnostics beside it.
#include "dagfile/diagnostic.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "dagfile/catalog.h"
#include "tests/dagfile/operators.h"
#include "tests/golden.h"

namespace udon {
namespace {

TEST_CASE("every mistake has a place, what was expected, and the nearest name") {
  const OperatorCatalog operators = test::operators();
  const Path relative = "tests/golden/diagnostics";
  const Path folder = test::source_folder() / relative;
  std::vector<Path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().filename());
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() > 40);
  for (const Path& file : files) {
    const LoadedFile loaded = load_dag_file(folder, file, operators);
    std::string text;
    bool has_error = false;
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
      text += to_string(diagnostic) + "\n";
      has_error = has_error || diagnostic.severity == Diagnostic::Severity::error;
    }
    for (const DagPtr& dag : loaded.dags) text += "loaded: " + dag->dag_id + "\n";
    if (!has_error && file != "not_a_dag.yaml") CHECK_FALSE(loaded.dags.empty());
    test::check_golden(relative / Path(file).replace_extension(".txt"), text);
  }
}

}  // namespace
}  // namespace udon
