#include "spool/log_parts.h"
#include "tests/web/api_scene.h"

using namespace udon;
using namespace udon::test;

namespace {
const std::string fetch_log = run_url + "/taskInstances/fetch/logs/1";
}

TEST_CASE("a finished try's log comes as a list of events, and says that it is over") {
  ApiScene scene;
  scene.add_run();
  scene.write_log(
      1, 1,
      "2026-01-31T00:00:00.123456Z 안녕 world\n2026-01-31T00:00:01Z two\nno time here\n2026-01-31T00:00:02Z cut off");
  const Value log = scene.json(200, "GET", fetch_log);
  check_model("TaskInstancesLogResponse", log);
  CHECK(to_json(log.get("content")) == R"([{"timestamp":"2026-01-31T00:00:00.123456Z","event":"안녕 world"},)"
                                       R"({"timestamp":"2026-01-31T00:00:01Z","event":"two"},{"event":"no time here"},)"
                                       R"({"timestamp":"2026-01-31T00:00:02Z","event":"cut off"}])");
  CHECK(log.get("continuation_token").is_null());
  const web::Response plain = scene.ask("GET", fetch_log, "", "viewer", "text/plain");
  CHECK_THAT(plain.content_type, Catch::StartsWith("text/plain"));
  CHECK_THAT(plain.body, Catch::StartsWith("2026-01-31T00:00:00.123456Z 안녕"));
  const web::Response ndjson = scene.ask("GET", fetch_log, "", "viewer", "application/x-ndjson");
  CHECK_THAT(ndjson.body, Catch::StartsWith(R"({"timestamp":"2026-01-31T00:00:00.123456Z","event":"안녕 world"})"
                                            "\n"));
}

TEST_CASE("a live try's log is read on with its token, whole lines at a time") {
  ApiScene scene;
  scene.add_run();
  const std::string url = run_url + "/taskInstances/load/logs/1?map_index=1";
  const Value before = scene.json(200, "GET", url);
  CHECK(before.get("content").size() == 0);
  CHECK(before.text("continuation_token") == "0");
  scene.write_log(3, 1, "2026-01-31T00:00:00Z one\n2026-01-31T00:00:00Z half a li");
  const Value first = scene.json(200, "GET", url + "&token=0");
  CHECK(first.get("content").size() == 1);
  scene.write_log(3, 1, "2026-01-31T00:00:00Z one\n2026-01-31T00:00:00Z half a line\n");
  const Value second = scene.json(200, "GET", url + "&token=" + first.text("continuation_token"));
  CHECK(to_json(second.get("content")) == R"([{"timestamp":"2026-01-31T00:00:00Z","event":"half a line"}])");
  CHECK(!second.text("continuation_token").empty());
}

TEST_CASE("a long log comes in pages that join to the whole") {
  ApiScene scene;
  scene.add_run();
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += "2026-01-31T00:00:00Z line " + std::to_string(i) + " 한글\n";
  scene.write_log(1, 1, text);
  std::string whole, token;
  int pages = 0;
  do {
    const web::Response page = scene.ask("GET", fetch_log + "?token=" + token, "", "viewer", "text/plain");
    REQUIRE(page.status == 200);
    whole += page.body;
    token.clear();
    for (const auto& [name, value] : page.headers)
      if (name == "Airflow-Continuation-Token") token = value;
    ++pages;
  } while (!token.empty() && pages < 100);
  CHECK(pages > 2);
  CHECK(whole == text);
  CHECK(scene.ask("GET", fetch_log + "?full_content=true", "", "viewer", "text/plain").body == text);
}

TEST_CASE("of a log whose middle is gone, pages and tokens give the beginning, what is missing, and the end") {
  ApiScene scene;
  scene.add_run();
  const std::string line = "2026-01-31T00:00:00Z first\n";
  scene.write_log(1, 1, line);
  const Path path = scene.folder.path() / log_file_of(1, 1, 1);
  const TimePoint at = *parse_time("2026-01-31T00:00:01Z");
  std::string end;
  for (int i = 0; i < 60'000; ++i) end += "2026-01-31T00:00:02Z line " + std::to_string(i) + " 한글\n";
  const std::string newest = "2026-01-31T00:00:03Z the reason\n";
  const int64_t begin = 5'000'000'000;
  REQUIRE(
      write_file_atomically(log_part_path(path, 3), log_part_header(at, begin, 70) + end, Durability::survives_kill));
  REQUIRE(write_file_atomically(log_part_path(path, 0),
                                log_part_header(at, begin + static_cast<int64_t>(end.size()), 60'070) + newest,
                                Durability::survives_kill));
  const std::string whole = line + "2026-01-31T00:00:01.000000Z udon: 70 lines (" +
                            std::to_string(begin - static_cast<int64_t>(line.size())) +
                            " bytes) were left out here: a log keeps its first 48 MiB and the newest 12 to 16 MiB\n" +
                            end + newest;
  CHECK(scene.ask("GET", fetch_log + "?full_content=true", "", "viewer", "text/plain").body == whole);
  std::string paged, token;
  int pages = 0;
  do {
    const web::Response page = scene.ask("GET", fetch_log + "?token=" + token, "", "viewer", "text/plain");
    REQUIRE(page.status == 200);
    paged += page.body;
    token.clear();
    for (const auto& [name, value] : page.headers)
      if (name == "Airflow-Continuation-Token") token = value;
  } while (!token.empty() && ++pages < 100);
  CHECK(pages > 1);
  CHECK(paged == whole);
}

TEST_CASE("a try that is not there has no log") {
  ApiScene scene;
  scene.add_run();
  scene.json(404, "GET", run_url + "/taskInstances/fetch/logs/2");
  scene.json(404, "GET", run_url + "/taskInstances/fetch/logs/0");
  scene.json(404, "GET", run_url + "/taskInstances/load/logs/1");
  scene.json(404, "GET", run_url + "/taskInstances/nope/logs/1");
  scene.json(422, "GET", run_url + "/taskInstances/fetch/logs/one");
  scene.json(400, "GET", fetch_log + "?token=eyJ4IjoxfQ");
  scene.json(400, "GET", fetch_log + "?token=-5");
  CHECK(scene.json(200, "GET", fetch_log).get("content").size() == 0);
}

TEST_CASE("no name of a request becomes part of a log's path") {
  ApiScene scene;
  scene.add_run();
  REQUIRE(write_file_atomically(scene.folder.path() / "secret.key", "k3y", Durability::survives_kill));
  for (const char* target : {"/api/v2/dags/..%2F..%2Fsecret.key/dagRuns/x/taskInstances/fetch/logs/1",
                             "/api/v2/dags/orders/dagRuns/..%2F..%2Fsecret.key/taskInstances/x/logs/1",
                             "/api/v2/dags/orders/dagRuns/x/taskInstances/..%2F..%2F..%2Fsecret.key/logs/1"})
    CHECK(scene.ask("GET", target).status == 404);
  // Nor is a link that somebody put in a log's place followed.
  std::filesystem::create_directories(scene.folder.path() / "logs/1");
  std::filesystem::create_symlink(scene.folder.path() / "secret.key", scene.folder.path() / log_file_of(1, 1, 1));
  CHECK_THAT(scene.ask("GET", fetch_log, "", "viewer", "text/plain").body, !Catch::Contains("k3y"));
}
