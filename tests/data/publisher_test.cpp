#include "plugins/data/publisher.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <thread>

#include "base/subprocess.h"
#include "plugins/data/certifier.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/no_file_system.h"

namespace udon::data {
namespace {

using udon::TemporaryFolder;

PublishRequest request_for(const Path& folder, const Path& to, const std::string& try_id, const std::string& content) {
  PublishRequest request;
  request.staged = {folder / ("staged-" + try_id)};
  REQUIRE(write_file_atomically(request.staged.at(0), content, Durability::survives_kill));
  request.to = to.string();
  request.try_id = try_id;
  request.pending_folder = folder / "uploads";
  request.certificate.id = "certificate of " + try_id;
  request.certificate.files.push_back(
      {.rows = 3, .bytes = content.size(), .sha256 = *sha256_of_file(request.staged.at(0))});
  return request;
}

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// What every reader may count on at every moment: no folder, or a whole one whose manifest speaks of its file.
void require_whole(const Path& to) {
  if (!std::filesystem::exists(to)) return;
  CHECK(names_in(to) == std::vector<std::string>{"_SUCCESS", "_manifest.json", "part-00000.parquet"});
  const auto text = read_file(to / "_manifest.json");
  REQUIRE(text);
  const auto manifest = parse_json(*text);
  REQUIRE(manifest);
  CHECK(manifest->get("files").as_list().at(0).text("sha256") == *sha256_of_file(to / "part-00000.parquet"));
}

TEST_CASE("a result appears as a folder with its file, its manifest and its mark") {
  const TemporaryFolder folder;
  test::NoFileSystem none;
  const auto request = request_for(folder.path(), folder.path() / "lake/주문/dt=2026-01-01", "home-7", "rows");
  const auto published = publish(none, request);
  REQUIRE(published);
  require_whole(request.to);
  CHECK(published->certificate.files.at(0).uri == (Path(request.to) / "part-00000.parquet").string());
  CHECK(read_file(Path(request.to) / "part-00000.parquet") == "rows");
  CHECK(names_in(Path(request.to).parent_path()) == std::vector<std::string>{"dt=2026-01-01"});
}

TEST_CASE("several files appear together, and fewer replace them") {
  const TemporaryFolder folder;
  test::NoFileSystem none;
  const Path to = folder.path() / "lake/orders";
  auto several = request_for(folder.path(), to, "home-7", "first");
  for (const std::string content : {"second", "third"}) {
    several.staged.push_back(folder.path() / content);
    REQUIRE(write_file_atomically(several.staged.back(), content, Durability::survives_kill));
    several.certificate.files.push_back({.rows = 1, .bytes = content.size(), .sha256 = content});
  }
  const auto published = publish(none, several);
  REQUIRE(published);
  CHECK(names_in(to) == std::vector<std::string>{"_SUCCESS", "_manifest.json", "part-00000.parquet",
                                                 "part-00001.parquet", "part-00002.parquet"});
  CHECK(read_file(to / "part-00001.parquet") == "second");
  CHECK(published->certificate.files.at(2).uri == (to / "part-00002.parquet").string());
  CHECK(parse_json(*read_file(to / "_manifest.json"))->get("files").as_list().at(2).text("sha256") == "third");

  REQUIRE(publish(none, request_for(folder.path(), to, "home-8", "new")));
  require_whole(to);
  CHECK(read_file(to / "part-00000.parquet") == "new");
}

TEST_CASE("a second run replaces the first and leaves nothing behind") {
  const TemporaryFolder folder;
  test::NoFileSystem none;
  const Path to = folder.path() / "lake/orders";
  REQUIRE(publish(none, request_for(folder.path(), to, "home-7", "old")));
  REQUIRE(publish(none, request_for(folder.path(), to.string() + "/", "home-8", "new")));
  require_whole(to);
  CHECK(read_file(to / "part-00000.parquet") == "new");
  CHECK(names_in(folder.path() / "lake") == std::vector<std::string>{"orders"});
}

TEST_CASE("an earlier try that comes late does not overwrite a later one") {
  const TemporaryFolder folder;
  test::NoFileSystem none;
  const Path to = folder.path() / "orders";
  REQUIRE(publish(none, request_for(folder.path(), to, "home-8", "new")));
  const auto late = publish(none, request_for(folder.path(), to, "home-7", "old"));
  REQUIRE_FALSE(late);
  CHECK(late.error().kind == ErrorKind::conflict);
  CHECK(read_file(to / "part-00000.parquet") == "new");
}

TEST_CASE("a folder with somebody's files in it is not replaced") {
  const TemporaryFolder folder;
  test::NoFileSystem none;
  const Path to = folder.path() / "photos";
  REQUIRE(make_directories(to));
  REQUIRE(write_file_atomically(to / "wedding.jpg", "…", Durability::survives_kill));
  const auto published = publish(none, request_for(folder.path(), to, "home-7", "rows"));
  REQUIRE_FALSE(published);
  CHECK(published.error().kind == ErrorKind::invalid);
  CHECK_THAT(published.error().message,
             Catch::Contains("holds files that no export of ours has written (`wedding.jpg`)"));
  CHECK(names_in(to) == std::vector<std::string>{"wedding.jpg"});
}

TEST_CASE("a result with somebody's files or folders beside it is not replaced, so that they live on") {
  const TemporaryFolder folder;
  test::NoFileSystem none;
  const Path to = folder.path() / "orders";
  REQUIRE(publish(none, request_for(folder.path(), to, "home-7", "old")));
  const std::string name = GENERATE("notes.txt", "dt=2026-01-01", "part-00001.parquet", "_manifest.json.bak");
  REQUIRE(write_file_atomically(to / name, "mine", Durability::survives_kill));
  const auto published = publish(none, request_for(folder.path(), to, "home-8", "new"));
  REQUIRE_FALSE(published);
  CHECK(published.error().kind == ErrorKind::invalid);
  CHECK_THAT(published.error().message, Catch::Contains("`" + name + "`") && Catch::Contains("move them away"));
  CHECK(read_file(to / name) == "mine");
  CHECK(read_file(to / "part-00000.parquet") == "old");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"orders", "staged-home-8"});
}

TEST_CASE("a manifest of another program is not taken for ours") {
  const TemporaryFolder folder;
  test::NoFileSystem none;
  const Path to = folder.path() / "orders";
  REQUIRE(make_directories(to));
  REQUIRE(write_file_atomically(to / "_manifest.json", R"({"files": [{"uri": "x"}]})", Durability::survives_kill));
  const auto published = publish(none, request_for(folder.path(), to, "home-7", "rows"));
  REQUIRE_FALSE(published);
  CHECK(names_in(to) == std::vector<std::string>{"_manifest.json"});
}

TEST_CASE("of two tries that publish to one folder at once, the later one wins") {
  for (int round = 0; round < 20; ++round) {
    const TemporaryFolder folder;
    const Path to = folder.path() / "lake/orders";
    const auto late = request_for(folder.path(), to, "home-8", "late");
    const auto early = request_for(folder.path(), to, "home-7", "early");
    Result<Published> by_early, by_late;
    {
      const std::jthread other([&] {
        test::NoFileSystem none;
        by_early = publish(none, early);
      });
      test::NoFileSystem none;
      by_late = publish(none, late);
    }
    INFO((by_late ? "" : by_late.error().message));
    CHECK(by_late);
    // It was first, or it was overtaken.
    if (!by_early) {
      INFO(by_early.error().message);
      CHECK(by_early.error().kind == ErrorKind::conflict);
    }
    require_whole(to);
    CHECK(read_file(to / "part-00000.parquet") == "late");
    CHECK(names_in(folder.path() / "lake") == std::vector<std::string>{"orders"});
  }
}

TEST_CASE("a try that publishes takes nothing away from one that lives: half a result would be placed") {
  const TemporaryFolder folder;
  const Path to = folder.path() / "lake/orders";
  auto early = request_for(folder.path(), to, "home-7", "early");
  const auto late = request_for(folder.path(), to, "home-8", "late");
  std::vector<std::string> left;
  early.on_step = [&](std::string_view step) {
    if (step != "mark the success") return;
    test::NoFileSystem none;
    REQUIRE(publish(none, late));
    left = names_in(folder.path() / "lake/.orders.home-7");
  };
  test::NoFileSystem none;
  const auto by_early = publish(none, early);
  CHECK(left == std::vector<std::string>{"_manifest.json", "part-00000.parquet"});
  REQUIRE_FALSE(by_early);
  CHECK(by_early.error().kind == ErrorKind::conflict);
  require_whole(to);
  CHECK(names_in(folder.path() / "lake") == std::vector<std::string>{"orders"});
}

TEST_CASE("a file where the folder should be is named, not replaced") {
  const TemporaryFolder folder;
  test::NoFileSystem none;
  const Path to = folder.path() / "orders";
  REQUIRE(write_file_atomically(to, "mine", Durability::survives_kill));
  const auto published = publish(none, request_for(folder.path(), to, "home-7", "rows"));
  REQUIRE_FALSE(published);
  CHECK(read_file(to) == "mine");
}

TEST_CASE("killed before any step, readers see the old result or the new one, and the next try ends with the new") {
  const char* build = std::getenv("UDON_BUILD");
  REQUIRE(build != nullptr);
  const bool replaces = GENERATE(false, true);
  int steps = -1;
  for (int last = 0; steps < 0; ++last) {
    REQUIRE(last < 100);
    const TemporaryFolder folder;
    test::NoFileSystem none;
    const Path to = folder.path() / "lake/orders";
    if (replaces) REQUIRE(publish(none, request_for(folder.path(), to, "home-1", "old")));
    const auto request = request_for(folder.path(), to, "home-2", "new");
    SpawnRequest victim;
    victim.argv = {Path(build) / "tests/publish_victim",
                   request.staged.at(0),
                   request.to,
                   request.try_id,
                   std::to_string(last),
                   request.pending_folder};
    victim.environment = current_environment();
    const auto ended = run_command(victim, std::chrono::seconds(60));
    REQUIRE(ended);
    if (ended->status.signal == 0) {
      REQUIRE(ended->status.exit_code == 0);
      steps = last;
    }
    require_whole(to);
    if (std::filesystem::exists(to)) {
      const auto content = read_file(to / "part-00000.parquet");
      CHECK((content == "new" || (replaces && content == "old")));
    } else {
      CHECK_FALSE(replaces);
    }
    REQUIRE(publish(none, request_for(folder.path(), to, "home-3", "newest")));
    require_whole(to);
    CHECK(read_file(to / "part-00000.parquet") == "newest");
    CHECK(names_in(folder.path() / "lake") == std::vector<std::string>{"orders"});
  }
  CHECK(steps >= 7);
}

}  // namespace
}  // namespace udon::data
