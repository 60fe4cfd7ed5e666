// A result that grows: what stays, what goes, and that it grows only from what it was planned from.
#include "tests/data/no_file_system.h"
#include "tests/data/s3_result.h"

namespace udon::data {
namespace {

using namespace test_target;

// The same for a folder in S3 and a local one.
struct Growing {
  explicit Growing(bool is_s3) : store_(is_s3) {
    if (!is_s3) target.to = (target.folder.path() / "lake/주문").string() + "/";
  }
  Result<Published> publish(const PublishRequest& request) {
    test::NoFileSystem none;
    return data::publish(store_ ? *target.store : static_cast<FileSystem&>(none), request);
  }
  Result<Published> grow(const std::string& try_id, const std::vector<std::string>& contents, Growth growth) {
    PublishRequest request = target.request(try_id, contents);
    growth.state = Value(Value::Map{{"mode", "cursor"}, {"by", "id"}, {"chunks", Value::list()}});
    request.growth = std::move(growth);
    return publish(request);
  }
  Value manifest() {
    const auto text = store_ ? target.store->read(target.to + "_manifest.json", 1 << 20)
                             : read_file(Path(target.to) / "_manifest.json");
    REQUIRE(text);
    return *parse_json(*text);
  }
  // By the manifest, each as it stands there.
  Contents contents() {
    Contents all;
    const Value found = manifest();
    for (const Value& file : found.get("files").as_list()) {
      const auto content = store_ ? target.store->read(file.text("uri"), 1 << 20) : read_file(file.text("uri"));
      REQUIRE(content);
      CHECK(file.text("sha256") == to_hex(sha256(*content)));
      all.push_back(*content);
    }
    return all;
  }
  size_t files() {
    if (store_) {
      const auto names = target.names();
      return static_cast<size_t>(std::ranges::count_if(names, [](const auto& n) { return n.ends_with(".parquet"); }));
    }
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(target.to))
      count += entry.path().extension() == ".parquet";
    return count;
  }
  Target target;

 private:
  bool store_;
};

TEST_CASE("a result grows by files and loses those that are replaced") {
  Growing growing(GENERATE(true, false));
  const auto first = growing.grow("home-1", {"one", "two"}, {});
  if (!first) FAIL(first.error().message);
  const auto files = first->certificate.files;
  CHECK(files[0].uri == growing.target.to + grown_name(0, "home-1"));
  const auto second =
      growing.grow("home-2", {"three"}, {.based_on = "certificate of home-1", .keeps = files, .state = {}});
  if (!second) FAIL(second.error().message);
  CHECK(growing.contents() == Contents{"one", "two", "three"});
  CHECK(growing.manifest().get("increment").text("mode") == "cursor");
  // Nothing new, one less.
  const auto third =
      growing.grow("home-3", {}, {.based_on = "certificate of home-2", .keeps = {files[1]}, .state = {}});
  if (!third) FAIL(third.error().message);
  CHECK(growing.contents() == Contents{"two"});
  CHECK(growing.files() == 1);
  // And all anew.
  REQUIRE(growing.publish(growing.target.request("home-4", "full")));
  CHECK(growing.contents() == Contents{"full"});
  CHECK(growing.files() == 1);
  CHECK(growing.manifest().get("increment").is_null());
}

TEST_CASE("it grows only from the result that was planned from") {
  Growing growing(GENERATE(true, false));
  const auto first = growing.grow("home-1", {"one"}, {});
  REQUIRE(first);
  for (const std::string based_on : {"", "certificate of home-0"}) {
    const auto refused = growing.grow("home-5", {"two"}, {.based_on = based_on, .keeps = {}, .state = {}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::conflict);
    CHECK_THAT(refused.error().message, Catch::Contains("has got another result, of try home-1"));
  }
  CHECK(growing.contents() == Contents{"one"});
  CHECK(growing.files() == 1);
  Growing none(GENERATE(true, false));
  const auto gone = none.grow("home-5", {"two"}, {.based_on = "certificate of home-1", .keeps = {}, .state = {}});
  REQUIRE_FALSE(gone);
  CHECK(gone.error().kind == ErrorKind::conflict);
}

TEST_CASE("a file that is to stay and is gone is told of, and nothing changes") {
  Growing growing(GENERATE(true, false));
  const auto first = growing.grow("home-1", {"one", "two"}, {});
  REQUIRE(first);
  auto keeps = first->certificate.files;
  keeps.push_back(keeps[0]);
  keeps.back().uri = growing.target.to + grown_name(7, "home-1");
  const auto refused =
      growing.grow("home-2", {"three"}, {.based_on = "certificate of home-1", .keeps = keeps, .state = {}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::data);
  CHECK_THAT(refused.error().message, Catch::Contains("part-00007-home-1.parquet is gone"));
  CHECK(growing.contents() == Contents{"one", "two"});
  CHECK(growing.files() == 2);
  require_no_parts_left();
}

}  // namespace
}  // namespace udon::data
