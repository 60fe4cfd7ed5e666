// One DAG file.
#include <xxhash.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/limits.h"
#include "dagfile/catalog.h"
#include "dagfile/loader/document.h"
#include "dagfile/loader/load.h"

namespace udon {
namespace {

std::string version_of(std::string_view source, const std::vector<IncludedFile>& included) {
  XXH3_state_t* state = XXH3_createState();
  XXH3_128bits_reset(state);
  const auto add = [&](std::string_view text) {
    const uint64_t size = text.size();  // lengths between, so that no two sets of files run into the same bytes
    XXH3_128bits_update(state, &size, sizeof size);
    XXH3_128bits_update(state, text.data(), text.size());
  };
  add(source);
  for (const IncludedFile& file : included) {
    add(file.relative.generic_string());
    add(file.content);
  }
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
  XXH3_freeState(state);
  std::string hex;
  static constexpr char digits[] = "0123456789abcdef";
  for (const unsigned char byte : canonical.digest) {
    hex += digits[byte >> 4];
    hex += digits[byte & 15];
  }
  return hex;
}

// Other YAML may lie in the folder (lists that DAGs are mapped over): what has none of a DAG's own words is none.
bool looks_like_dag(const YamlNode& root) {
  return root.is_map() && (root.find("dag") != nullptr || root.find("tasks") != nullptr);
}

// What is neither a DAG nor worth including. An empty document, or one that is all comments, is a DAG put aside:
// nothing is said of it.
void tell_of_nothing(const YamlNode& root, Problems& problems) {
  const std::string expected = "expected a DAG, a map with `dag` and `tasks`; this is ";
  if (root.is_null() || !root.items.empty() || !root.members.empty()) return;
  if (root.is_map() || root.is_list())
    problems.warning(root.offset, expected + (root.is_map() ? "an empty map" : "an empty list"));
  else
    problems.error(root, expected + std::string(root.kind_name()));
}

}  // namespace

LoadedFile load_dag_file(const Path& folder, const Path& relative, const OperatorCatalog& operators) {
  const Result<std::string> content = read_file(folder / relative, limits::dag_file_bytes_max);
  if (content) return load_dag_text(folder, relative, *content, operators);
  LoadedFile loaded;
  loaded.diagnostics.push_back(
      {Diagnostic::Severity::error, relative.generic_string(), 0, 0, content.error().message, ""});
  return loaded;
}

LoadedFile load_dag_text(const Path& folder, const Path& relative, std::string_view content,
                         const OperatorCatalog& operators) {
  LoadedFile loaded;
  const std::string file = relative.generic_string();
  const YamlFile yaml = parse_yaml(content);
  Problems all(file, yaml, loaded.diagnostics);
  if (yaml.problem) {
    all.error(yaml.problem->offset, yaml.problem->message);
    return loaded;
  }
  std::set<std::string> ids;
  std::set<Path> included_paths;
  for (const YamlDocument& document : yaml.documents) {
    if (!looks_like_dag(document.root)) {
      Problems problems(file, yaml, loaded.unless_included);
      tell_of_nothing(document.root, problems);
      continue;
    }
    Problems problems(file, yaml, loaded.diagnostics);
    std::vector<IncludedFile> included;
    LoadedDocument loaded_document = load_document({folder, relative, operators, problems, included}, document.root);
    for (const IncludedFile& one : included) included_paths.insert(one.relative);
    const YamlNode* id = document.root.find("dag");
    if (id != nullptr && id->is_text() && !ids.insert(id->text).second) {
      problems.error(*id, "the DAG id `" + id->text + "` stands twice in this file");
      continue;
    }
    Dag& dag = loaded_document.dag;
    dag.file = file;
    if (!loaded_document.is_good) {
      loaded.refused.push_back(std::make_shared<const Dag>(std::move(dag)));
      continue;
    }
    dag.source = yaml.source.substr(document.begin, document.end - document.begin);
    dag.version = version_of(dag.source, included);
    loaded.dag_lines.push_back(id != nullptr ? yaml.place(id->offset).line : 0);
    loaded.dags.push_back(std::make_shared<const Dag>(std::move(dag)));
  }
  std::stable_sort(loaded.diagnostics.begin(), loaded.diagnostics.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  loaded.included.assign(included_paths.begin(), included_paths.end());
  return loaded;
}

}  // namespace udon
