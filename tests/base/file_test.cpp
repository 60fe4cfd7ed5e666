#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <optional>
#include <thread>

#include "base/subprocess.h"
#include "tests/base/temporary_folder.h"

using namespace udon;

namespace {

size_t entries_in(const Path& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("a file written atomically replaces the old one and leaves nothing beside it") {
  const TemporaryFolder folder;
  const Path path = folder.path() / "state.json";
  for (auto durability : {Durability::survives_kill, Durability::survives_power_loss}) {
    REQUIRE(write_file_atomically(path, "old", durability));
    REQUIRE(write_file_atomically(path, std::string("new\0content", 11), durability));
    CHECK(read_file(path).value() == std::string("new\0content", 11));
    CHECK(entries_in(folder.path()) == 1);
  }
}

TEST_CASE("a file has the mode it was asked for") {
  const TemporaryFolder folder;
  REQUIRE(write_file_atomically(folder.path() / "secret", "x", Durability::survives_kill, 0600));
  struct stat status {};
  REQUIRE(stat((folder.path() / "secret").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a file whose name is as long as names can be is written atomically too") {
  const TemporaryFolder folder;
  const Path path = folder.path() / std::string(255, 'n');
  REQUIRE(write_file_atomically(path, "x", Durability::survives_kill));
  CHECK(read_file(path).value() == "x");
}

TEST_CASE("a write that fails changes nothing and leaves nothing") {
  const TemporaryFolder folder;
  REQUIRE(make_directories(folder.path() / "taken" / "inside"));
  CHECK_FALSE(write_file_atomically(folder.path() / "taken", "x", Durability::survives_kill).has_value());
  CHECK(entries_in(folder.path()) == 1);
  auto written = write_file_atomically(folder.path() / "missing" / "f", "x", Durability::survives_kill);
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().kind == ErrorKind::not_found);
}

TEST_CASE("a reader sees the old content or the new, never a part") {
  const TemporaryFolder folder;
  const Path path = folder.path() / "value";
  const std::string contents[] = {std::string(100'000, 'a'), std::string(50'000, 'b')};
  REQUIRE(write_file_atomically(path, contents[0], Durability::survives_kill));
  std::jthread writer([&](const std::stop_token& stop) {
    for (size_t i = 0; !stop.stop_requested(); ++i) {
      static_cast<void>(write_file_atomically(path, contents[i % 2], Durability::survives_kill));
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto content = read_file(path);
    REQUIRE(content.has_value());
    REQUIRE(std::ranges::count(contents, *content) == 1);
  }
}

TEST_CASE("a file longer than the limit is an error") {
  const TemporaryFolder folder;
  const Path path = folder.path() / "f";
  REQUIRE(write_file_atomically(path, "12345", Durability::survives_kill));
  CHECK(read_file(path, 5).value() == "12345");
  auto content = read_file(path, 4);
  REQUIRE_FALSE(content.has_value());
  CHECK(content.error().kind == ErrorKind::data);
  CHECK(content.error().message == "read " + path.string() + ": it is longer than 4 bytes");
}

TEST_CASE("a file that claims to be empty, as those in /proc do, is read to its end") {
  CHECK_FALSE(read_file("/proc/self/status").value().empty());
}

TEST_CASE("an error names the file, and its kind tells what is missing") {
  const TemporaryFolder folder;
  const auto missing = read_file(folder.path() / "missing");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error() ==
        Error{ErrorKind::not_found, "open " + (folder.path() / "missing").string() + ": No such file or directory"});
  CHECK(io_error("open", "/x/y", ENOSPC) == Error{ErrorKind::io, "open /x/y: No space left on device"});
  CHECK(io_error("open", "/x/y", EACCES).kind == ErrorKind::denied);
}

TEST_CASE("a full disk is an error of the write") {
  auto file = open_file("/dev/full", O_WRONLY);
  REQUIRE(file.has_value());
  CHECK(write_all(file->get(), "x", "/dev/full").error().message == "write /dev/full: No space left on device");
}

TEST_CASE("folders are made with their parents, and again") {
  const TemporaryFolder folder;
  const Path deep = folder.path() / "a" / "b" / "c";
  REQUIRE(make_directories(deep));
  REQUIRE(make_directories(deep));
  REQUIRE(make_directories(folder.path() / "d" / ""));
  CHECK(std::filesystem::is_directory(deep));
  REQUIRE(write_file_atomically(deep / "file", "", Durability::survives_kill));
  CHECK_FALSE(make_directories(deep / "file").has_value());
  CHECK_FALSE(make_directories(deep / "file" / "under").has_value());
}

TEST_CASE("removing a tree removes a link and not what it points to") {
  const TemporaryFolder folder;
  REQUIRE(make_directories(folder.path() / "kept"));
  REQUIRE(make_directories(folder.path() / "tree" / "deep"));
  std::filesystem::create_directory_symlink(folder.path() / "kept", folder.path() / "tree" / "link");
  REQUIRE(remove_tree(folder.path() / "tree"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "tree"));
  CHECK(std::filesystem::exists(folder.path() / "kept"));
  CHECK(remove_tree(folder.path() / "tree").has_value());
}

TEST_CASE("a lock has one holder, whose pid the others are told") {
  const TemporaryFolder folder;
  const Path path = folder.path() / "lock";
  std::optional<FileLock> first;
  {
    auto lock = FileLock::acquire(path);
    REQUIRE(lock.has_value());
    first.emplace(std::move(*lock));
  }
  const auto second = FileLock::acquire(path);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error() ==
        Error{ErrorKind::conflict, "lock " + path.string() + ": held by pid " + std::to_string(getpid())});
  first.reset();
  CHECK(FileLock::acquire(path).has_value());
}

TEST_CASE("a lock whose holder has gone is waited for until the kernel lets it go") {
  const TemporaryFolder folder;
  const Path path = folder.path() / "lock";
  // What it leaves behind holds on for a while, as the kernel does with the files of one that was killed.
  SpawnRequest holder;
  holder.argv = {"/bin/bash", "-c", "exec 9<>\"$0\"; flock 9; echo $$ > \"$0\"; sleep 1 < /dev/null > /dev/null 2>&1 &",
                 path.string()};
  holder.environment = {"PATH=/usr/bin:/bin"};
  REQUIRE(run_command(holder, std::chrono::seconds(30)).value().status.succeeded());
  CHECK(FileLock::acquire(path));
}

TEST_CASE("a descriptor that was moved from closes nothing") {
  auto opened = open_file("/dev/null", O_RDONLY);
  REQUIRE(opened.has_value());
  FileDescriptor second = std::move(*opened);
  CHECK_FALSE(static_cast<bool>(*opened));
  const int number = second.get();
  second = FileDescriptor();
  CHECK(fcntl(number, F_GETFD) == -1);
}
