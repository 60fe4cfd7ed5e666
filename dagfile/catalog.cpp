#include "dagfile/catalog.h"

#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <mutex>
#include <set>

#include "base/file_stamp.h"
#include "base/limits.h"
#include "dagfile/loader/files.h"
#include "dagfile/loader/load.h"

namespace udon {
namespace {

bool is_dag_file_name(const Path& name) { return name.extension() == ".yaml" || name.extension() == ".yml"; }

bool has_error_of(const std::vector<Diagnostic>& diagnostics, const std::string& dag_id) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& diagnostic) {
    return diagnostic.severity == Diagnostic::Severity::error && diagnostic.dag_id == dag_id;
  });
}

// One file as it was last seen, and the DAGs of its last good content.
struct KnownFile {
  FileStamp stat;
  std::map<std::string, FileStamp> included;
  uint64_t content = 0;  // hash, with that of included files
  // It was read just after it changed: a second change within the same tick of the clock would look like none. The
  // next refresh reads it once more.
  bool is_fresh = true;
  std::vector<DagPtr> dags;
  std::map<std::string, int> lines;  // of dags, by id
  std::vector<DagPtr> refused;
  std::vector<Diagnostic> diagnostics;
  std::vector<Diagnostic> unless_included;
};

// The files of the folder, and what was wrong on the way to them.
struct Found {
  std::set<std::string> files;
  std::vector<std::string> unreadable;  // folders: what was known below them stays
  std::vector<Diagnostic> diagnostics;
};

class Walk {
 public:
  explicit Walk(const Path& folder) : folder_(folder) {}

  Found run() {
    std::error_code error;
    const bool is_there = std::filesystem::is_directory(folder_, error);
    if (!is_there) {
      found_.diagnostics.push_back(
          {Diagnostic::Severity::error, "", 0, 0, "the DAGs folder " + folder_.string() + " is not there", ""});
      return std::move(found_);
    }
    visit("", 0);
    return std::move(found_);
  }

 private:
  void visit(const Path& relative, int depth) {
    std::error_code error;
    std::filesystem::directory_iterator entries(folder_ / relative, error);
    if (error || depth > limits::value_depth_max) {
      found_.unreadable.push_back(relative.generic_string());
      warn(relative, error ? "cannot be read: " + error.message() : "lies too deep", Diagnostic::Severity::error);
      return;
    }
    for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
      const std::filesystem::directory_entry& entry = *entries;
      const Path name = entry.path().filename();
      if (name.string().starts_with('.')) continue;  // editors' files, .git
      std::error_code ignored;
      const Path path = relative / name;
      if (entry.is_symlink(ignored)) {
        link(path);
      } else if (entry.is_directory(ignored)) {
        visit(path, depth + 1);
      } else if (is_dag_file_name(name) && entry.is_regular_file(ignored)) {
        found_.files.insert(path.generic_string());
      }
    }
    if (error) {
      found_.unreadable.push_back(relative.generic_string());
      warn(relative, "cannot be read: " + error.message(), Diagnostic::Severity::error);
    }
  }

  // A link to a file inside is that file by another name (as mounted ConfigMaps have them); all others stay aside.
  void link(const Path& path) {
    std::error_code error;
    const bool is_folder = std::filesystem::is_directory(folder_ / path, error);
    if (!is_folder && !is_dag_file_name(path)) return;
    if (is_folder) return warn(path, "is a link to a folder, which is not followed", Diagnostic::Severity::warning);
    if (const Result<void> inside = check_inside(folder_, folder_ / path); !inside)
      return warn(path, "is a link: " + inside.error().message, Diagnostic::Severity::warning);
    if (std::filesystem::is_regular_file(folder_ / path, error)) found_.files.insert(path.generic_string());
  }

  void warn(const Path& path, std::string message, Diagnostic::Severity severity) {
    found_.diagnostics.push_back({severity, path.generic_string(), 0, 0, std::move(message), ""});
  }

  const Path& folder_;
  Found found_;
};

// The files of one folder as they were last seen.
class Folder {
 public:
  Folder(Path folder, std::string bundle, const OperatorCatalog& operators)
      : folder_(std::move(folder)), bundle_(std::move(bundle)), operators_(operators) {}

  const std::string& bundle() const { return bundle_; }
  void move_to(Path folder, std::string version) {
    folder_ = std::move(folder);
    version_ = std::move(version);
  }

  // Other operators may make other DAGs of the same text.
  void forget() {
    for (auto& [name, known] : files_) {
      known.is_fresh = true;
      known.content = 0;
    }
  }

  void refresh() {
    if (folder_.empty()) {
      files_.clear();
      found_ = {};
      return;
    }
    found_ = Walk(folder_).run();
    std::erase_if(files_, [&](const auto& known) {
      if (found_.files.contains(known.first)) return false;
      return std::none_of(found_.unreadable.begin(), found_.unreadable.end(), [&](const std::string& folder) {
        return folder.empty() || known.first.starts_with(folder + "/");
      });
    });
    for (const std::string& name : found_.files) look_at(name, files_[name]);
  }

  void add_to(CatalogSnapshot& made) const {
    for (const Diagnostic& diagnostic : found_.diagnostics) made.diagnostics.push_back(told(diagnostic));
    made.files += static_cast<int>(files_.size());
    for (const auto& [name, known] : files_) {
      made.diagnostics.insert(made.diagnostics.end(), known.diagnostics.begin(), known.diagnostics.end());
      if (!known.unless_included.empty() && !is_included(name))
        made.diagnostics.insert(made.diagnostics.end(), known.unless_included.begin(), known.unless_included.end());
      made.refused.insert(made.refused.end(), known.refused.begin(), known.refused.end());
      for (const DagPtr& dag : known.dags) {
        const auto [other, is_new] = made.dags.emplace(dag->dag_id, dag);
        if (is_new) continue;
        const auto line = known.lines.find(dag->dag_id);
        made.diagnostics.push_back(
            {Diagnostic::Severity::error, name_in_bundle(bundle_, name), line != known.lines.end() ? line->second : 0,
             1, "the DAG id `" + dag->dag_id + "` is taken by " + other->second->file, dag->dag_id});
      }
    }
  }

 private:
  Diagnostic told(Diagnostic diagnostic) const {
    diagnostic.file = name_in_bundle(bundle_, diagnostic.file);
    return diagnostic;
  }
  DagPtr told(const DagPtr& dag) const {
    if (bundle_.empty()) return dag;
    Dag named = *dag;
    named.file = name_in_bundle(bundle_, named.file);
    named.bundle = bundle_;
    named.bundle_version = version_;
    return std::make_shared<const Dag>(std::move(named));
  }

  bool is_included(const std::string& name) const {
    return std::ranges::any_of(files_, [&](const auto& known) { return known.second.included.contains(name); });
  }

  bool is_unchanged(const std::string& name, const KnownFile& known) const {
    if (known.is_fresh || stamp_of(folder_ / name) != known.stat) return false;
    return std::all_of(known.included.begin(), known.included.end(),
                       [&](const auto& included) { return stamp_of(folder_ / included.first) == included.second; });
  }

  static uint64_t hash_of(std::string_view text, uint64_t seed) {
    return XXH3_64bits_withSeed(text.data(), text.size(), seed);
  }

  // The hash of the file and of what it included last time.
  uint64_t content_of(std::string_view text, const KnownFile& known) const {
    uint64_t hash = hash_of(text, 0);
    for (const auto& [name, stat] : known.included) {
      const Result<std::string> content = read_file(folder_ / name, limits::dag_file_bytes_max);
      hash = hash_of(content ? *content : "?", hash);
    }
    return hash;
  }

  void look_at(const std::string& name, KnownFile& known) {
    if (is_unchanged(name, known)) return;
    // Looked at before it is read: a change in between shows at the next refresh.
    const FileStamp before = stamp_of(folder_ / name);
    const bool is_seen_twice = before == known.stat;
    const Result<std::string> text = read_file(folder_ / name, limits::dag_file_bytes_max);
    if (!text) {
      known.diagnostics = {told({Diagnostic::Severity::error, name, 0, 0, text.error().message, ""})};
      known.unless_included.clear();
      known.refused.clear();
      known.content = 0;
      known.is_fresh = true;  // tried again each time
      return;
    }
    bool included_seen_twice = true;
    for (auto& [included, stat] : known.included) {
      const FileStamp now = stamp_of(folder_ / included);
      included_seen_twice = included_seen_twice && now == stat;
      stat = now;
    }
    known.stat = before;
    known.is_fresh = !is_seen_twice || !included_seen_twice;
    if (known.content != 0 && content_of(*text, known) == known.content) return;
    load(name, *text, known);
  }

  void load(const std::string& name, const std::string& text, KnownFile& known) {
    LoadedFile loaded = load_dag_text(folder_, name, text, operators_);
    known.included.clear();
    for (const Path& included : loaded.included)
      known.included.emplace(included.generic_string(), stamp_of(folder_ / included));
    known.content = content_of(text, known);
    known.diagnostics.clear();
    for (const Diagnostic& diagnostic : loaded.diagnostics) known.diagnostics.push_back(told(diagnostic));
    known.unless_included.clear();
    for (const Diagnostic& diagnostic : loaded.unless_included) known.unless_included.push_back(told(diagnostic));
    for (DagPtr& dag : loaded.dags) dag = told(dag);
    for (DagPtr& dag : loaded.refused) dag = told(dag);
    known.refused = std::move(loaded.refused);
    for (size_t i = 0; i < loaded.dags.size(); ++i) known.lines[loaded.dags[i]->dag_id] = loaded.dag_lines[i];
    keep_last_good(loaded.dags, known);
  }

  // DAGs that the file no longer has are gone; those that are broken now stay as they were.
  static void keep_last_good(std::vector<DagPtr>& dags, KnownFile& known) {
    const bool is_all_broken = has_error_of(known.diagnostics, "") || has_error_of(known.unless_included, "");
    for (const DagPtr& old : known.dags) {
      const auto same =
          std::find_if(dags.begin(), dags.end(), [&](const DagPtr& dag) { return dag->dag_id == old->dag_id; });
      if (same == dags.end()) {
        if (is_all_broken || has_error_of(known.diagnostics, old->dag_id)) dags.push_back(old);
      } else if (**same == *old) {
        *same = old;
      }
    }
    known.dags = std::move(dags);
  }

  Path folder_;
  const std::string bundle_;
  std::string version_;
  const OperatorCatalog& operators_;
  std::map<std::string, KnownFile> files_;
  Found found_;
};

}  // namespace

std::vector<Path> dag_files(const Path& folder) {
  const Found found = Walk(folder).run();
  return {found.files.begin(), found.files.end()};
}

struct Catalog::State {
  State(Path folder, const OperatorCatalog& operators_given) : operators(operators_given) {
    folders.push_back(std::make_unique<Folder>(std::move(folder), "", operators));
  }

  void forget_if_operators_changed() {
    const uint64_t now = operators.generation();
    if (now == operators_seen) return;
    operators_seen = now;
    for (const auto& folder : folders) folder->forget();
  }

  // Bundles come and go with the settings, and move with their commits.
  void take_roots() {
    const std::lock_guard lock(mutex);
    std::erase_if(folders, [&](const auto& folder) {
      return !folder->bundle().empty() &&
             std::ranges::find(roots, folder->bundle(), &CatalogRoot::bundle) == roots.end();
    });
    for (const CatalogRoot& root : roots) {
      auto known = std::ranges::find_if(folders, [&](const auto& folder) { return folder->bundle() == root.bundle; });
      if (known == folders.end()) {
        folders.push_back(std::make_unique<Folder>(Path(), root.bundle, operators));
        known = std::prev(folders.end());
      }
      (*known)->move_to(root.folder, root.version);
    }
    diagnostics.clear();
    for (const CatalogRoot& root : roots)
      diagnostics.insert(diagnostics.end(), root.diagnostics.begin(), root.diagnostics.end());
  }

  CatalogPtr snapshot_now() const {
    auto made = std::make_shared<CatalogSnapshot>();
    made->diagnostics = diagnostics;
    for (const auto& folder : folders) folder->add_to(*made);
    std::stable_sort(made->diagnostics.begin(), made->diagnostics.end(), [](const Diagnostic& a, const Diagnostic& b) {
      return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
    });
    return made;
  }

  void publish(CatalogPtr made) {
    const std::lock_guard lock(mutex);
    if (made->dags == snapshot->dags && made->refused == snapshot->refused &&
        made->diagnostics == snapshot->diagnostics && made->files == snapshot->files && snapshot->generation > 0)
      return;
    auto next = std::make_shared<CatalogSnapshot>(*made);
    next->generation = snapshot->generation + 1;
    snapshot = std::move(next);
  }

  const OperatorCatalog& operators;
  uint64_t operators_seen = operators.generation();
  std::vector<std::unique_ptr<Folder>> folders;  // the DAGs folder first
  std::vector<Diagnostic> diagnostics;           // of the roots
  mutable std::mutex mutex;                      // of what follows
  std::vector<CatalogRoot> roots;
  CatalogPtr snapshot = std::make_shared<const CatalogSnapshot>();
};

std::string name_in_bundle(const std::string& bundle, const std::string& path) {
  if (bundle.empty()) return path;
  return path.empty() ? "@" + bundle : "@" + bundle + "/" + path;
}

Catalog::Catalog(Path folder, const OperatorCatalog& operators)
    : state_(std::make_unique<State>(std::move(folder), operators)) {}
Catalog::~Catalog() = default;

CatalogPtr Catalog::current() const {
  const std::lock_guard lock(state_->mutex);
  return state_->snapshot;
}

void Catalog::set_roots(std::vector<CatalogRoot> roots) {
  const std::lock_guard lock(state_->mutex);
  state_->roots = std::move(roots);
}

CatalogPtr Catalog::refresh() {
  state_->take_roots();
  state_->forget_if_operators_changed();
  for (const auto& folder : state_->folders) folder->refresh();
  state_->publish(state_->snapshot_now());
  return current();
}

std::vector<Diagnostic> lost_by_change(const Path& old_folder, const Path& new_folder,
                                       const OperatorCatalog& operators) {
  const CatalogPtr before = Catalog(old_folder, operators).refresh();
  const CatalogPtr after = Catalog(new_folder, operators).refresh();
  std::vector<Diagnostic> errors;
  std::ranges::copy_if(after->diagnostics, std::back_inserter(errors),
                       [](const Diagnostic& diagnostic) { return diagnostic.severity == Diagnostic::Severity::error; });
  // A DAG that is gone, and not by a mistake, is meant to be.
  const bool is_broken = std::ranges::any_of(before->dags, [&](const auto& dag) {
    if (after->dags.contains(dag.first)) return false;
    return std::ranges::any_of(errors, [&](const Diagnostic& error) {
      return error.dag_id.empty() ? error.file == dag.second->file || error.file.empty() : error.dag_id == dag.first;
    });
  });
  return is_broken ? errors : std::vector<Diagnostic>();
}

}  // namespace udon
