#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "tests/scheduler/scenario.h"

using namespace udon;

TEST_CASE("every scenario is true") {
  set_log_level(LogLevel::error);
  const char* source = std::getenv("UDON_SOURCE");
  const Path folder = Path(source == nullptr ? "." : source) / "tests/scheduler/scenarios";
  std::vector<Path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".scenario") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  REQUIRE(files.size() >= 25);
  for (const Path& file : files) {
    DYNAMIC_SECTION(file.stem().string()) {
      const auto text = read_file(file);
      REQUIRE(text);
      const auto result = testing::run_scenario(*text);
      INFO(file.string() << ": " << (result ? "" : result.error().message));
      CHECK(result);
    }
  }
}
