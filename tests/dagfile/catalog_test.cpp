#include "dagfile/catalog.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <set>

#include "tests/dagfile/operators.h"
#include "tests/support/eventually.h"

namespace udon {
namespace {

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("udon-catalog-" + std::to_string(::getpid()))) {
    REQUIRE(remove_tree(path_));
    REQUIRE(make_directories(path_));
  }
  ~Folder() { (void)remove_tree(path_); }
  const Path& path() const { return path_; }
  void put(const std::string& name, const std::string& text) const {
    REQUIRE(make_directories((path_ / name).parent_path()));
    REQUIRE(write_file_atomically(path_ / name, text, Durability::survives_kill));
  }
  // Into the same inode, with the times that it had: as badly as an editor can behave.
  void overwrite_in_place(const std::string& name, const std::string& text) const {
    struct stat before {};
    REQUIRE(::stat((path_ / name).c_str(), &before) == 0);
    const Result<FileDescriptor> file = open_file(path_ / name, O_WRONLY | O_TRUNC);
    REQUIRE(file);
    REQUIRE(write_all(file->get(), text, name));
    const timespec times[] = {before.st_atim, before.st_mtim};
    REQUIRE(::futimens(file->get(), times) == 0);
  }
  void remove(const std::string& name) const { REQUIRE(remove_tree(path_ / name)); }

 private:
  Path path_;
};

// Which files in a folder's folders are opened, by whomever, as the kernel tells.
class FileOpens {
 public:
  explicit FileOpens(const Path& root) : events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    REQUIRE(events_.get() >= 0);
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (entry.is_directory()) REQUIRE(::inotify_add_watch(events_.get(), entry.path().c_str(), IN_OPEN) >= 0);
    }
  }
  // Since the last call.
  std::set<std::string> take() const {
    std::set<std::string> names;
    alignas(inotify_event) char buffer[1 << 16];
    for (ssize_t length; (length = ::read(events_.get(), buffer, sizeof buffer)) > 0;) {
      for (const char* at = buffer; at < buffer + length;) {
        inotify_event event;
        std::memcpy(&event, at, sizeof event);
        if ((event.mask & IN_ISDIR) == 0 && event.len > 0) names.insert(at + sizeof event);
        at += sizeof event + event.len;
      }
    }
    return names;
  }

 private:
  FileDescriptor events_;
};

std::string dag(const std::string& id, const std::string& more = "") {
  return "dag: " + id + "\n" + more + "tasks: {t: {operator: empty}}\n";
}

std::string told(const CatalogPtr& catalog) {
  std::string text;
  for (const Diagnostic& diagnostic : catalog->diagnostics) text += to_string(diagnostic) + "\n";
  return text;
}

std::string ids(const CatalogPtr& catalog) {
  std::string text;
  for (const auto& [id, dag] : catalog->dags) text += id + "@" + dag->file + " ";
  return text;
}

TEST_CASE("the catalog follows its folder and keeps its pointer while nothing changes") {
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  Catalog catalog(folder.path(), operators);
  CHECK(catalog.current()->generation == 0);
  const CatalogPtr empty = catalog.refresh();
  CHECK(empty->generation == 1);
  CHECK(empty->dags.empty());
  CHECK(catalog.refresh() == empty);

  folder.put("a.yaml", dag("a"));
  folder.put("team/b.yml", dag("b"));
  folder.put("notes.txt", "dag: c");
  folder.put(".hidden.yaml", dag("d"));
  folder.put(".git/e.yaml", dag("e"));
  const CatalogPtr first = catalog.refresh();
  CHECK(ids(first) == "a@a.yaml b@team/b.yml ");
  CHECK(first->files == 2);
  CHECK(first->generation == 2);
  CHECK(catalog.refresh() == first);
  CHECK(catalog.refresh() == first);
  CHECK(catalog.current() == first);

  SECTION("a change gives a new DAG and leaves the others as they are") {
    folder.put("a.yaml", dag("a", "tags: [x]\n"));
    const CatalogPtr next = catalog.refresh();
    CHECK(next->generation == 3);
    CHECK(next->dags.at("a") != first->dags.at("a"));
    CHECK(next->dags.at("b") == first->dags.at("b"));
  }
  SECTION("a file that was only touched, or replaced by its like, changes nothing") {
    folder.put("a.yaml", dag("a"));
    std::filesystem::last_write_time(folder.path() / "team/b.yml", std::filesystem::file_time_type::clock::now());
    CHECK(catalog.refresh() == first);
    CHECK(catalog.refresh() == first);
  }
  SECTION("a change that keeps size and time is seen") {
    const std::string one = dag("a", "tags: [x]\n"), other = dag("a", "tags: [y]\n");
    folder.put("a.yaml", one);
    CHECK(catalog.refresh()->dags.at("a")->tags == std::vector<std::string>{"x"});
    folder.overwrite_in_place("a.yaml", other);
    CHECK(catalog.refresh()->dags.at("a")->tags == std::vector<std::string>{"y"});
  }
  SECTION("a removed file takes its DAGs with it, a renamed one brings them along") {
    std::filesystem::rename(folder.path() / "a.yaml", folder.path() / "z.yaml");
    folder.remove("team");
    CHECK(ids(catalog.refresh()) == "a@z.yaml ");
  }
  SECTION("a DAG that moves to another file is there all the time") {
    folder.put("c.yaml", dag("a"));
    folder.remove("a.yaml");
    CHECK(ids(catalog.refresh()) == "a@c.yaml b@team/b.yml ");
  }
}

TEST_CASE("a broken file keeps its last good DAGs and says what is wrong") {
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  Catalog catalog(folder.path(), operators);
  folder.put("a.yaml", dag("a") + "---\n" + dag("b"));
  const CatalogPtr good = catalog.refresh();
  CHECK(ids(good) == "a@a.yaml b@a.yaml ");

  folder.put("a.yaml", "dag: [\n");
  const CatalogPtr broken = catalog.refresh();
  CHECK(broken->dags == good->dags);
  CHECK(told(broken) == "a.yaml:2:1: error: `]` is missing\n");
  CHECK(catalog.refresh() == broken);

  // One document broken, one changed, one new.
  folder.put("a.yaml", "dag: a\ntasks: {t: {operator: nope}}\n---\n" + dag("b", "tags: [x]\n") + "---\n" + dag("c"));
  const CatalogPtr partly = catalog.refresh();
  CHECK(ids(partly) == "a@a.yaml b@a.yaml c@a.yaml ");
  CHECK(partly->dags.at("a") == good->dags.at("a"));
  CHECK(partly->dags.at("b")->tags.size() == 1);
  CHECK(told(partly) == "a.yaml:2:23: error: unknown operator `nope`\n");

  // One document broken, another removed.
  folder.put("a.yaml", "dag: a\ntasks: {t: {operator: nope}}\n");
  CHECK(ids(catalog.refresh()) == "a@a.yaml ");

  folder.put("a.yaml", dag("a"));
  const CatalogPtr mended = catalog.refresh();
  CHECK(mended->diagnostics.empty());
  CHECK(ids(mended) == "a@a.yaml ");
}

TEST_CASE("a file that cannot be read keeps its DAGs until it can") {
  if (::geteuid() == 0) return;  // root reads everything
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  Catalog catalog(folder.path(), operators);
  folder.put("a.yaml", dag("a"));
  folder.put("team/b.yaml", dag("b"));
  const CatalogPtr good = catalog.refresh();
  ::chmod((folder.path() / "a.yaml").c_str(), 0);
  ::chmod((folder.path() / "team").c_str(), 0);
  const CatalogPtr unreadable = catalog.refresh();
  CHECK(unreadable->dags == good->dags);
  CHECK(unreadable->diagnostics.size() == 2);
  ::chmod((folder.path() / "a.yaml").c_str(), 0644);
  ::chmod((folder.path() / "team").c_str(), 0755);
  CHECK(catalog.refresh()->diagnostics.empty());
}

TEST_CASE("of two files with one DAG id, the first by name has it") {
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  Catalog catalog(folder.path(), operators);
  folder.put("b.yaml", dag("x", "tags: [of_b]\n"));
  CHECK(ids(catalog.refresh()) == "x@b.yaml ");
  folder.put("c.yaml", "# a line\n" + dag("x"));
  CHECK(ids(catalog.refresh()) == "x@b.yaml ");
  CHECK(told(catalog.refresh()) == "c.yaml:2:1: error: the DAG id `x` is taken by b.yaml\n");
  folder.put("a.yaml", dag("x"));
  CHECK(ids(catalog.refresh()) == "x@a.yaml ");
  folder.remove("a.yaml");
  folder.remove("b.yaml");
  CHECK(ids(catalog.refresh()) == "x@c.yaml ");
  CHECK(catalog.refresh()->diagnostics.empty());
}

TEST_CASE("a file with nothing in it that could be a DAG says so, unless a DAG includes it or all of it is comments") {
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  Catalog catalog(folder.path(), operators);
  const auto told = [&] {
    std::string text;
    for (const Diagnostic& diagnostic : catalog.refresh()->diagnostics) text += to_string(diagnostic) + "\n";
    return text;
  };
  folder.put("list.yaml", "[]\n");
  folder.put("map.yaml", "# orders\n{}\n");
  folder.put("text.yaml", "dag orders\n");
  folder.put("number.yml", "7");
  folder.put("empty.yaml", "");
  folder.put("comments.yaml", "# dag: orders\n# tasks: {}\n");
  folder.put("rows.yaml", "- {table: orders}\n");
  const std::string others =
      "map.yaml:2:1: warning: expected a DAG, a map with `dag` and `tasks`; this is an empty map\n"
      "number.yml:1:1: error: expected a DAG, a map with `dag` and `tasks`; this is an integer\n"
      "text.yaml:1:1: error: expected a DAG, a map with `dag` and `tasks`; this is a text\n";
  const std::string list =
      "list.yaml:1:1: warning: expected a DAG, a map with `dag` and `tasks`; this is an empty list\n";
  CHECK(told() == list + others);
  folder.put("dag.yaml", "dag: a\ntasks: {t: {operator: empty, expand: {item: {file: list.yaml}}}}\n");
  CHECK(told() == others);
  folder.remove("dag.yaml");
  CHECK(told() == list + others);
  // Half of a file is no reason to forget its DAG.
  folder.put("text.yaml", "dag: orders\ntasks: {t: {operator: empty}}\n");
  CHECK(catalog.refresh()->dags.contains("orders"));
  folder.put("text.yaml", "dag");
  CHECK(catalog.refresh()->dags.contains("orders"));
}

TEST_CASE("a changed list changes the DAG that is mapped over it") {
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  Catalog catalog(folder.path(), operators);
  folder.put("a.yaml",
             "dag: a\ntasks: {t: {operator: bash, command: echo, expand: {item: {file: lists/tables.yaml}}}}\n");
  const CatalogPtr missing = catalog.refresh();
  CHECK(missing->dags.empty());
  CHECK(told(missing).find("there is no such file") != std::string::npos);
  folder.put("lists/tables.yaml", "[x]");
  const CatalogPtr there = catalog.refresh();
  CHECK(told(there).empty());
  CHECK(known_length(*there->dags.at("a")->tasks[0].expand) == 1);
  folder.put("lists/tables.yaml", "[x, y]");
  const CatalogPtr longer = catalog.refresh();
  CHECK(known_length(*longer->dags.at("a")->tasks[0].expand) == 2);
  CHECK(longer->dags.at("a")->version != there->dags.at("a")->version);
  folder.put("lists/tables.yaml", "[x");
  const CatalogPtr broken = catalog.refresh();
  CHECK(broken->dags == longer->dags);
  CHECK(told(broken).find("lists/tables.yaml") != std::string::npos);
}

TEST_CASE("a changed file of holidays changes the DAG whose calendar it is") {
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  Catalog catalog(folder.path(), operators);
  folder.put(
      "a.yaml",
      "dag: a\nschedule: '@daily'\ncalendar: {skip: days/한국.txt}\ntasks: {t: {operator: bash, command: echo}}\n");
  const CatalogPtr missing = catalog.refresh();
  CHECK(missing->dags.empty());
  CHECK(told(missing).find("there is no such file") != std::string::npos);
  folder.put("days/한국.txt", "2026-02-17 설날\n");
  const CatalogPtr there = catalog.refresh();
  CHECK(told(there).empty());
  const auto days_off = [](const CatalogPtr& at) { return at->dags.at("a")->schedule.calendar->except.size(); };
  CHECK(days_off(there) == 1);
  folder.put("days/한국.txt", "2026-02-17 설날\n2026-09-25 추석\n");
  const CatalogPtr longer = catalog.refresh();
  CHECK(days_off(longer) == 2);
  CHECK(longer->dags.at("a")->version != there->dags.at("a")->version);
  folder.put("days/한국.txt", "2026-02-17 설날\n추석\n");
  const CatalogPtr broken = catalog.refresh();
  CHECK(broken->dags == longer->dags);
  CHECK(told(broken).find("days/한국.txt:2: expected a date such as 2026-01-31 and its name, found `추석`") !=
        std::string::npos);
}

TEST_CASE("links are followed to files inside of the folder only") {
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  Catalog catalog(folder.path(), operators);
  folder.put("..data/a.yaml", dag("a"));
  std::filesystem::create_symlink("..data/a.yaml", folder.path() / "a.yaml");
  std::filesystem::create_symlink("/etc", folder.path() / "etc");
  std::filesystem::create_symlink("/etc/hostname", folder.path() / "out.yaml");
  std::filesystem::create_symlink("nowhere.yaml", folder.path() / "dangling.yaml");
  std::filesystem::create_directory_symlink(".", folder.path() / "loop");
  const CatalogPtr found = catalog.refresh();
  CHECK(ids(found) == "a@a.yaml ");
  CHECK(told(found).find("etc: warning: is a link to a folder, which is not followed") != std::string::npos);
  CHECK(told(found).find("loop: warning: is a link to a folder, which is not followed") != std::string::npos);
  CHECK(told(found).find("out.yaml: warning: is a link: it leads out of the DAGs folder") != std::string::npos);
  CHECK(told(found).find("dangling.yaml: warning: is a link: ") != std::string::npos);
  // The content behind a link changes.
  folder.put("..data/a.yaml", dag("a", "tags: [x]\n"));
  CHECK(catalog.refresh()->dags.at("a")->tags.size() == 1);
}

TEST_CASE("a folder that is not there is an empty catalog that says so") {
  const OperatorCatalog operators = test::operators();
  const Folder folder;
  Catalog catalog(folder.path() / "dags", operators);
  CHECK(told(catalog.refresh()) == "error: the DAGs folder " + (folder.path() / "dags").string() + " is not there\n");
  CHECK(catalog.refresh()->dags.empty());
  folder.put("dags/a.yaml", dag("a"));
  CHECK(ids(catalog.refresh()) == "a@a.yaml ");
  folder.put("other/a.yaml", dag("a"));
  // The folder is a link that is put to another place at once, as git-sync does.
  std::filesystem::create_symlink("dags", folder.path() / "current");
  Catalog linked(folder.path() / "current", operators);
  CHECK(ids(linked.refresh()) == "a@a.yaml ");
  folder.put("other/b.yaml", dag("b"));
  std::filesystem::create_symlink("other", folder.path() / "next");
  std::filesystem::rename(folder.path() / "next", folder.path() / "current");
  CHECK(ids(linked.refresh()) == "a@a.yaml b@b.yaml ");
}

TEST_CASE("five thousand files, and a second look that reads none of them") {
  const Folder folder;
  const OperatorCatalog operators = test::operators();
  for (int i = 0; i < 5000; ++i)
    folder.put("d" + std::to_string(i % 50) + "/f" + std::to_string(i) + ".yaml", dag("dag_" + std::to_string(i)));
  Catalog catalog(folder.path(), operators);
  const CatalogPtr all = catalog.refresh();
  CHECK(all->dags.size() == 5000);
  // A file that was written just before it was looked at may have changed since: it is read once more, not for ever.
  const FileOpens opens(folder.path());
  CHECK(test::eventually([&] {
    (void)opens.take();
    CHECK(catalog.refresh() == all);
    return opens.take().empty();
  }));
  for (int i = 0; i < 3; ++i) CHECK(catalog.refresh() == all);
  CHECK(opens.take().empty());
  // The kernel does tell of what is read.
  folder.put("d7/f7.yaml", dag("dag_7", "tags: [x]\n"));
  (void)opens.take();
  CHECK(catalog.refresh()->dags.at("dag_7")->tags == std::vector<std::string>{"x"});
  CHECK(opens.take() == std::set<std::string>{"f7.yaml"});
}

}  // namespace
}  // namespace udon
