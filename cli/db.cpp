#include "cli/command.h"
#include "cli/home.h"
#include "store/sqlite/sqlite_store.h"

namespace udon::cli {
namespace {

Result<int> check(const Arguments&, Session& session) {
  TRY_ASSIGN(const StoreCheck found, check_sqlite_store(store_file(session.home())));
  Value::List problems(found.problems.begin(), found.problems.end());
  for (const std::string& problem : found.problems)
    if (session.output().format() == Format::table) session.output().raw(problem + "\n");
  session.output().done(store_file(session.home()).string() + ": schema " + std::to_string(found.schema) + ", " +
                            (found.problems.empty() ? "sound" : std::to_string(found.problems.size()) + " problems"),
                        Value::Map{{"schema", found.schema}, {"problems", std::move(problems)}});
  return found.problems.empty() ? succeeded : failed;
}

Result<int> migrate(const Arguments&, Session& session) {
  TRY(make_directories(session.home(), 0700));
  const Result<FileLock> lock = FileLock::acquire(lock_file(session.home()));
  if (!lock)
    return Error{ErrorKind::conflict,
                 "a scheduler has " + session.home().string() + " (" + lock.error().message + "): stop it first"};
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

Result<int> backup(const Arguments& arguments, Session& session) {
  TRY(backup_sqlite_store(store_file(session.home()), arguments.text("FILE")));
  session.output().done("backed up to " + arguments.text("FILE") + "; secrets in it open only with the key of " +
                            secret_key_file(session.home()).string(),
                        Value::Map{{"file", arguments.text("FILE")}});
  return succeeded;
}

}  // namespace

std::vector<Command> db_commands() {
  return {{"db", "check", "Reads the whole store and says what is wrong with it", {}, {}, check},
          {"db", "migrate", "Brings the store's schema up to date, as a start of the scheduler does", {}, {}, migrate},
          {"db",
           "backup",
           "Writes a consistent copy of the store, running or not",
           {{"FILE", "where to; must not exist"}},
           {},
           backup}};
}

}  // namespace udon::cli
