#include "worker/task/task_log.h"

#include <catch2/catch.hpp>

#include "base/text.h"
#include "spool/log_parts.h"
#include "tests/base/temporary_folder.h"

using namespace udon;

namespace {

using Lines = std::vector<std::string>;

struct Fixture {
  TemporaryFolder folder;
  Path path = folder.path() / "logs" / "1" / "2-3.log";
  FakeClock clock{*parse_time("2026-01-31T00:00:00Z")};
  TaskLog::Limits limits{.beginning_bytes = 1000, .part_bytes = 300, .line_bytes = 100};

  std::unique_ptr<TaskLog> open() {
    auto log = TaskLog::open(path, clock, limits);
    REQUIRE(log);
    return std::move(*log);
  }
  std::string text() const {
    const auto piece = read_log(path, 0, 1 << 20, true);
    REQUIRE(piece);
    CHECK(piece->is_last);
    return piece->text;
  }
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
  fixture.open()->line("three");
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

TEST_CASE("the runner's own words are not masked, whatever word is a password") {
  Fixture fixture;
  const auto log = fixture.open();
  log->add_secret("udon");
  log->runner_line("udon: try 1 of 1");
  log->line("udon: says the operator");
  log->output(1, "udon says the command\n");
  CHECK(fixture.lines() == Lines{"udon: try 1 of 1", "***: says the operator", "*** says the command"});
}

TEST_CASE("a long line is cut between characters and marked, with its real length") {
  Fixture fixture;
  const auto log = fixture.open();
  log->output(1, std::string(99, 'x') + "한 and more");
  log->output(1, std::string(50, 'y') + "\nnext\n");
  CHECK(fixture.lines() == Lines{std::string(99, 'x') + " … [cut: the line has 161 bytes]", "next"});
}

TEST_CASE("a log that is too long keeps its beginning and its end, and says how many lines are missing between") {
  Fixture fixture;
  const auto log = fixture.open();
  for (int i = 0; i < 500; ++i) log->output(1, "line " + std::to_string(1000 + i) + "\n");
  log->line("the reason");
  // Nothing has been finished: so it stands on the disk when the writer is killed.
  const Lines lines = fixture.lines();
  REQUIRE(lines.size() > 50);
  CHECK(lines.back() == "the reason");
  // 28 bytes of time, 9 of text, the line's end: 27 lines fill the beginning.
  CHECK(lines[26] == "line 1026");
  const auto gap = lines[27];
  const int first_kept = std::stoi(lines[28].substr(5));
  CHECK(gap == "udon: " + std::to_string(first_kept - 1027) + " lines (" + std::to_string((first_kept - 1027) * 38) +
                   " bytes) were left out here: a log keeps its first 48 MiB and the newest 12 to 16 MiB");
  // Of 300 bytes each: three whole parts and the newest.
  CHECK(first_kept >= 1500 - 4 * 8);
  CHECK(first_kept <= 1500 - 3 * 8);
  for (size_t i = 28; i + 1 < lines.size(); ++i)
    CHECK(lines[i] == "line " + std::to_string(first_kept + static_cast<int>(i) - 28));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(fixture.path.parent_path())) {
    ++files;
    CHECK((std::filesystem::status(entry.path()).permissions() & std::filesystem::perms(0077)) ==
          std::filesystem::perms::none);
  }
  CHECK(files == 5);
}

TEST_CASE("a log that is no longer than its limit is whole, in however many files") {
  Fixture fixture;
  const auto log = fixture.open();
  for (int i = 0; i < 50; ++i) log->output(1, "line " + std::to_string(1000 + i) + "\n");
  const Lines lines = fixture.lines();
  REQUIRE(lines.size() == 50);
  for (size_t i = 0; i < 50; ++i) CHECK(lines[i] == "line " + std::to_string(1000 + i));
}

TEST_CASE("a log that is opened again goes on in its newest part, and its count of lines too") {
  Fixture fixture;
  for (int i = 0; i < 500; ++i) fixture.open()->line("line " + std::to_string(1000 + i));
  const Lines lines = fixture.lines();
  const int first_kept = std::stoi(lines[28].substr(5));
  CHECK(lines[27].starts_with("udon: " + std::to_string(first_kept - 1027) + " lines"));
  CHECK(lines.back() == "line 1499");
}

TEST_CASE("a reader goes on where it was while the log grows, and is told what went by unread") {
  Fixture fixture;
  const auto log = fixture.open();
  std::string whole;
  int64_t offset = 0;
  for (int i = 0; i < 200; ++i) {
    log->line("line " + std::to_string(1000 + i));
    const auto piece = read_log(fixture.path, offset, 1 << 20, false);
    REQUIRE(piece);
    CHECK(piece->is_last);
    whole += piece->text;
    offset = piece->end;
  }
  CHECK(offset == 200 * 38);
  const std::vector<std::string> lines = split(whole, '\n');
  REQUIRE(lines.size() == 201);
  for (size_t i = 0; i < 200; ++i) CHECK(lines[i].ends_with(" line " + std::to_string(1000 + i)));
  for (int i = 200; i < 400; ++i) log->line("line " + std::to_string(1000 + i));
  auto piece = read_log(fixture.path, offset, 1 << 20, false);
  REQUIRE(piece);
  const std::vector<std::string> rest = split(piece->text, '\n');
  const int first_kept = std::stoi(rest[1].substr(rest[1].find(" line ") + 6));
  CHECK(rest[0].find("udon: " + std::to_string((first_kept - 1200) * 38) + " bytes were left out here") !=
        std::string::npos);
  CHECK(piece->end == 400 * 38);
  // In small pages, the same.
  std::string paged;
  for (int pages = 0; offset < 400 * 38 && pages < 1000; ++pages) {
    piece = read_log(fixture.path, offset, 100, false);
    REQUIRE(piece);
    CHECK(piece->end > offset);
    CHECK(piece->is_last == (piece->end == 400 * 38));
    paged += piece->text;
    offset = piece->end;
  }
  CHECK(split(paged, '\n') == rest);
}

TEST_CASE("a part that power loss left empty is passed over") {
  Fixture fixture;
  auto log = fixture.open();
  for (int i = 0; i < 30; ++i) log->line("line " + std::to_string(1000 + i));
  REQUIRE(write_file_atomically(log_part_path(fixture.path, 2), "", Durability::survives_kill));
  CHECK(fixture.lines().back() == "line 1029");
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
