#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

struct FileErrors {
  std::string file, text;
};

// Errors of one file as one entry, in Airflow's manner; the catalog holds them by file and line.
std::vector<FileErrors> collect(World& world) {
  std::vector<FileErrors> files;
  const CatalogPtr catalog = world.catalog ? world.catalog() : nullptr;
  if (!catalog) return files;
  for (const Diagnostic& diagnostic : catalog->diagnostics) {
    if (diagnostic.severity != Diagnostic::Severity::error) continue;
    if (files.empty() || files.back().file != diagnostic.file) files.push_back({diagnostic.file, ""});
    files.back().text += (files.back().text.empty() ? "" : "\n") + to_string(diagnostic);
  }
  return files;
}

Value show(World& world, const FileErrors& errors, size_t index) {
  return Value::Map{
      {"import_error_id", static_cast<int64_t>(index + 1)},
      {"timestamp", format_time(world.clock.now())},
      {"filename", errors.file},
      {"bundle_name", errors.file.starts_with('@') ? errors.file.substr(1, errors.file.find('/') - 1) : "dags-folder"},
      {"stack_trace", errors.text}};
}

}  // namespace

void add_import_errors(Router& router, World& world) {
  router.add("GET", "/api/v2/importErrors", at_least(Role::viewer), "DAG files with errors",
             [&world](const Call& call) -> Result<Response> {
               Problems problems;
               QueryFields query(call.request, problems);
               const PageRequest page = query.page();
               const auto pattern = query.text("filename_pattern"), name = query.text("filename");
               if (!problems.empty()) return problems.response();
               TRY(query.refuse({"filename_prefix_pattern", "bundle_name"}));
               const std::vector<FileErrors> files = collect(world);
               Value::List rows;
               int64_t total = 0;
               for (size_t i = 0; i < files.size(); ++i) {
                 if (pattern && files[i].file.find(*pattern) == std::string::npos) continue;
                 if (name && files[i].file != *name) continue;
                 if (total >= page.offset && total < page.offset + page.limit) rows.push_back(show(world, files[i], i));
                 ++total;
               }
               return json_response(200, show_list("import_errors", std::move(rows), total));
             });
  router.add("GET", "/api/v2/importErrors/{import_error_id}", at_least(Role::viewer), "The errors of a DAG file",
             [&world](const Call& call) -> Result<Response> {
               Problems problems;
               const auto id = path_integer(call, "import_error_id", problems);
               if (!id) return problems.response();
               const std::vector<FileErrors> files = collect(world);
               if (*id < 1 || static_cast<size_t>(*id) > files.size())
                 return Error{ErrorKind::not_found,
                              "The ImportError with import_error_id: `" + std::to_string(*id) + "` was not found"};
               const auto index = static_cast<size_t>(*id - 1);
               return json_response(200, show(world, files[index], index));
             });
  router.add("GET", "/api/v2/dagWarnings", at_least(Role::viewer), "Warnings about DAGs",
             [&world](const Call& call) -> Result<Response> {
               Problems problems;
               QueryFields query(call.request, problems);
               const PageRequest page = query.page();
               const auto dag_id = query.text("dag_id");
               if (!problems.empty()) return problems.response();
               Value::List rows;
               int64_t total = 0;
               if (const CatalogPtr catalog = world.catalog ? world.catalog() : nullptr)
                 for (const Diagnostic& diagnostic : catalog->diagnostics) {
                   if (diagnostic.severity != Diagnostic::Severity::warning || diagnostic.dag_id.empty()) continue;
                   if (dag_id && diagnostic.dag_id != *dag_id) continue;
                   if (total >= page.offset && total < page.offset + page.limit)
                     rows.push_back(Value::Map{{"dag_id", diagnostic.dag_id},
                                               {"warning_type", "runtime varying value"},
                                               {"message", to_string(diagnostic)},
                                               {"timestamp", format_time(world.clock.now())},
                                               {"dag_display_name", diagnostic.dag_id}});
                   ++total;
                 }
               return json_response(200, show_list("dag_warnings", std::move(rows), total));
             });
}

}  // namespace udon::web
