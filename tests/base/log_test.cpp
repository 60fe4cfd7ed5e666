#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

#include "tests/base/temporary_folder.h"

using namespace udon;

namespace {

std::string printed_by(const std::function<void()>& act) {
  const TemporaryFolder folder;
  auto file = open_file(folder.path() / "log", O_WRONLY | O_CREAT);
  REQUIRE(file.has_value());
  const FileDescriptor saved(fcntl(2, F_DUPFD_CLOEXEC, 3));
  dup2(file->get(), 2);
  act();
  dup2(saved.get(), 2);
  return read_file(folder.path() / "log").value();
}

}  // namespace

TEST_CASE("an event is one line with its time in UTC, its level and its component") {
  CHECK_THAT(printed_by([] { log_warning("store", "disk 90% full {}"); }),
             Catch::Matches(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z warning store: disk 90% full \{\}\n)"));
}

TEST_CASE("a text of several lines stays one event") {
  CHECK_THAT(printed_by([] { log_error("web", "a\nforged\x1b[2J"); }),
             Catch::EndsWith(" error web: a\\nforged\\x1b[2J\n"));
}

TEST_CASE("events below the level are not printed") {
  CHECK(printed_by([] { log_debug("loop", "hidden"); }).empty());
  set_log_level(LogLevel::debug);
  CHECK_THAT(printed_by([] { log_debug("loop", "shown"); }), Catch::EndsWith(" debug loop: shown\n"));
  set_log_level(LogLevel::info);
}
