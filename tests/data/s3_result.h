#pragma once
// A target whose result may be of several files: what its readers see of it.
#include <set>

#include "tests/data/s3_target.h"

namespace udon::data::test_target {

using Contents = std::vector<std::string>;

inline bool is_table_file(const std::string& name) { return !name.starts_with("_"); }

// What who reads by the manifest sees: nothing, or files that are all there and are what it says of them.
inline std::optional<Contents> by_manifest(Target& target) {
  const auto names = target.names();
  if (std::ranges::find(names, "_manifest.json") == names.end()) return std::nullopt;
  Contents contents;
  const Value manifest = target.manifest();
  for (const Value& file : manifest.get("files").as_list()) {
    const auto info = target.store->stat(file.text("uri"));
    REQUIRE((info && *info));
    CHECK(file.text("etag") == (*info)->etag);
    const auto content = target.store->read(file.text("uri"), 64 << 20);
    REQUIRE(content);
    CHECK(file.text("sha256") == to_hex(sha256(*content)));
    contents.push_back(*content);
  }
  CHECK(manifest.get("certificate").get("files").size() == contents.size());
  return contents;
}

// What who lists the folder takes for the table.
inline Contents by_list(Target& target) {
  Contents contents;
  for (const std::string& name : target.names()) {
    if (!is_table_file(name)) continue;
    const auto content = target.store->read(target.to + name, 64 << 20);
    REQUIRE(content);
    contents.push_back(*content);
  }
  return contents;
}

inline bool is_marked(Target& target) {
  const auto names = target.names();
  return std::ranges::find(names, "_SUCCESS") != names.end();
}

// At every moment: by the manifest one of these, whole; with the mark, the same for who lists.
inline void require_one_of(Target& target, const std::vector<std::optional<Contents>>& results) {
  const auto seen = by_manifest(target);
  CHECK(std::ranges::find(results, seen) != results.end());
  if (!is_marked(target)) return;
  REQUIRE(seen);
  Contents listed = by_list(target), named = *seen;
  std::ranges::sort(listed);
  std::ranges::sort(named);
  CHECK(listed == named);
}

inline void require_nothing_pending(Target& target) {
  for (const char* home : {"home", "away"}) {
    const Path uploads = target.folder.path() / home / "uploads";
    if (std::filesystem::exists(uploads)) CHECK(std::filesystem::is_empty(uploads));
  }
}

// At the end: the files, the marks, nothing else. A single file has the fixed name; where others were about while it
// was uploaded, it may have one of its own.
inline void require_result(Target& target, const Contents& contents, const std::string& try_id,
                           bool is_single_name_fixed = true) {
  require_one_of(target, {contents});
  CHECK(is_marked(target));
  CHECK(target.manifest().text("try") == try_id);
  std::set<std::string> expected{"_SUCCESS", "_manifest.json"};
  std::string lines;
  auto names = target.names();
  const bool has_own_names =
      contents.size() > 1 || (!is_single_name_fixed && std::ranges::find(names, "part-00000.parquet") == names.end());
  for (size_t i = 0; i < contents.size(); ++i) {
    const std::string name = "part-0000" + std::to_string(i) + (has_own_names ? "-" + try_id : "") + ".parquet";
    expected.insert(name);
    lines += target.to + name + "\n";
  }
  // There since a result had several files, and true from then on.
  const std::string symlinks = "_symlink_format_manifest/manifest";
  if (contents.size() > 1) expected.insert(symlinks);
  if (std::ranges::find(names, symlinks) != names.end()) {
    expected.insert(symlinks);
    CHECK(target.store->read(target.to + symlinks, 1 << 20) == lines);
  }
  CHECK(std::set(names.begin(), names.end()) == expected);
  require_nothing_pending(target);
}

inline Connection through(const test::StoreProxy& proxy) {
  Connection connection = store_connection();
  connection.extra.set("endpoint_url", proxy.url());
  return connection;
}

}  // namespace udon::data::test_target
