// The program `udon`. Read this first: every verb is a Command (command.h), those of a noun stand in its file, and ask
// through the API (api.h), whoever answers it. `standalone` makes the real world (standalone.h) and serves that API.
#include <csignal>
#include <cstdlib>
#include <iostream>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/subprocess.h"
#include "cli/command_line.h"
#include "cli/home.h"
#include "cli/standalone.h"
#include "cli/verbs.h"
#include "cli/versions.h"
#include "worker/prober.h"

namespace udon::cli {
namespace {

LogLevel log_level_of(const std::string& text) {
  return text == "debug"     ? LogLevel::debug
         : text == "warning" ? LogLevel::warning
         : text == "error"   ? LogLevel::error
                             : LogLevel::info;
}

Result<int> run_standalone(const Arguments&, Session& session) {
  // Blocked before any thread is made, so that all have it so: the signals come to the sigwait below and nowhere else.
  // Children get their defaults back (base/subprocess.h).
  sigset_t stopping;
  sigemptyset(&stopping);
  sigaddset(&stopping, SIGINT);
  sigaddset(&stopping, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &stopping, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  set_log_level(log_level_of(session.settings().text("core", "log_level")));

  TRY_ASSIGN(const std::unique_ptr<Standalone> standalone,
             Standalone::make(session.home(), session.settings(), session.clock()));
  TRY(standalone->start([] { ::kill(::getpid(), SIGTERM); }));
  std::cout << "udon " << web::udon_version << ": home " << session.home().string() << ", DAG files in "
            << session.settings().text("core", "dags_folder") << "\nlistening on " << standalone->address() << " and "
            << socket_file(session.home()).string() << std::endl;
  if (standalone->first_password())
    std::cout << "first start: user admin, password " << *standalone->first_password() << " (kept in "
              << admin_password_file(session.home()).string() << ")" << std::endl;

  int signal = 0;
  ::sigwait(&stopping, &signal);
  // A second signal ends us at once; what runs is adopted by the next start either way.
  ::pthread_sigmask(SIG_UNBLOCK, &stopping, nullptr);
  if (const auto failure = standalone->failure()) return *failure;
  log_info("udon", "stopping; task instances that run go on, and are taken over by the next start");
  standalone->stop();
  return succeeded;
}

Result<int> run_prober(const Arguments& arguments, Session& session) {
  const ProberOptions options{.home = arguments.text_or("home", session.home().string()),
                              .plugins = own_program().parent_path() / "plugins",
                              .program = own_program()};
  return arguments.has("once") ? poke_once_main(options, session.clock()) : prober_main(options, session.clock());
}

// For scripts and supervisors: 0 while a scheduler answers and has loaded its DAGs.
Result<int> check_health(const Arguments& arguments, Session& session) {
  Duration at_most{0};
  if (arguments.has("wait")) {
    const Result<Duration> given = parse_duration(arguments.text("wait"));
    if (!given) return given.error().within("--wait");
    at_most = *given;
  }
  const Duration start = session.clock().monotonic();
  while (true) {
    std::string why;
    const Result<Api*> api = session.api();
    if (!api) {
      why = api.error().message;
    } else if (!(*api)->is_live()) {
      why = "no scheduler runs for " + session.home().string();
      session.forget_api();
    } else {
      const Result<Value> health = (*api)->get("/api/v2/monitor/health");
      const bool is_healthy = health && health->get("scheduler").text("status") == "healthy" &&
                              health->get("metadatabase").text("status") == "healthy";
      if (is_healthy) {
        session.output().done("healthy", *health);
        return succeeded;
      }
      const std::string problem = health ? health->get("metadatabase").text("problem") : "";
      why = !health           ? health.error().message
            : problem.empty() ? "not healthy yet: " + to_json(*health)
                              : "not healthy: " + problem;
      session.forget_api();
    }
    if (session.clock().monotonic() - start >= at_most) return Error{ErrorKind::unavailable, why};
    pause_for(std::chrono::milliseconds(50));
  }
}

std::vector<Command> all_commands() {
  std::vector<Command> commands{{"standalone",
                                 "",
                                 "Runs scheduler and web server in one process, until it is told to stop",
                                 {},
                                 {},
                                 run_standalone},
                                {"health",
                                 "",
                                 "0 if a scheduler answers and has loaded its DAGs",
                                 {},
                                 {{"wait", "how long to wait for it, such as 60s", "DURATION"}},
                                 check_health}};
  for (const auto& part :
       {dags_commands(), runs_commands(), versions_commands(), backfill_commands(), bundles_commands(),
        tasks_commands(), approvals_commands(), fleet_commands(), operators_commands(), plugins_commands(),
        certificates_commands(), connections_commands(), variables_commands(), pools_commands(),
        notifications_commands(), assets_commands(), users_commands(), db_commands(), config_commands()})
    commands.insert(commands.end(), part.begin(), part.end());
  commands.push_back(
      {"version", "", "Prints the version", {}, {}, [](const Arguments&, Session& session) -> Result<int> {
         session.output().done(std::string("udon ") + web::udon_version, Value::Map{{"version", web::udon_version}});
         return succeeded;
       }});
  commands.push_back({"prober",
                      "",
                      "Carries out the pokes of sensors; a child of the server",
                      {},
                      {{"home", "the server's", "DIR"}, {"once", "one poke, then end", ""}},
                      run_prober,
                      true});
  return commands;
}

Terminal find_terminal() {
  Terminal terminal;
  terminal.is_terminal = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (terminal.is_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    terminal.width = size.ws_col;
  // https://no-color.org
  const char* no_colour = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  terminal.has_colour =
      terminal.is_terminal && !(no_colour && *no_colour) && !(kind && std::string_view(kind) == "dumb");
  return terminal;
}

int run(std::vector<std::string> arguments) {
  // As every program has it.
  if (!arguments.empty() && arguments[0] == "--version") arguments[0] = "version";
  const std::vector<Command> commands = all_commands();
  const auto parsed_or_code = parse_command_line(arguments, commands, std::cout, std::cerr);
  if (const int* code = std::get_if<int>(&parsed_or_code)) return *code;
  const auto& parsed = std::get<Parsed>(parsed_or_code);
  Output output(std::cout, std::cerr, parsed.format, find_terminal());
  const SystemClock clock;
  const std::vector<std::string> environment = current_environment();
  const Result<Path> home = find_home(environment);
  if (!home) {
    output.error(home.error().message);
    return failed;
  }
  const Result<Settings> settings = Settings::load(*home, environment);
  if (!settings) {
    output.error(settings.error().message);
    return failed;
  }
  Session session(output, *home, *settings, clock);
  const Result<int> code = parsed.command->run(parsed.arguments, session);
  if (code) return *code;
  output.error(code.error().message);
  return failed;
}

}  // namespace
}  // namespace udon::cli

int main(int count, char** values) {
  try {
    return udon::cli::run({values + 1, values + count});
  } catch (const std::exception& e) {
    std::cerr << "udon: " << e.what() << '\n';
    return 1;
  }
}
