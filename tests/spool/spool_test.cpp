#include "spool/spool.h"
#include "spool/spare_tries.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "spool/log_parts.h"
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

TEST_CASE("a try that is barred is begun by no runner, and one that was begun is not barred") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  CHECK(*spool.bar_runners(id));  // nothing is there that a runner could begin
  REQUIRE(spool.write_request(some_request()));
  CHECK(*spool.bar_runners(id));
  CHECK(*spool.bar_runners(id));
  CHECK_FALSE(spool.read_process(id)->has_value());
  const RunnerProcess runner{.identity = *identity_of(getpid())};
  CHECK(spool.write_process(id, runner).error().kind == ErrorKind::conflict);
  REQUIRE(spool.remove(id));
  REQUIRE(spool.write_request(some_request()));
  REQUIRE(spool.write_process(id, runner));
  CHECK_FALSE(*spool.bar_runners(id));
}

TEST_CASE("a runner that is just beginning is not barred, and one that was killed at it is") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  const Path path = spool.folder(id) / "process.json";
  write(path, "{\"boot_id\":\"x\",");
  const RunnerProcess runner{.identity = *identity_of(getpid())};
  {
    const auto file = open_file(path, O_RDWR);
    REQUIRE(file);
    REQUIRE(flock(file->get(), LOCK_EX) == 0);
    CHECK_FALSE(*spool.bar_runners(id));
    CHECK(spool.write_process(id, runner).error().kind == ErrorKind::conflict);
  }
  CHECK(*spool.bar_runners(id));
  CHECK(spool.write_process(id, runner).error().kind == ErrorKind::conflict);
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
  for (const Fence fence : {9, 11}) {
    REQUIRE(make_directories(spool.staging({.installation = some_request().try_id.installation, .fence = fence})));
  }
  std::vector<Fence> fences;
  const auto tries = spool.tries();
  REQUIRE(tries);
  for (const TryId& found : *tries) fences.push_back(found.fence);
  CHECK(fences == std::vector<Fence>{9, 10, 11, 200});
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

namespace {

// As the executor and the runner do.
void live_through(const Spool& spool, SpareTries& spares, const TryRequest& request) {
  const TryId& mine = request.try_id;
  REQUIRE(spares.write_request(request));
  CHECK(*spool.read_request(mine) == request);
  CHECK_FALSE(spool.read_process(mine)->has_value());
  CHECK_FALSE(spool.read_result(mine)->has_value());
  CHECK(spool.read_tree(mine)->empty());
  const RunnerProcess runner{.identity = *identity_of(getpid())};
  REQUIRE(spool.write_process(mine, runner));
  CHECK(spool.write_process(mine, {.identity = *identity_of(getppid())}).error().kind == ErrorKind::conflict);
  CHECK(**spool.read_process(mine) == runner);
  const auto staging = spool.make_staging(mine);
  REQUIRE(staging);
  CHECK(*staging == spool.staging(mine));
  CHECK(std::filesystem::is_empty(*staging));
  CHECK(mode_of(*staging) == 0700);
  REQUIRE(make_directories(*staging / "deep"));
  write(*staging / "deep" / "쓰레기", "of try " + to_string(mine));
  REQUIRE(chmod(staging->c_str(), 0755) == 0);
  REQUIRE(spool.put_by_staging(mine));
  CHECK_FALSE(std::filesystem::exists(*staging));
  const TryEnded ended{.result = TryEnded::Result::success, .message = "try " + to_string(mine)};
  REQUIRE(spool.write_result(mine, ended));
  CHECK(spool.read_result(mine)->value().message == ended.message);
  for (const char* file : {"request.json", "process.json", "result.json"})
    CHECK(mode_of(spool.folder(mine) / file) == 0600);
  CHECK(*spool.tries() == std::vector{mine});
}

ino_t inode_of(const Path& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_ino;
}

}  // namespace

TEST_CASE("the folder of an ended try serves the next one, and nothing of the first is seen in it") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  SpareTries spares(spool);
  std::vector<ino_t> first;
  for (int64_t fence = 1; fence <= 3; ++fence) {
    TryRequest request = some_request();
    request.try_id.fence = fence;
    if (fence == 2) request.parameters = Value::map();  // shorter than the one before
    live_through(spool, spares, request);
    const Path folder = spool.folder(request.try_id);
    const std::vector inodes{inode_of(folder), inode_of(folder / "request.json"), inode_of(folder / "process.json"),
                             inode_of(folder / "result.json"), inode_of(folder / "spare-staging")};
    if (fence == 1) first = inodes;
    CHECK(inodes == first);
    REQUIRE(spares.remove(request.try_id));
    CHECK(spool.tries()->empty());
  }
}

TEST_CASE("a folder serves the next try however far the one before came") {
  const Fence next_fence = GENERATE(7, 8);  // who was never begun is started with the same id
  const TemporaryFolder home;
  const Spool spool(home.path());
  SpareTries spares(spool);
  TryRequest before = some_request();
  before.try_id.fence = 6;
  live_through(spool, spares, before);
  REQUIRE(spares.remove(before.try_id));
  REQUIRE(spares.write_request(some_request()));
  SECTION("never started") {}
  SECTION("killed before its end") {
    REQUIRE(spool.write_process(id, {.identity = *identity_of(getpid())}));
    REQUIRE(spool.write_tree(id, {*identity_of(getpid())}));
    REQUIRE(make_directories(*spool.make_staging(id) / "deep"));
  }
  SECTION("ended with much to say") {
    TryEnded ended;
    ended.xcom = Value::Map{{"return_value", std::string(1 << 20, 'x')}};
    REQUIRE(spool.write_result(id, ended));
    CHECK(**spool.read_result(id) == ended);
  }
  SECTION("barred") { REQUIRE(spool.bar_runners(id)); }
  const ino_t folder = inode_of(spool.folder(id));
  REQUIRE(spares.remove(id));
  CHECK_FALSE(std::filesystem::exists(spool.staging(id)));
  CHECK(spares.remove(id));
  TryRequest next = some_request();
  next.try_id.fence = next_fence;
  live_through(spool, spares, next);
  CHECK(inode_of(spool.folder(next.try_id)) == folder);
  CHECK(std::filesystem::file_size(spool.folder(next.try_id) / "result.json") < 1000);
}

TEST_CASE("an ended try's folder that holds a file of somebody else is removed and not used again") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  SpareTries spares(spool);
  live_through(spool, spares, some_request());
  write(spool.folder(id) / "note", "x");
  REQUIRE(spares.remove(id));
  CHECK(std::filesystem::is_empty(home.path() / "spool"));
  CHECK(spares.remove(id));
}

TEST_CASE("what a power loss has mixed of two tries says nothing of either") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  TryId other = id;
  other.fence = 8;
  const TryEnded ended{.result = TryEnded::Result::success, .message = "all is well"};
  REQUIRE(spool.write_result(id, ended));
  const Path path = spool.folder(id) / "result.json";
  const std::string content = read_file(path).value();
  CHECK(spool.read_result(id).value() == ended);
  for (size_t size = 0; size < content.size(); ++size) {
    INFO(size);
    write(path, content.substr(0, size));
    REQUIRE_FALSE(spool.read_result(id).value().has_value());
    std::string mixed = content;
    mixed[size] = mixed[size] == 'x' ? 'y' : 'x';
    write(path, mixed);
    REQUIRE_FALSE(spool.read_result(id).value().has_value());
    write(path, content + content.substr(size));
    REQUIRE_FALSE(spool.read_result(id).value().has_value());
  }
  REQUIRE(make_directories(spool.folder(other)));
  write(spool.folder(other) / "result.json", content);
  CHECK_FALSE(spool.read_result(other).value().has_value());
}

TEST_CASE("a staging folder that became a link is not followed when it is emptied") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  REQUIRE(spool.write_request(some_request()));
  const auto staging = spool.make_staging(id);
  REQUIRE(staging);
  REQUIRE(make_directories(home.path() / "data"));
  write(home.path() / "data" / "precious", "x");
  REQUIRE(rmdir(staging->c_str()) == 0);
  REQUIRE(symlink((home.path() / "data").c_str(), staging->c_str()) == 0);
  REQUIRE(spool.put_by_staging(id));
  CHECK(std::filesystem::exists(home.path() / "data" / "precious"));
  CHECK_FALSE(std::filesystem::is_symlink(std::filesystem::symlink_status(*staging)));
}

TEST_CASE("spare folders of an earlier process are not trusted") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  {
    SpareTries spares(spool);
    live_through(spool, spares, some_request());
    REQUIRE(spares.remove(id));
  }
  CHECK_FALSE(std::filesystem::is_empty(home.path() / "spool"));
  const SpareTries again(spool);
  CHECK(std::filesystem::is_empty(home.path() / "spool"));
}

TEST_CASE("a request for a try that has a folder already is written there") {
  const TemporaryFolder home;
  const Spool spool(home.path());
  SpareTries spares(spool);
  TryRequest other = some_request();
  other.try_id.fence = 8;
  live_through(spool, spares, other);
  REQUIRE(spares.remove(other.try_id));
  REQUIRE(spool.write_request(some_request()));
  REQUIRE(spool.write_process(id, {.identity = *identity_of(getpid())}));
  REQUIRE(spares.write_request(some_request()));
  CHECK(spool.read_process(id)->has_value());
}

TEST_CASE("a line for a log that has grown into parts goes to its end") {
  TemporaryFolder home;
  const Spool spool(home.path());
  const TryRequest request = some_request();
  REQUIRE(spool.write_request(request));
  const Path log = spool.log_file(request);
  REQUIRE(make_directories(log.parent_path()));
  REQUIRE(write_file_atomically(log, "begins\n", Durability::survives_kill));
  REQUIRE(write_file_atomically(log_part_path(log, 0), log_part_header(TimePoint{}, 7, 0) + "cut o",
                                Durability::survives_kill));
  REQUIRE(spool.append_to_log(request.try_id, TimePoint{}, "the runner is gone"));
  const auto piece = read_log(log, 0, 1 << 20, true);
  REQUIRE(piece);
  CHECK(piece->text == "begins\ncut o\n1970-01-01T00:00:00.000000Z the runner is gone\n");
}
