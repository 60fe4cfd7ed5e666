#include "cli/dags_check.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "base/subprocess.h"
#include "base/text.h"
#include "cli/local_dags.h"
#include "connections/secrets/sources.h"
#include "dagfile/asset_cycles.h"
#include "dagfile/catalog.h"
#include "plugins/spec/builtin.h"

namespace udon::cli {
namespace {

std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> names;
  for (const std::string& name : split(text, ','))
    if (!trim(name).empty()) names.emplace_back(trim(name));
  return names;
}

void add_connection(const Value& connection, KnownNames& names) {
  const std::string id = connection.text("connection_id");
  names.connections->push_back(id);
  if (const std::string type = connection.text("conn_type"); !type.empty()) names.conn_types[id] = type;
}

// The pools and connections that a server or a store knows; what was stated is added. Nothing: nobody to ask.
Result<KnownNames> known_names(const Arguments& arguments, Session& session) {
  KnownNames names;
  const Result<Api*> api = session.api();
  if (api) {
    TRY_ASSIGN(const Value pools, (*api)->get_all("/api/v2/pools", "pools"));
    TRY_ASSIGN(const Value connections, (*api)->get_all("/api/v2/connections", "connections"));
    TRY_ASSIGN(const Value of_environment, (*api)->get_all("/api/udon/connections/environment", "connections"));
    names.pools.emplace();
    for (const Value& pool : pools.get("pools").as_list()) {
      names.pools->push_back(pool.text("name"));
      if (pool.get("slots").is_int()) names.slots[pool.text("name")] = pool.integer("slots");
    }
    names.connections.emplace();
    for (const Value& connection : connections.get("connections").as_list()) add_connection(connection, names);
    for (const Value& connection : of_environment.get("connections").as_list()) add_connection(connection, names);
  } else if (api.error().kind != ErrorKind::not_found) {
    return api.error();
  }
  if (arguments.has("pools")) {
    if (!names.pools) names.pools = {"default_pool"};
    for (std::string& name : names_of(arguments.text("pools"))) names.pools->push_back(std::move(name));
  }
  if (arguments.has("connections")) {
    if (!names.connections) names.connections.emplace();
    for (std::string& name : names_of(arguments.text("connections"))) names.connections->push_back(std::move(name));
  }
  return names;
}

// Those of the environment (of the server, if there is one; else ours) are named in any case of letters, so each that a
// DAG names and no list has is asked for. Gives those that are nowhere and have to be somewhere.
Result<std::vector<std::string>> add_environment_connections(const CatalogSnapshot& catalog, Session& session,
                                                             KnownNames& names) {
  std::vector<std::string> missing;
  if (!names.connections) return missing;
  std::set<std::string> asked, wanted;  // what is only a parameter's default need not be there
  const auto ask_for = [&](const Dag& dag) {
    for (const Task& task : dag.tasks)
      for (const std::string& id : task.connections) {
        asked.insert(id);
        if (std::ranges::find(task.default_connections, id) == task.default_connections.end()) wanted.insert(id);
      }
  };
  for (const auto& [id, dag] : catalog.dags) ask_for(*dag);
  for (const DagPtr& dag : catalog.refused) ask_for(*dag);
  for (const std::string& listed : *names.connections) asked.erase(listed);
  const Result<Api*> api = session.api();
  const EnvironmentSecrets environment(current_environment());
  for (const std::string& id : asked) {
    if (!api) {
      const auto found = environment.connection(id);
      if (!found || *found) names.connections->push_back(id);
      if (found && *found) names.conn_types[id] = (*found)->type;
      if (found && !*found) missing.push_back(id);
      continue;
    }
    const Result<Value> found = (*api)->get("/api/v2/connections/" + percent_encode(id));
    if (found) add_connection(*found, names);
    if (found) continue;
    if (found.error().kind != ErrorKind::not_found) return found.error();
    missing.push_back(id);
  }
  std::erase_if(missing, [&](const std::string& id) { return !wanted.contains(id); });
  return missing;
}

// Once for each, however many tasks name it.
void tell_how_to_add(const std::vector<std::string>& missing, Output& output) {
  const ConnectionSource nowhere({}, [](const std::string&) { return std::optional<Connection>(); });
  for (const std::string& id : missing) output.note(nowhere.find(id).error().message);
}

Result<CatalogSnapshot> load(const Path& path, const Path& dags_folder, const OperatorCatalog& operators) {
  std::error_code problem;
  const Path absolute = std::filesystem::absolute(path, problem).lexically_normal();
  if (!std::filesystem::exists(absolute, problem))
    return Error{ErrorKind::not_found, "there is no " + absolute.string()};
  if (std::filesystem::is_directory(absolute, problem)) {
    Catalog catalog(absolute, operators);
    return *catalog.refresh();
  }
  // A file of the DAGs folder is named as there; any other by itself.
  const Path relative = absolute.lexically_relative(dags_folder);
  const bool is_inside = !relative.empty() && *relative.begin() != "..";
  const LoadedFile file = load_dag_file(is_inside ? dags_folder : absolute.parent_path(),
                                        is_inside ? relative : absolute.filename(), operators);
  CatalogSnapshot catalog;
  catalog.files = 1;
  catalog.diagnostics = file.diagnostics;
  std::ranges::copy(file.unless_included, std::back_inserter(catalog.diagnostics));
  catalog.refused = file.refused;
  for (const DagPtr& dag : file.dags) catalog.dags.emplace(dag->dag_id, dag);
  return catalog;
}

// What there is of one DAG: its file, or what is wrong with it.
Result<CatalogSnapshot> load_dag(const Session& session, const std::string& dag_id, const OperatorCatalog& operators) {
  const CatalogPtr all = load_local_dags(session, operators);
  const auto refused = std::ranges::find(all->refused, dag_id, &Dag::dag_id);
  CatalogSnapshot one;
  one.files = 1;
  std::string file;
  if (const auto found = all->dags.find(dag_id); found != all->dags.end()) {
    one.dags.insert(*found);
    file = found->second->file;
  } else if (refused != all->refused.end()) {
    one.refused.push_back(*refused);
    file = (*refused)->file;
  } else {
    return find_local_dag(session, *all, dag_id).error();
  }
  std::ranges::copy_if(all->diagnostics, std::back_inserter(one.diagnostics), [&](const Diagnostic& diagnostic) {
    return diagnostic.dag_id.empty() ? diagnostic.file == file : diagnostic.dag_id == dag_id;
  });
  return one;
}

// A path; where there is no such file, the id of a DAG. Paths have a slash or an ending.
Result<CatalogSnapshot> load_named(const std::string& named, const Session& session, const Path& dags_folder,
                                   const OperatorCatalog& operators) {
  std::error_code problem;
  const bool is_path = named.find('/') != named.npos || named.ends_with(".yaml") || named.ends_with(".yml");
  if (is_path || std::filesystem::exists(named, problem)) return load(named, dags_folder, operators);
  return load_dag(session, named, operators);
}

Value show(const Diagnostic& diagnostic) {
  return Value::Map{{"severity", diagnostic.severity == Diagnostic::Severity::error ? "error" : "warning"},
                    {"file", diagnostic.file},
                    {"line", diagnostic.line},
                    {"column", diagnostic.column},
                    {"message", diagnostic.message},
                    {"dag_id", diagnostic.dag_id.empty() ? Value() : Value(diagnostic.dag_id)}};
}

}  // namespace

Result<int> check_dags(const Arguments& arguments, Session& session) {
  const Path dags_folder = session.settings().path("core", "dags_folder");
  TRY_ASSIGN(const OperatorCatalog operators, installed_operators(session.home()));
  TRY_ASSIGN(CatalogSnapshot catalog,
             load_named(arguments.text_or("PATH", dags_folder.string()), session, dags_folder, operators));
  TRY_ASSIGN(KnownNames names, known_names(arguments, session));
  TRY_ASSIGN(const std::vector<std::string> missing, add_environment_connections(catalog, session, names));
  for (Diagnostic& diagnostic : check_names(catalog, names, operators))
    catalog.diagnostics.push_back(std::move(diagnostic));
  for (Diagnostic& diagnostic : asset_cycles(catalog)) catalog.diagnostics.push_back(std::move(diagnostic));
  std::ranges::stable_sort(catalog.diagnostics, [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
  });
  int errors = 0, warnings = 0;
  Value::List rows;
  for (const Diagnostic& diagnostic : catalog.diagnostics) {
    (diagnostic.severity == Diagnostic::Severity::error ? errors : warnings) += 1;
    rows.push_back(show(diagnostic));
    if (session.output().format() == Format::table) session.output().raw(to_string(diagnostic) + "\n");
  }
  tell_how_to_add(missing, session.output());
  const auto total = static_cast<int64_t>(rows.size());
  const auto count = [](int64_t number, const std::string& word) {
    return std::to_string(number) + " " + word + (number == 1 ? "" : "s");
  };
  session.output().done(count(static_cast<int64_t>(catalog.dags.size()), "DAG") + " in " +
                            count(catalog.files, "file") + ": " + count(errors, "error") + ", " +
                            count(warnings, "warning"),
                        Value::Map{{"dags", static_cast<int64_t>(catalog.dags.size())},
                                   {"files", catalog.files},
                                   {"diagnostics", std::move(rows)},
                                   {"total_entries", total}});
  return errors > 0 ? failed : succeeded;
}

}  // namespace udon::cli
