#include "cli/versions.h"

#include <algorithm>

#include "base/diff.h"
#include "base/text.h"
#include "cli/verbs.h"

namespace udon::cli {
namespace {

std::string dag_path(const std::string& dag_id) { return "/api/v2/dags/" + path_of({dag_id}); }

Result<int> versions(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value found, api->get_all(dag_path(arguments.text("DAG")) + "/dagVersions", "dag_versions"));
  session.output().list(found, "dag_versions",
                        {column("VERSION", "version_number"), column("SINCE", "created_at"),
                         column("BUNDLE", "bundle_name"), column("COMMIT", "bundle_version")});
  return succeeded;
}

std::string coloured(const std::string& diff) {
  std::string text;
  for (const std::string& line : split(diff, '\n')) {
    const char* colour = line.starts_with("@@")                               ? "36"
                         : line.starts_with("---") || line.starts_with("+++") ? "1"
                         : line.starts_with("-")                              ? "31"
                         : line.starts_with("+")                              ? "32"
                                                                              : nullptr;
    text += colour == nullptr ? line : "\x1b[" + std::string(colour) + "m" + line + "\x1b[0m";
    text += "\n";
  }
  if (text.ends_with("\n\n")) text.pop_back();
  return text;
}

// What a version says: the file's text, or what the loader made of it.
Result<std::string> content_of(Api& api, const std::string& dag_id, int64_t version, bool is_normalized) {
  const std::string number = std::to_string(version);
  if (!is_normalized) {
    TRY_ASSIGN(const Value source,
               api.get("/api/v2/dagSources/" + path_of({dag_id}) + query_of({{"version_number", number}})));
    return source.text("content");
  }
  TRY_ASSIGN(const Value shown, api.get("/api/udon/dags/" + path_of({dag_id}) + "/versions/" + number));
  return to_yaml(shown.get("content"));
}

Result<int> diff(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  const std::string& dag_id = arguments.text("DAG");
  TRY_ASSIGN(const Value found, api->get_all(dag_path(dag_id) + "/dagVersions", "dag_versions"));
  const Value::List& all = found.get("dag_versions").as_list();
  if (all.empty()) return Error{ErrorKind::not_found, "DAG " + dag_id + " has no version yet"};
  int64_t newest = 0;
  for (const Value& one : all) newest = std::max(newest, one.integer("version_number"));
  int64_t from = newest - 1, to = newest;
  const std::vector<std::string> given = arguments.all("VERSION");
  if (given.size() > 2) return Error{ErrorKind::invalid, "two versions at most: the older one, then the newer one"};
  if (!given.empty()) {
    TRY_ASSIGN(from, parse_count("VERSION", given[0]));
  }
  if (given.size() > 1) {
    TRY_ASSIGN(to, parse_count("VERSION", given[1]));
  }
  if (from < 1 && given.empty()) {
    session.output().note(dag_id + " has had one version only");
    return succeeded;
  }
  bool is_normalized = arguments.has("normalized");
  const auto difference = [&]() -> Result<std::string> {
    TRY_ASSIGN(const std::string before, content_of(*api, dag_id, from, is_normalized));
    TRY_ASSIGN(const std::string after, content_of(*api, dag_id, to, is_normalized));
    return unified_diff(before, after, dag_id + " version " + std::to_string(from),
                        dag_id + " version " + std::to_string(to));
  };
  TRY_ASSIGN(std::string text, difference());
  if (text.empty() && !is_normalized && from != to) {
    session.output().note(
        "the file is the same; what it includes or its operators differ, so this is what it comes to");
    is_normalized = true;
    TRY_ASSIGN(text, difference());
  }
  if (session.output().format() != Format::table) {
    session.output().object(Value::Map{{"dag_id", dag_id}, {"from", from}, {"to", to}, {"diff", text}}, {});
    return succeeded;
  }
  if (text.empty()) session.output().note("no difference");
  session.output().raw(session.output().terminal().has_colour ? coloured(text) : text);
  return succeeded;
}

}  // namespace

std::vector<Command> versions_commands() {
  const Positional dag{"DAG", "id of the DAG"};
  return {
      {"dags", "versions", "Lists the versions of a DAG, and the commits that they came with", {dag}, {}, versions},
      {"dags",
       "diff",
       "Shows what changed between two versions of a DAG; else between the last two",
       {dag, {"VERSION", "the older one's number, then the newer one's; else the newest", Positional::Count::any}},
       {{"normalized", "what the file comes to, with all it includes, instead of its text", ""}},
       diff},
  };
}

}  // namespace udon::cli
