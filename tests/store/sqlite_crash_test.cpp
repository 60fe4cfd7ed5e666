// kill -9 at any moment: what was acknowledged is there, what was under way is there whole or not at all.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "base/random.h"
#include "base/subprocess.h"
#include "tests/store/crash_plan.h"
#include "tests/store/sqlite_world.h"

using namespace udon;
using namespace udon::test;

namespace {

struct Child {
  pid_t pid = 0;
  FileDescriptor output;

  // The next number that it acknowledged; 0 when it is gone.
  RunNumber next() {
    std::string line;
    for (char c = 0; read(output.get(), &c, 1) == 1;) {
      if (c == '\n') return std::stoll(line);
      line += c;
    }
    return 0;
  }
};

Child start(const Path& file) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const FileDescriptor write_end(ends[1]);
  const char* build = std::getenv("UDON_BUILD");
  REQUIRE(build != nullptr);
  SpawnRequest request;
  request.argv = {std::string(build) + "/tests/store_crash_writer", file.string()};
  request.environment = current_environment();
  request.stdout_fd = write_end.get();
  Child child;
  child.output = FileDescriptor(ends[0]);
  child.pid = must(spawn(request));
  return child;
}

}  // namespace

TEST_CASE("a writer killed at random moments loses no acknowledged commit and leaves none in part") {
  const Folder folder;
  const Path file = folder.path / "udon.db";
  const uint64_t seed = std::strtoull(make_secret(8).c_str(), nullptr, 16);
  INFO("seed " << seed);
  Random random(seed);
  RunNumber found = 0;
  int caught_between = 0;
  for (int round = 0; round < 40; ++round) {
    Child child = start(file);
    RunNumber acknowledged = found;
    for (uint64_t left = random.below(12); left > 0; --left) {
      const RunNumber n = child.next();
      REQUIRE(n == acknowledged + 1);
      acknowledged = n;
    }
    // Somewhere in the commits that follow: a moment that no clock decides.
    for (uint64_t spin = random.below(20'000'000); spin > 0; --spin) asm volatile("");
    REQUIRE(kill(child.pid, SIGKILL) == 0);
    CHECK(must(wait_child(child.pid)).signal == SIGKILL);
    while (const RunNumber n = child.next()) acknowledged = n;  // what it still had told

    const auto check = check_sqlite_store(file);
    if (check && check->schema == 0) continue;  // killed before it had made the file
    {
      const auto store = must(open_sqlite_store(file, nullptr, OpenMode::create_or_migrate));
      const std::string problem = problem_after_crash(*store, acknowledged, found);
      REQUIRE(problem == "");
      if (found == acknowledged + 1) ++caught_between;
    }
    REQUIRE(must(check_sqlite_store(file)).problems == std::vector<std::string>());
  }
  CHECK(found > 40);
  INFO(caught_between << " times between a commit and its acknowledgement");
}
