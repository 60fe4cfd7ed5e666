#include "worker/task/task_log.h"

#include <catch2/catch.hpp>

#include "base/text.h"
#include "tests/base/temporary_folder.h"

using namespace udon;

namespace {

using Lines = std::vector<std::string>;

struct Fixture {
  TemporaryFolder folder;
  Path path = folder.path() / "logs" / "1" / "2-3.log";
  FakeClock clock{*parse_time("2026-01-31T00:00:00Z")};
  TaskLog::Limits limits{.log_bytes = 1000, .line_bytes = 100};

  std::unique_ptr<TaskLog> open() {
    auto log = TaskLog::open(path, clock, limits);
    REQUIRE(log);
    return std::move(*log);
  }
  std::string text() const { return *read_file(path); }
  Lines lines() const {
    Lines found;
    for (const std::string& line : split(text(), '\n')) {
      if (!line.empty()) found.push_back(line.substr(28));
    }
    return found;
  }
};

}  // namespace

TEST_CASE("lines carry the time with six digits, and a second log goes on behind the first") {
  Fixture fixture;
  fixture.open()->line("하나\ntwo");
  fixture.clock.advance(std::chrono::microseconds(250));
  fixture.open()->runner_line("three");
  CHECK(fixture.text() ==
        "2026-01-31T00:00:00.000000Z 하나\n2026-01-31T00:00:00.000000Z two\n2026-01-31T00:00:00.000250Z three\n");
}

TEST_CASE("a log and its folder are their owner's alone, also in a home that others may look into") {
  Fixture fixture;
  std::filesystem::permissions(fixture.folder.path(), std::filesystem::perms(0755));
  fixture.open();
  CHECK(std::filesystem::status(fixture.path).permissions() == std::filesystem::perms(0600));
  CHECK(std::filesystem::status(fixture.path.parent_path()).permissions() == std::filesystem::perms(0700));
  CHECK(std::filesystem::status(fixture.path.parent_path().parent_path()).permissions() ==
        std::filesystem::perms(0700));
}

TEST_CASE("secrets are masked in whole lines, in streams cut anywhere, and when they become known in between") {
  Fixture fixture;
  const auto log = fixture.open();
  log->output(1, "before hunter2\n");
  log->add_secret("hunter2");
  log->line("line hunter2");
  log->output(1, "a hun");
  log->output(2, "other stream\n");
  log->output(1, "ter2 b\nhunter");
  log->finish();
  CHECK(fixture.lines() == Lines{"before hunter2", "line ***", "other stream", "a *** b", "hunter"});
  CHECK(log->redact("x hunter2") == "x ***");
}

TEST_CASE("a secret of several lines is masked before lines are made of it") {
  Fixture fixture;
  const auto log = fixture.open();
  log->add_secret("first\nsecond");
  log->output(1, "a first\nsec");
  log->output(1, "ond b\n");
  CHECK(fixture.lines() == Lines{"a *** b"});
}

TEST_CASE("what is printed without an end is kept together until the end comes") {
  Fixture fixture;
  const auto log = fixture.open();
  log->output(1, "a");
  log->output(2, "x\ny");
  log->output(1, "b\r\nc");
  log->finish();
  CHECK(fixture.lines() == Lines{"x", "ab", "c", "y"});
}

TEST_CASE("a long line is cut between characters and marked, with its real length") {
  Fixture fixture;
  const auto log = fixture.open();
  log->output(1, std::string(99, 'x') + "한 and more");
  log->output(1, std::string(50, 'y') + "\nnext\n");
  CHECK(fixture.lines() == Lines{std::string(99, 'x') + " … [cut: the line has 161 bytes]", "next"});
}

TEST_CASE("past its limit a log drops lines and counts them, and the runner's are still written") {
  Fixture fixture;
  const auto log = fixture.open();
  for (int i = 0; i < 100; ++i) log->output(1, "0123456789012345678901234567890123456789\n");
  log->line("the operator's");
  log->runner_line("the runner's");
  log->finish();
  const Lines lines = fixture.lines();
  const auto kept = std::ranges::count(lines, "0123456789012345678901234567890123456789");
  CHECK(kept == 15);
  REQUIRE(lines.size() == 15 + 3);
  CHECK(lines[15] == "udon: the log has reached its limit of 1000 bytes: what follows is dropped and counted");
  CHECK(lines[16] == "the runner's");
  CHECK(lines[17] == "udon: 86 lines (" + std::to_string(85 * 41 + 15) + " bytes) were dropped");
}

TEST_CASE("invalid text and zero bytes become replacement characters") {
  Fixture fixture;
  const auto log = fixture.open();
  log->output(1, std::string_view("a\0b\xffg\xed\xa0\x80\n", 9));
  CHECK(is_valid_utf8(fixture.text()));
  CHECK(fixture.text().find('\0') == std::string::npos);
  CHECK(
      fixture.lines()[0].starts_with("a\xEF\xBF\xBD"
                                     "b\xEF\xBF\xBDg\xEF\xBF\xBD"));
}

TEST_CASE("a log that cannot be opened is an error that names it") {
  Fixture fixture;
  REQUIRE(make_directories(fixture.path));
  const auto log = TaskLog::open(fixture.path, fixture.clock, fixture.limits);
  REQUIRE_FALSE(log);
  CHECK(log.error().message.find(fixture.path.string()) != std::string::npos);
}

TEST_CASE("a full disk loses lines, not the try") {
  Fixture fixture;
  auto log = TaskLog::open("/dev/full", fixture.clock, fixture.limits);
  REQUIRE(log);
  (*log)->line("lost");
  (*log)->output(1, "lost\n");
  (*log)->finish();
}
