// The program itself on a home of its own, without a server: what it says, where it says it, and how it ends.
#include <regex>

#include "base/subprocess.h"
#include "base/text.h"
#include "tests/base/temporary_folder.h"
#include "tests/golden.h"

using namespace udon;
using namespace udon::test;

namespace {

Path build_folder() {
  const char* build = std::getenv("UDON_BUILD");
  return build ? Path(build) : Path("build-dev");
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

class Shell {
 public:
  explicit Shell(std::string golden) : golden_(std::move(golden)) {}
  ~Shell() { check_golden(Path("tests/cli/golden") / golden_, transcript_); }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  const Path& home() const { return home_.path(); }
  void set(const std::string& variable) { extra_.push_back(variable); }
  // Runs `udon` with these words and writes down all that can be seen of it.
  CommandOutput operator()(const std::vector<std::string>& words, const std::string& input = {}) {
    SpawnRequest request;
    request.argv = {(build_folder() / "udon").string()};
    request.argv.insert(request.argv.end(), words.begin(), words.end());
    request.environment = {"PATH=/usr/bin:/bin", "HOME=/nowhere", "UDON_HOME=" + home().string(),
                           "UDON__CORE__DAGS_FOLDER=/srv/dags"};
    request.environment.insert(request.environment.end(), extra_.begin(), extra_.end());
    FileDescriptor in;
    if (!input.empty()) {
      REQUIRE(write_file_atomically(home() / "input", input, Durability::survives_kill));
      in = open_file(home() / "input", 0).value();
      request.stdin_fd = in.get();
    }
    const Result<CommandOutput> output = run_command(request, std::chrono::seconds(60));
    REQUIRE(output);
    transcript_ += "$ udon";
    for (const std::string& word : words)
      transcript_ += " " + (word.find_first_of(" {\"'") == std::string::npos ? word : shell_quote(word));
    transcript_ += "\n" + seen(output->standard_output);
    if (!output->standard_error.empty())
      for (const std::string& line :
           split(std::string_view(output->standard_error).substr(0, output->standard_error.size() - 1), '\n'))
        transcript_ += "! " + seen(line) + "\n";
    if (!output->status.succeeded()) transcript_ += "[" + describe(output->status) + "]\n";
    return *output;
  }

 private:
  // What differs from run to run has a name in its place.
  std::string seen(std::string text) const {
    static const std::regex fingerprint("\\b[0-9a-f]{16}\\b");
    return std::regex_replace(replaced(std::move(text), home().string(), "HOME"), fingerprint, "FINGERPRINT");
  }
  const std::string golden_;
  std::string transcript_;
  TemporaryFolder home_;
  std::vector<std::string> extra_;
};

}  // namespace

TEST_CASE("what the program can do is told by its help") {
  Shell udon("help.txt");
  udon({"--help"});
  for (const char* noun : {"dags", "runs", "backfill", "tasks", "operators", "connections", "variables", "pools",
                           "users", "tokens", "db", "config", "standalone", "health"})
    udon({noun, "--help"});
  udon({"dags", "trigger", "--help"});
  udon({"tasks", "clear", "--help"});
  udon({"backfill", "create", "--help"});
  udon({"db", "clean", "--help"});
  udon({"db", "downgrade", "--help"});
}

TEST_CASE("wrong usage is told with what was meant") {
  Shell udon("wrong_usage.txt");
  udon({});
  udon({"dagz", "list"});
  udon({"dags", "lst"});
  udon({"dags", "trigger"});
  udon({"dags", "list", "--outptu", "json"});
  udon({"dags", "list", "--output", "xml"});
  udon({"operators", "show", "replica_exprot"});
  udon({"config", "get", "web.prot"});
  udon({"pools", "set", "p", "many"});
  udon({"pools", "set", "p", "--", "-5"});
  udon({"health", "--wait", "abc"});
  udon({"runs", "mark", "d", "r", "sucess"});
  udon({"tasks", "mark", "d", "r", "t", "queued"});
  udon({"dags", "trigger", "d", "--conf", "notjson"});
  udon({"dags", "trigger", "d", "--conf", "[1]"});
  udon({"dags", "trigger", "d", "--logical-date", "tomorrow"});
  udon({"backfill", "create", "--dag-id", "d", "--from-date", "2026-01-01"});
  udon({"backfill", "create", "--dag-id", "d", "--from-date", "soon", "--to-date", "2026-01-01"});
  udon({"backfill", "create", "--dag-id", "d", "--from-date", "2026-01-01", "--to-date", "2026-01-01",
        "--reprocess-behavior", "faild"});
  udon({"backfill", "cancel", "first"});
  udon({"db", "clean", "--yes"});
  udon({"db", "clean", "--clean-before-timestamp", "2999-01-01", "--yes"});
}

TEST_CASE("without a server and a store, verbs say what to do next") {
  Shell udon("nothing_there.txt");
  udon({"dags", "list"});
  udon({"runs", "list"});
  udon({"connections", "list"});
  udon({"health"});
  udon({"db", "check"});
  udon({"db", "downgrade"});
  udon({"version"});
  udon({"--version"});
  udon({"version", "--output", "json"});
  // Asking leaves nothing behind.
  CHECK(std::filesystem::is_empty(udon.home()));
}

TEST_CASE("without a server, connections, variables, pools and users are kept in the store") {
  Shell udon("store.txt");
  udon({"connections", "add", "market", "mysql://reader:p%40ss@db.example:3306/market?charset=utf8mb4", "--description",
        "복제본 데이터베이스"});
  udon({"connections", "add", "lake", "aws://AKIA:s3cret@/?region=ap-northeast-2"});
  udon({"connections", "add", "market", "mysql://other"});
  udon({"connections", "add", "wrong", "not a uri with p4ssword"});
  udon({"connections", "add", "../x", "mysql://db"});
  udon({"connections", "list"});
  udon({"connections", "get", "market"});
  udon({"connections", "add", "market", "postgresql://db2/market", "--replace"});
  udon({"connections", "get", "market", "--output", "json"});
  udon({"connections", "list", "-o", "yaml"});
  udon({"connections", "delete", "lake"});
  udon({"connections", "delete", "lake"});
  udon({"variables", "set", "호수", "s3://호수"});
  udon({"variables", "set", "호수", "s3://다른-호수", "--description", "어디로"});
  udon({"variables", "set", "api_token", "s3cret"});
  udon({"variables", "list"});
  udon({"variables", "get", "호수"});
  udon({"variables", "get", "강"});
  udon({"variables", "delete", "호수"});
  udon({"pools", "set", "복제본", "2", "--description", "읽기 전용"});
  udon({"pools", "set", "복제본", "4"});
  udon({"pools", "set", "bad name", "4"});
  udon({"pools", "list"});
  udon({"pools", "get", "복제본"});
  udon({"pools", "delete", "default_pool"});
  udon({"pools", "delete", "복제본"});
  udon({"users", "add", "kim", "--role", "op", "--password-stdin"}, "correct horse\n");
  udon({"users", "add", "lee", "--role", "king", "--password-stdin"}, "short\n");
  udon({"users", "list"});
  udon({"users", "role", "kim", "viewer"});
  udon({"users", "delete", "kim"});
  udon({"db", "check"});
  udon({"db", "migrate"});
  udon({"db", "downgrade", "--to", "3", "--dry-run"});
  udon({"db", "downgrade", "--to", "3"});
  udon({"db", "downgrade", "--to", "99"});
  udon({"db", "clean", "--clean-before-timestamp", "2026-01-01", "--yes"});
  udon({"db", "clean", "--clean-before-timestamp", "2026-01-01", "--tables", "dag_runs"});
  const std::string everything = read_file(udon.home() / "udon.db").value();
  CHECK_THAT(everything, !Catch::Contains("p@ss") && !Catch::Contains("s3cret"));
}

TEST_CASE("a verb that needs a scheduler says that none runs") {
  Shell udon("no_scheduler.txt");
  udon({"pools", "set", "p", "1"});
  udon({"dags", "trigger", "orders"});
  udon({"dags", "pause", "orders"});
  udon({"backfill", "create", "--dag-id", "orders", "--from-date", "2026-01-01", "--to-date", "2026-01-02"});
  udon({"backfill", "list"});
  udon({"backfill", "pause", "1"});
  udon({"dags", "list"});
  udon({"runs", "list", "--output", "json"});
  udon({"runs", "show", "orders", "latest"});
  udon({"tasks", "why", "orders", "r", "t"});
}

TEST_CASE("settings are listed with where they come from") {
  Shell udon("settings.txt");
  udon.set("UDON__WEB__PORT=9090");
  udon.set("UDON__CORE__SECRET_KEY=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=");
  REQUIRE(write_file_atomically(udon.home() / "udon.yaml", "core:\n  parallelism: 8\n", Durability::survives_kill));
  udon({"config", "list"});
  udon({"config", "get", "core.parallelism"});
  udon({"config", "get", "core.secret_key"});
  REQUIRE(write_file_atomically(udon.home() / "udon.yaml", "core:\n  paralelism: 8\n", Durability::survives_kill));
  udon({"config", "list"});
  udon({"dags", "list"});
}

TEST_CASE("a server that is far away, or not there, is named") {
  Shell udon("far_server.txt");
  udon.set("UDON_SERVER=http://127.0.0.1:1");
  udon({"dags", "list"});
  udon.set("UDON_TOKEN=x.y.z");
  udon({"dags", "list"});
  udon({"connections", "add", "c", "mysql://db"});
}

TEST_CASE("a key that does not fit the store is told without quoting it") {
  Shell udon("wrong_key.txt");
  udon({"connections", "add", "market", "mysql://u:p4ssword@db/market"});
  udon.set("UDON__CORE__SECRET_KEY=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=");
  const CommandOutput other = udon({"connections", "get", "market"});
  CHECK(other.status.exit_code == 1);
}
