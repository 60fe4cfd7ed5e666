#include <algorithm>

#include "base/text.h"
#include "cli/command.h"
#include "cli/local_connections.h"
#include "cli/verbs.h"
#include "plugins/spec/builtin.h"
#include "worker/one_shot.h"

namespace udon::cli {
namespace {

constexpr const char* collection = "/api/udon/certificates";

bool is_uri(const std::string& text) { return text.find('/') != text.npos; }

Result<int> list(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const int64_t limit, parse_count("--limit", arguments.text_or("limit", "25")));
  std::string target = collection + query_of({{"dag_id", arguments.text_or("DAG", "")}});
  for (const std::string& task : arguments.all("task"))
    target += (target == collection ? "?" : "&") + ("task_id=" + percent_encode(task));
  TRY_ASSIGN(const Value certificates, api->get_all(target, "certificates", limit));
  session.output().list(certificates, "certificates",
                        {column("CERTIFICATE", "certificate_id"),
                         column("MADE", "made_at"),
                         column("DAG", "dag_id"),
                         column("RUN", "dag_run_id"),
                         {"TASK", shown_name},
                         column("LEVEL", "level"),
                         column("ROWS", "rows"),
                         column("FILES", "files"),
                         column("BYTES", "bytes"),
                         column("MANIFEST", "manifest")});
  return succeeded;
}

// By id, by its beginning, or by the manifest's uri: then the newest that was published there.
Result<Value> find(Api& api, const std::string& named) {
  std::string id = named;
  if (is_uri(named)) {
    TRY_ASSIGN(const Value found, api.get(collection + query_of({{"manifest", named}, {"limit", "1"}})));
    if (found.get("certificates").size() == 0)
      return Error{ErrorKind::not_found, "no certificate is known for " + named};
    id = found.get("certificates").as_list()[0].text("certificate_id");
  }
  return api.get(std::string(collection) + "/" + path_of({id}));
}

std::string shown_condition(const Value& certificate) {
  const Value& where = certificate.get("where");
  if (!where.is_map()) return "all rows";
  return where.text("sql") + (where.get("values").is_map() && where.get("values").size() > 0
                                  ? " " + to_json(where.get("values"))
                                  : std::string());
}

// "mode cursor, by id, from 10, to 20, lag 0": what of the source this run has read.
std::string shown_increment(const Value& certificate) {
  const Value& increment = certificate.get("increment");
  if (!increment.is_map()) return "all anew";
  std::vector<std::string> parts;
  for (const auto& [key, value] : increment.as_map()) {
    if (key == "not_seen" || (key == "where" && plain_text(value).empty())) continue;
    const bool is_open = value.is_null() && (key == "from" || key == "to");
    parts.push_back(key + " " + (is_open ? (key == "from" ? "the beginning" : "the end") : plain_text(value)));
  }
  return join(parts, ", ");
}

Result<int> show(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(Api* const api, session.api());
  TRY_ASSIGN(const Value found, find(*api, arguments.text("CERTIFICATE")));
  if (session.output().format() != Format::table) {
    session.output().object(found, {});
    return succeeded;
  }
  const auto of_certificate = [](const char* title, const char* member) {
    return Column{title, [member](const Value& row) { return plain_text(row.get("certificate").get(member)); }};
  };
  session.output().object(
      found, {column("certificate", "certificate_id"),
              column("dag", "dag_id"),
              column("run", "dag_run_id"),
              {"task", shown_name},
              column("made", "made_at"),
              column("level", "level"),
              column("source", "source"),
              {"where", [](const Value& row) { return shown_condition(row.get("certificate")); }},
              of_certificate("snapshot", "mechanism"),
              of_certificate("position", "position"),
              column("rows", "rows"),
              {"increment", [](const Value& row) { return shown_increment(row.get("certificate")); }},
              {"not seen", [](const Value& row) { return row.get("certificate").get("increment").text("not_seen"); }},
              column("manifest", "manifest")});
  const Value& certificate = found.get("certificate");
  const auto list_of = [&](const char* member) {
    return Value(Value::Map{{member, certificate.get(member)},
                            {"total_entries", static_cast<int64_t>(certificate.get(member).size())}});
  };
  const auto of_database = [](const char* title, const char* member) {
    return Column{title, [member](const Value& row) { return plain_text(row.get("database").get(member)); }};
  };
  session.output().raw("\n");
  std::vector<Column> columns{column("COLUMN", "name"), column("SOURCE TYPE", "source_type"),
                              column("TYPE", "type"),   column("VALUES", "count"),
                              column("NULLS", "nulls"), column("CHECKSUM", "sum")};
  if (certificate.text("level") == "source")
    for (const Column& more : {of_database("LEAST", "least"), of_database("GREATEST", "greatest"),
                               of_database("SUM", "sum"), of_database("BYTES", "bytes")})
      columns.push_back(more);
  session.output().list(list_of("columns"), "columns", columns);
  session.output().raw("\n");
  session.output().list(
      list_of("files"), "files",
      {column("FILE", "uri"), column("ROWS", "rows"), column("BYTES", "bytes"), column("SHA-256", "sha256")});
  if (certificate.get("policies").size() > 0) {
    session.output().raw("\n");
    session.output().list(list_of("policies"), "policies",
                          {column("POLICY", "policy"), column("COLUMN", "column"), column("VALUES", "values")});
  }
  return succeeded;
}

void tell(Output& output, const std::string& what, const Value& audit) {
  if (audit.flag("same")) output.raw(what + ": as certified\n");
  for (const Value& difference : audit.get("differences").as_list())
    output.raw(what + ": " + difference.as_string() + "\n");
  if (!audit.text("note").empty()) output.raw(what + ": " + audit.text("note") + "\n");
}

// The files are read by a child, and so is the source: no code that knows either is ever in this program.
Result<int> verify(const Arguments& arguments, Session& session) {
  const std::string& named = arguments.text("CERTIFICATE");
  Value parameters = Value::Map{{"on_difference", "report"}};
  std::string connection = arguments.text_or("connection", "");
  Result<Value> found = Error{ErrorKind::not_found, ""};
  if (const auto api = session.api()) found = find(**api, named);
  if (found) {
    parameters.set("certificate", found->get("certificate"));
    if (connection.empty()) connection = found->get("certificate").text("connection");
  } else if (is_uri(named)) {
    parameters.set("manifest", named);  // of another installation
  } else {
    TRY_ASSIGN(Api* const api, session.api());
    return find(*api, named).error();
  }
  if (!arguments.has("files-only") && !connection.empty()) parameters.set("connection", connection);
  for (const char* name : {"from-connection", "mask-key"}) {
    std::string parameter = name;
    std::replace(parameter.begin(), parameter.end(), '-', '_');
    if (arguments.has(name)) parameters.set(parameter, arguments.text(name));
  }
  if (arguments.has("source-may-differ")) parameters.set("source", "inform");

  const OperatorCatalog operators = builtin_operators();
  const OperatorSpec* spec = operators.find("certificate_verify");
  if (spec == nullptr) return Error{ErrorKind::unsupported, "this build has no operator certificate_verify"};
  TRY_ASSIGN(const auto connections, local_connections(session));
  TRY_ASSIGN(const OneShotOutcome outcome, run_once({.operator_name = "certificate_verify",
                                                     .parameters = std::move(parameters),
                                                     .home = session.home(),
                                                     .program = own_program(),
                                                     .folder = std::filesystem::current_path()},
                                                    *spec, connections, [](std::string_view) {}, {}));
  const Value& result = outcome.return_value;
  if (session.output().format() != Format::table) {
    session.output().object(result, {});
  } else {
    tell(session.output(), "files", result.get("files"));
    tell(session.output(), "source", result.get("source"));
    session.output().raw("certificate " + result.text("certificate") +
                         (result.flag("same") ? ": as certified\n" : ": NOT as certified\n"));
  }
  return result.flag("same") ? succeeded : failed;
}

}  // namespace

std::vector<Command> certificates_commands() {
  const Positional certificate{"CERTIFICATE", "its id, the beginning of it, or the uri of its manifest"};
  return {
      {"certificates",
       "list",
       "Lists the certificates of exports, the newest first",
       {{"DAG", "id of the DAG; else of all", Positional::Count::optional}},
       {{"task", "only of this task", "TASK", Flag::Count::any}, {"limit", "how many at most (25)", "N"}},
       list},
      {"certificates", "show", "Shows what a certificate says", {certificate}, {}, show},
      {"certificates",
       "verify",
       "Reads files and source again and says what differs: 0 nothing, 1 something",
       {certificate},
       {{"connection", "of the source; else the certificate's", "ID"},
        {"from-connection", "of the files in S3 (aws_default)", "ID"},
        {"mask-key", "whose password is the key of masks", "ID"},
        {"source-may-differ", "a source that moves on is told, but is no failure", ""},
        {"files-only", "the source is not looked at", ""}},
       verify},
  };
}

}  // namespace udon::cli
