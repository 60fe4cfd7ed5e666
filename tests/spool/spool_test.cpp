#include "spool/spool.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/base/temporary_folder.h"

using namespace udon;

namespace {

const TryId id{.installation = "0123456789abcdef", .fence = 7};

int mode_of(const Path& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return static_cast<int>(status.st_mode & 0777);
}

TryRequest some_request() {
  TryRequest request;
  request.try_id = id;
  request.key = {.dag_id = "주문", .run_id = "manual__1", .task_id = "내보내기", .map_index = 3};
  request.operator_name = "bash";
  request.parameters = Value::Map{{"command", "echo 안녕"}};
  request.token = "a token";
  request.log_file = log_file_of(1, 2, 3);
  return request;
}

void write(const Path& path, std::string_view content) {
  REQUIRE(write_file_atomically(path, content, Durability::survives_kill));
}

}  // namespace

TEST_CASE("a request reads back as it was written, and only its owner can read it") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  CHECK(*spool.read_request(id) == some_request());
  CHECK(mode_of(spool.folder(id)) == 0700);
  CHECK(mode_of(spool.folder(id) / "request.json") == 0600);
  CHECK(spool.write_request(some_request()));
  CHECK(spool.log_file(some_request()) == home.path() / "logs/1/2-3.log");
}

TEST_CASE("a request that is missing or damaged is an error that names the file") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  CHECK(spool.read_request(id).error().kind == ErrorKind::not_found);
  REQUIRE(spool.write_request(some_request()));
  write(spool.folder(id) / "request.json", "{\"try_id\":");
  CHECK(spool.read_request(id).error().message.find("request.json") != std::string::npos);
  write(spool.folder(id) / "request.json", "{}");
  CHECK(spool.read_request(id).error().message.find("request.json") != std::string::npos);
}

TEST_CASE("of two runners of one try the second is turned away") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  CHECK_FALSE(spool.read_process(id)->has_value());
  const RunnerProcess first{.identity = *identity_of(getpid()), .cgroup = "/sys/fs/cgroup/x"};
  REQUIRE(spool.write_process(id, first));
  CHECK(spool.write_process(id, {.identity = *identity_of(getppid())}).error().kind == ErrorKind::conflict);
  CHECK(**spool.read_process(id) == first);
  CHECK(is_alive((*spool.read_process(id))->identity));
  CHECK(mode_of(spool.folder(id) / "process.json") == 0600);
}

TEST_CASE("a process file that is half written or names no process counts as not written") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  for (const char* content : {"", "{\"boot_id\":\"x\",", "[]", R"({"boot_id":"x","pid":0,"start_time":1})",
                              R"({"boot_id":"x","pid":-1,"start_time":1})", R"({"boot_id":"x","pid":5})"}) {
    INFO(content);
    write(spool.folder(id) / "process.json", content);
    REQUIRE(spool.read_process(id));
    CHECK_FALSE(spool.read_process(id)->has_value());
  }
}

TEST_CASE("a result reads back, and what cannot be read as one counts as none") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  CHECK_FALSE(spool.read_result(id)->has_value());
  TryEnded ended{.result = TryEnded::Result::skipped, .cause = EndCause::exit_code, .message = "종료 코드 99"};
  ended.xcom = Value::Map{{"return_value", "값"}};
  REQUIRE(spool.write_result(id, ended));
  CHECK(**spool.read_result(id) == ended);
  ended.message = "again";
  REQUIRE(spool.write_result(id, ended));
  CHECK((*spool.read_result(id))->message == "again");
  for (const char* content : {"", "{\"result\":", "[]", "{}"}) {
    write(spool.folder(id) / "result.json", content);
    CHECK_FALSE(spool.read_result(id)->has_value());
  }
}

TEST_CASE("a result that is too large is refused with what to do instead") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  TryEnded ended;
  ended.xcom = Value::Map{{"return_value", std::string(limits::result_bytes_max, 'x')}};
  const auto written = spool.write_result(id, ended);
  REQUIRE_FALSE(written);
  CHECK(written.error().kind == ErrorKind::data);
  CHECK(written.error().message.find("goes to a file") != std::string::npos);
}

TEST_CASE("recorded descendants read back; none are none") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  CHECK(spool.read_tree(id)->empty());
  const std::vector<ProcessIdentity> some{*identity_of(getpid()), *identity_of(getppid())};
  REQUIRE(spool.write_tree(id, some));
  CHECK(*spool.read_tree(id) == some);
  write(spool.folder(id) / "tree.json", "[{\"pid\":");
  CHECK(spool.read_tree(id)->empty());
}

TEST_CASE("the tries of a home are listed in order, and nothing else that lies there") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  CHECK(spool.tries()->empty());
  for (const Fence fence : {10, 9, 200}) {
    TryRequest request = some_request();
    request.try_id.fence = fence;
    REQUIRE(spool.write_request(request));
  }
  REQUIRE(make_directories(home.path() / "spool" / "lost+found"));
  std::vector<Fence> fences;
  const auto tries = spool.tries();
  REQUIRE(tries);
  for (const TryId& found : *tries) fences.push_back(found.fence);
  CHECK(fences == std::vector<Fence>{9, 10, 200});
}

TEST_CASE("removing a try removes its folder and its staging, and twice is once") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  REQUIRE(make_directories(spool.staging(id) / "deep"));
  REQUIRE(spool.remove(id));
  CHECK_FALSE(std::filesystem::exists(spool.folder(id)));
  CHECK_FALSE(std::filesystem::exists(spool.staging(id)));
  CHECK(spool.remove(id));
}
