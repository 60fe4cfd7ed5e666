#include "cli/settings.h"

#include <catch2/catch.hpp>

#include "tests/base/temporary_folder.h"

using namespace udon;
using namespace udon::cli;

namespace {
Result<Settings> load(const std::string& file, const std::vector<std::string>& environment = {}) {
  static const TemporaryFolder home;
  REQUIRE(write_file_atomically(home.path() / "udon.yaml", file, Durability::survives_kill));
  return Settings::load(home.path(), environment);
}
std::string error_of(const Result<Settings>& settings) {
  REQUIRE(!settings);
  return settings.error().message;
}
}  // namespace

TEST_CASE("the environment goes before udon.yaml, udon.yaml before the defaults") {
  const Result<Settings> settings =
      load("core:\n  parallelism: 7\n  dags_folder: my dags\nweb:\n  port: 99\n",
           {"UDON__WEB__PORT=100", "UDON_HOME=/x", "PATH=/bin", "UDON__CORE__DAGS_ARE_PAUSED_AT_CREATION=Yes"});
  REQUIRE(settings);
  CHECK(settings->integer("core", "parallelism") == 7);
  CHECK(settings->integer("web", "port") == 100);
  CHECK(settings->text("web", "host") == "127.0.0.1");
  CHECK(settings->flag("core", "dags_are_paused_at_creation"));
  for (const SettingValue& value : settings->all()) {
    if (value.spec->key == "port") CHECK(value.source == "UDON__WEB__PORT");
    if (value.spec->key == "parallelism") CHECK(value.source == "udon.yaml");
    if (value.spec->key == "host") CHECK(value.source == "default");
  }
}

TEST_CASE("a path of udon.yaml starts at the home, any other where the program was started") {
  const Result<Settings> from_file = load("core: {dags_folder: dags}");
  REQUIRE(from_file);
  CHECK(from_file->path("core", "dags_folder").parent_path() != std::filesystem::current_path());
  CHECK(load("", {"UDON__CORE__DAGS_FOLDER=x/../dags"})->path("core", "dags_folder") ==
        std::filesystem::current_path() / "dags");
  CHECK(load("")->path("core", "dags_folder") == std::filesystem::current_path() / "dags");
}

TEST_CASE("a mistake in udon.yaml is told with its place and the nearest name") {
  CHECK_THAT(error_of(load("web:\n  prot: 5\n")),
             Catch::Contains("udon.yaml:2:3: unknown setting `web.prot`; did you mean `web.port`?"));
  CHECK_THAT(error_of(load("web:\n  port: many\n")),
             Catch::Contains("udon.yaml:2:3: `web.port`: expected a port (0 to 65535), not `many`"));
  CHECK_THAT(error_of(load("core:\n  parallelism: 0\n")), Catch::Contains("expected an integer of at least 1"));
  CHECK_THAT(error_of(load("core:\n  dags_are_paused_at_creation: perhaps\n")),
             Catch::Contains("expected true or false"));
  CHECK_THAT(error_of(load("core: [1]\n")), Catch::Contains("udon.yaml:1:1"));
  CHECK_THAT(error_of(load("5")), Catch::Contains("expected sections"));
  CHECK_THAT(error_of(load("core: {\n")), Catch::Contains("udon.yaml:"));
  CHECK_THAT(error_of(load("core: {parallelism: [1]}")), Catch::Contains("expects one value"));
  CHECK(load("core:\n"));
  CHECK(load("# nothing\n"));
}

TEST_CASE("a mistake in the environment is told with the nearest name") {
  CHECK(error_of(load("", {"UDON__CORE__PARALELISM=4"})) ==
        "unknown setting `UDON__CORE__PARALELISM` in the environment; did you mean `UDON__CORE__PARALLELISM`?");
  CHECK(error_of(load("", {"UDON__NOTHING=4"})) == "unknown setting `UDON__NOTHING` in the environment");
  CHECK(error_of(load("", {"UDON__WEB__PORT=70000"})) == "UDON__WEB__PORT: expected a port (0 to 65535), not `70000`");
}

TEST_CASE("queues are names with commas between them, and at least one") {
  using Names = std::vector<std::string>;
  CHECK(load("")->names("core", "queues") == Names{"default"});
  CHECK(load("core: {queues: 'gpu, default'}")->names("core", "queues") == Names{"gpu", "default"});
  CHECK(load("", {"UDON__CORE__QUEUES=큐"})->names("core", "queues") == Names{"큐"});
  for (const char* wrong : {"", " ", "default,", "a,,b"})
    CHECK(error_of(load("", {"UDON__CORE__QUEUES=" + std::string(wrong)})) ==
          "UDON__CORE__QUEUES: expected names with commas between them, not `" + std::string(wrong) + "`");
}

TEST_CASE("secrets are not read from a file, and a message never quotes one") {
  const std::string message = error_of(load("web:\n  admin_password: hunter22\n"));
  CHECK_THAT(message, Catch::Contains("web.admin_password") && !Catch::Contains("hunter22"));
  CHECK(load("", {"UDON__WEB__ADMIN_PASSWORD=hunter22"})->text("web", "admin_password") == "hunter22");
}

TEST_CASE("the home is UDON_HOME, else .udon of the working directory, always absolute") {
  CHECK(find_home({"UDON_HOME=/srv/udon"}).value() == "/srv/udon");
  CHECK(find_home({"UDON_HOME=a/../b"}).value() == std::filesystem::current_path() / "b");
  CHECK(find_home({"UDON_HOME="}).value() == std::filesystem::current_path() / ".udon");
  CHECK(find_home({"UDON_HOMES=/x"}).value() == std::filesystem::current_path() / ".udon");
}
