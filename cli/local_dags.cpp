#include "cli/local_dags.h"

#include "base/text.h"
#include "cli/home.h"
#include "dagfile/bundles/bundle.h"
#include "dagfile/bundles/checkouts.h"

namespace udon::cli {
namespace {

Result<CatalogRoot> root_of(const BundleSpec& spec, const Path& home) {
  const Checkouts checkouts(spec, bundle_folder(home, spec.name), {});
  CatalogRoot root{.bundle = spec.name, .version = {}, .folder = {}, .diagnostics = {}};
  TRY_ASSIGN(root.version, checkouts.look());
  std::error_code error;
  if (!root.version.empty() && std::filesystem::is_directory(checkouts.dags_of(root.version), error))
    root.folder = checkouts.dags_of(root.version);
  return root;
}

CatalogRoot mistake(const std::string& bundle, const std::string& file, const std::string& message) {
  return {.bundle = bundle,
          .version = {},
          .folder = {},
          .diagnostics = {{Diagnostic::Severity::error, file, 0, 0, message, ""}}};
}

}  // namespace

std::vector<CatalogRoot> bundle_roots(const Session& session) {
  const Path file = session.settings().path("core", "bundles_file");
  const auto specs = read_bundles(file);
  if (!specs) return {mistake(file.filename().string() + "!", file.string(), specs.error().message)};
  std::vector<CatalogRoot> roots;
  for (const BundleSpec& spec : *specs) {
    const auto root = root_of(spec, session.home());
    roots.push_back(root ? *root : mistake(spec.name, name_in_bundle(spec.name, ""), root.error().message));
  }
  return roots;
}

CatalogPtr load_local_dags(const Session& session, const OperatorCatalog& operators) {
  Catalog catalog(session.settings().path("core", "dags_folder"), operators);
  catalog.set_roots(bundle_roots(session));
  return catalog.refresh();
}

Result<DagPtr> find_local_dag(const Session& session, const CatalogSnapshot& catalog, const std::string& dag_id) {
  if (const auto found = catalog.dags.find(dag_id); found != catalog.dags.end()) return found->second;
  for (const DagPtr& refused : catalog.refused)
    if (refused->dag_id == dag_id)
      return Error{ErrorKind::invalid, "the file of `" + dag_id + "` has errors; see `udon dags check`"};
  std::vector<std::string> ids;
  for (const auto& [id, dag] : catalog.dags) ids.push_back(id);
  return Error{ErrorKind::not_found,
               "there is no DAG `" + dag_id + "` in " + session.settings().text("core", "dags_folder") +
                   " and the git repositories in use here" + did_you_mean(dag_id, ids) + "; see `udon dags check`"};
}

}  // namespace udon::cli
