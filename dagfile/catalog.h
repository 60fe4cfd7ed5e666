#pragma once
// The DAG files of a folder as DAGs, kept up to date. A broken file keeps its last good DAGs and shows its diagnostics;
// an unchanged one costs a stat.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "dagfile/diagnostic.h"
#include "model/dag.h"
#include "plugins/spec/spec.h"

namespace udon {

struct CatalogSnapshot {
  uint64_t generation = 0;  // larger whenever anything differs
  std::map<std::string, DagPtr, std::less<>> dags;
  std::vector<DagPtr> refused;  // as far as they could be read: for a check of the names in them, never to be run
  std::vector<Diagnostic> diagnostics;  // of all files, errors and warnings, by file and line
  int files = 0;
};
using CatalogPtr = std::shared_ptr<const CatalogSnapshot>;

// What a check of names needs and a file alone cannot tell; absent: "not checked" as a warning by `dags check`.
struct KnownNames {
  std::optional<std::vector<std::string>> pools;
  std::optional<std::vector<std::string>> connections;
  std::map<std::string, int64_t> slots;           // of those pools where it is known
  std::map<std::string, std::string> conn_types;  // of those connections where it is known
};

// A folder beside the DAGs folder, out of a bundle. Its files are told as "@name/path", and where two of a DAG's id
// are, those of the DAGs folder come first.
struct CatalogRoot {
  std::string bundle;
  std::string version;                  // which commit
  Path folder;                          // empty: there is none yet
  std::vector<Diagnostic> diagnostics;  // what is wrong with the bundle itself
  bool operator==(const CatalogRoot&) const = default;
};
// "@bundle/path"; of the DAGs folder (empty bundle) the path alone.
std::string name_in_bundle(const std::string& bundle, const std::string& path);

class Catalog {
 public:
  // `folder` and `operators` must outlive it. Not thread-safe but for current().
  Catalog(Path folder, const OperatorCatalog& operators);
  ~Catalog();
  // Looks at the folder (**.yaml, **.yml, and the files that they include) and loads what changed. The same pointer as
  // before if nothing did. A folder that is missing is an empty catalog with one diagnostic.
  CatalogPtr refresh();
  // From the next look on. Any thread.
  void set_roots(std::vector<CatalogRoot> roots);
  CatalogPtr current() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One file's DAGs and diagnostics; used by the catalog and by `udon dags check`.
struct LoadedFile {
  std::vector<DagPtr> dags;
  std::vector<DagPtr> refused;
  std::vector<Diagnostic> diagnostics;
  std::vector<Path> included;  // files whose content is part of the version
  std::vector<int> dag_lines;  // where each of `dags` begins
  // That there is nothing in it, or a text: told, unless a DAG file includes it as a list or a calendar.
  std::vector<Diagnostic> unless_included;
};
LoadedFile load_dag_file(const Path& folder, const Path& relative, const OperatorCatalog& operators);
// What taking the new folder in place of the old one would lose to mistakes: the errors of the new one, if a DAG that
// the old one has right is broken in it; else none.
std::vector<Diagnostic> lost_by_change(const Path& old_folder, const Path& new_folder,
                                       const OperatorCatalog& operators);
// Unknown pools and connections of these DAGs, those that do not fit, or a warning that they could not be checked.
std::vector<Diagnostic> check_names(const CatalogSnapshot& catalog, const KnownNames& names,
                                    const OperatorCatalog& operators);

}  // namespace udon
