#include <unistd.h>

#include <algorithm>
#include <climits>
#include <iostream>

#include "base/text.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/verbs.h"
#include "store/sqlite/downgrade.h"
#include "store/sqlite/restore.h"
#include "store/sqlite/sqlite_store.h"

namespace udon::cli {
namespace {

Result<int> check(const Arguments&, Session& session) {
  if (!std::filesystem::exists(store_file(session.home())))
    return Error{ErrorKind::not_found, "nothing is stored in " + session.home().string() + " yet: there is no " +
                                           store_file(session.home()).string()};
  TRY_ASSIGN(const StoreCheck found, check_sqlite_store(store_file(session.home())));
  Value::List problems(found.problems.begin(), found.problems.end());
  for (const std::string& problem : found.problems)
    if (session.output().format() == Format::table) session.output().raw(problem + "\n");
  session.output().done(store_file(session.home()).string() + ": schema " + std::to_string(found.schema) + ", " +
                            (found.problems.empty() ? "sound" : std::to_string(found.problems.size()) + " problems"),
                        Value::Map{{"schema", found.schema}, {"problems", std::move(problems)}});
  return found.problems.empty() ? succeeded : failed;
}

// Nobody else works on the store.
Result<FileLock> lock_home(const Session& session) {
  TRY(make_directories(session.home(), 0700));
  Result<FileLock> lock = FileLock::acquire(lock_file(session.home()));
  if (!lock)
    return Error{ErrorKind::conflict,
                 "a scheduler has " + session.home().string() + " (" + lock.error().message + "): stop it first"};
  return lock;
}

// "would be deleted: …" needs a yes, of a person or by the flag.
Result<bool> is_meant(const Arguments& arguments, Session& session, const std::string& happens,
                      const std::string& would_happen) {
  if (arguments.has("yes")) return true;
  if (::isatty(STDIN_FILENO) != 1) return Error{ErrorKind::invalid, would_happen + "; say --yes to do it"};
  session.output().note(happens + ". Go on? [y/N]");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

Result<int> migrate(const Arguments&, Session& session) {
  TRY_ASSIGN(const FileLock lock, lock_home(session));
  TRY_ASSIGN(const MigrationReport report, migrate_sqlite_store(store_file(session.home())));
  const std::string sentence = report.from == report.to ? "schema " + std::to_string(report.to) + ": nothing to do"
                               : report.from == 0
                                   ? "made, with schema " + std::to_string(report.to)
                                   : "schema " + std::to_string(report.from) + " → " + std::to_string(report.to) +
                                         (report.backup ? "; as it was: " + report.backup->string() : "");
  session.output().done(store_file(session.home()).string() + ": " + sentence,
                        Value::Map{{"from", report.from},
                                   {"to", report.to},
                                   {"backup", report.backup ? Value(report.backup->string()) : Value()}});
  return succeeded;
}

std::string text_of(const std::vector<DowngradeReport::Lost>& lost) {
  std::string text;
  for (const auto& [what, count] : lost) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  return text.empty() ? "nothing" : text;
}

Result<int> downgrade(const Arguments& arguments, Session& session) {
  const Path file = store_file(session.home());
  std::optional<int> to;
  if (arguments.has("to")) {
    TRY_ASSIGN(const int64_t number, parse_count("--to", arguments.text("to")));
    to = static_cast<int>(std::clamp<int64_t>(number, -1, INT_MAX));
  }
  if (!std::filesystem::exists(file)) return Error{ErrorKind::not_found, file.string() + " is not there"};
  const bool is_dry = arguments.has("dry-run");
  std::optional<FileLock> lock;
  if (!is_dry) {
    TRY_ASSIGN(lock, lock_home(session));
  }
  TRY_ASSIGN(DowngradeReport report, plan_sqlite_downgrade(file, to));
  const std::string way = "schema " + std::to_string(report.from) + " → " + std::to_string(report.to);
  const auto answer = [&](const std::string& sentence) {
    Value::List lost;
    for (const auto& [what, count] : report.lost) lost.push_back(Value::Map{{"what", what}, {"count", count}});
    session.output().done(file.string() + ": " + sentence,
                          Value::Map{{"dry_run", is_dry},
                                     {"from", report.from},
                                     {"to", report.to},
                                     {"lost", std::move(lost)},
                                     {"backup", report.backup ? Value(report.backup->string()) : Value()}});
    return succeeded;
  };
  if (report.from == report.to) return answer("schema " + std::to_string(report.to) + ": nothing to do");
  if (is_dry) return answer(way + " would lose " + text_of(report.lost));
  TRY_ASSIGN(const bool goes_on,
             is_meant(arguments, session, file.string() + ": " + way + " loses " + text_of(report.lost),
                      file.string() + ": " + way + " would lose " + text_of(report.lost)));
  if (!goes_on) return Error{ErrorKind::cancelled, "nothing was changed"};
  TRY_ASSIGN(report, downgrade_sqlite_store(file, report.to));
  return answer(way + ", without " + text_of(report.lost) + "; as it was: " + report.backup->string());
}

Result<int> backup(const Arguments& arguments, Session& session) {
  TRY(backup_sqlite_store(store_file(session.home()), arguments.text("FILE")));
  session.output().done("backed up to " + arguments.text("FILE") + "; secrets in it open only with the key of " +
                            secret_key_file(session.home()).string(),
                        Value::Map{{"file", arguments.text("FILE")}});
  return succeeded;
}

Result<int> restore(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const FileLock lock, lock_home(session));
  const Path backup = arguments.text("FILE");
  if (!std::filesystem::exists(backup)) return Error{ErrorKind::not_found, backup.string() + " is not there"};
  TRY_ASSIGN(const RestoreReport report,
             restore_sqlite_store(backup, store_file(session.home()), session.clock().now()));
  std::string sentence = store_file(session.home()).string() + " is " + backup.string() + " now";
  if (report.from != report.to)
    sentence += ", brought from schema " + std::to_string(report.from) + " to " + std::to_string(report.to);
  if (report.kept) sentence += "; what was there: " + report.kept->string();
  session.output().done(sentence, Value::Map{{"from", report.from},
                                             {"to", report.to},
                                             {"kept", report.kept ? Value(report.kept->string()) : Value()}});
  return succeeded;
}

constexpr const char* runs_table = "dag_run";

// What is to be cleaned, runs first: what only they refer to goes with them.
Result<std::vector<std::string>> tables_of(const Arguments& arguments) {
  std::vector<std::string> known{runs_table};
  for (const RowTable table : all_row_tables()) known.emplace_back(to_string(table));
  if (!arguments.has("tables")) return known;
  std::vector<std::string> asked;
  for (const std::string& one : split(arguments.text("tables"), ',')) {
    const std::string name(trim(one));
    if (std::ranges::find(known, name) == known.end())
      return Error{ErrorKind::invalid, "--tables: there is no `" + name + "` to be cleaned alone" +
                                           did_you_mean(name, known) + "; there are " + join(known, ", ") +
                                           ". Task instances, tries, XComs, events and logs go with their dag_run"};
    asked.push_back(name);
  }
  std::erase_if(known, [&](const std::string& name) { return std::ranges::find(asked, name) == asked.end(); });
  return known;
}

struct Counted {
  int64_t runs = 0, instances = 0;
  std::vector<std::pair<std::string, int64_t>> rows;  // of the other tables

  bool is_nothing() const {
    return runs == 0 && std::ranges::all_of(rows, [](const auto& of_table) { return of_table.second == 0; });
  }
  std::string text() const {
    std::string text = std::to_string(runs) + (runs == 1 ? " run" : " runs") + " with " + std::to_string(instances) +
                       (instances == 1 ? " task instance" : " task instances");
    for (const auto& [table, count] : rows)
      if (count > 0) text += ", " + std::to_string(count) + " of " + table;
    return text;
  }
};

// Step by step, each a turn of the scheduler or a transaction.
Result<Counted> clean_all(Api& api, const std::vector<std::string>& tables, const Value& asked, bool dry_run) {
  Counted counted;
  for (const std::string& table : tables) {
    const bool is_runs = table == runs_table;
    Value body = asked;
    body.set("dry_run", dry_run);
    if (!is_runs) counted.rows.emplace_back(table, 0);
    while (true) {
      TRY_ASSIGN(const Value answer, api.post(is_runs ? "/api/udon/clean" : "/api/udon/clean/" + table, body));
      counted.runs += answer.integer("dag_runs");
      counted.instances += answer.integer("task_instances");
      if (!is_runs) counted.rows.back().second += answer.integer("rows");
      if (answer.flag("is_done")) break;
      body.set("after", answer.get("after"));
    }
  }
  return counted;
}

Result<int> clean(const Arguments& arguments, Session& session) {
  TRY_ASSIGN(const std::vector<std::string> tables, tables_of(arguments));
  const std::string before = arguments.text("clean-before-timestamp");
  if (const auto time = parse_time(before); time && *time > session.clock().now())
    return Error{ErrorKind::invalid, "--clean-before-timestamp: " + before + " is in the future"};
  Value body = Value::Map{{"before", before}};
  if (arguments.has("dag-ids")) {
    Value ids = Value::list();
    for (const std::string& id : split(arguments.text("dag-ids"), ',')) ids.push_back(std::string(trim(id)));
    body.set("dag_ids", std::move(ids));
  }
  TRY_ASSIGN(Api* const api, session.api(Access::write));
  TRY_ASSIGN(const Counted there, clean_all(*api, tables, body, true));
  // The runs that go are still there where it is counted.
  const std::string more = there.runs > 0 && tables.size() > 1 ? ", and what only these runs refer to" : "";
  const auto answer = [&](const std::string& what, const Counted& counted) {
    Value of_tables = Value::map();
    for (const auto& [table, count] : counted.rows) of_tables.set(table, count);
    session.output().done(what, Value::Map{{"dry_run", arguments.has("dry-run")},
                                           {"dag_runs", counted.runs},
                                           {"task_instances", counted.instances},
                                           {"rows", std::move(of_tables)}});
    return succeeded;
  };
  if (arguments.has("dry-run")) return answer("would delete " + there.text() + more, there);
  if (there.is_nothing()) return answer("deleted " + there.text(), there);
  TRY_ASSIGN(const bool goes_on,
             is_meant(arguments, session, "this deletes " + there.text() + more + ", and their logs",
                      there.text() + more + " would be deleted"));
  if (!goes_on) return Error{ErrorKind::cancelled, "nothing was deleted"};
  TRY_ASSIGN(const Counted deleted, clean_all(*api, tables, body, false));
  return answer("deleted " + deleted.text(), deleted);
}

}  // namespace

std::vector<Command> db_commands() {
  return {{"db", "check", "Reads the whole store and says what is wrong with it", {}, {}, check},
          {"db", "migrate", "Brings the store's schema up to date, as a start of the scheduler does", {}, {}, migrate},
          {"db",
           "downgrade",
           "Brings the store's schema down to what an older udon knows; says first what that loses",
           {},
           {{"to", "the schema; else one less than it is", "N"},
            {"dry-run", "only say what would be lost", ""},
            {"yes", "do not ask", ""}},
           downgrade},
          {"db",
           "backup",
           "Writes a consistent copy of the store, running or not",
           {{"FILE", "where to; must not exist"}},
           {},
           backup},
          {"db",
           "restore",
           "Puts a backup in the place of the store; what was there is kept beside it",
           {{"FILE", "what `udon db backup` has written"}},
           {},
           restore},
          {"db",
           "clean",
           "Deletes runs that ended long ago, with all that hangs on them, and old rows that nothing refers to; the "
           "last run "
           "of each DAG stays",
           {},
           {{"clean-before-timestamp", "runs that ended, and rows that were made, before that", "TIME",
             Flag::Count::required},
            {"dag-ids", "only of these DAGs, with commas between them", "DAGS"},
            {"tables", "of dag_run, asset_event, backfill, dag_version, notification, log; else all, with commas",
             "TABLES"},
            {"dry-run", "only count them", ""},
            {"yes", "do not ask", ""}},
           clean}};
}

}  // namespace udon::cli
