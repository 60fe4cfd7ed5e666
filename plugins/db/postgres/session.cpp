#include "plugins/db/postgres/session.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "connections/secrets/rds_token.h"
#include "plugins/db/postgres/impl.h"
#include "plugins/db/row_error.h"
#include "plugins/db/tls_options.h"

namespace udon {
namespace {

constexpr const char* system_authorities = "/etc/ssl/certs/ca-certificates.crt";

struct Parameters {
  std::vector<std::string> keys, values;
  void add(std::string key, std::string value) {
    if (value.empty()) return;
    keys.push_back(std::move(key));
    values.push_back(std::move(value));
  }
};

Result<std::string> libpq_ssl_mode(const Connection& connection, bool is_local) {
  const std::vector<std::string> files{"ssl_ca", "sslrootcert", "ssl_cert", "sslcert", "ssl_key", "sslkey"};
  std::vector<std::string> known = files;
  known.insert(known.begin(), {"ssl_mode", "sslmode"});
  TRY(check_tls_options(connection, known));
  if (const std::string own = connection.option("sslmode"); !own.empty()) return own;
  const std::string mode = lower_ascii(connection.option("ssl_mode", default_ssl_mode(connection, is_local, files)));
  if (mode == "disabled") return std::string("disable");
  if (mode == "required") return std::string("require");
  if (mode == "verify_identity") return std::string("verify-full");
  static const std::vector<std::string> modes{"disabled", "required", "verify_identity"};
  return Error{ErrorKind::invalid, "connection " + connection.id + ": ssl_mode=" + mode + " is not one of " +
                                       join(modes, ", ") + did_you_mean(mode, modes)};
}

std::string first_of(const Connection& connection, const char* ours, const char* libpqs) {
  return connection.option(ours, connection.option(libpqs));
}

Result<std::chrono::seconds> connect_limit(const Connection& connection, std::chrono::seconds otherwise) {
  const std::string text = connection.option("connect_timeout");
  if (text.empty()) return otherwise;
  int seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure == std::errc() && end == text.data() + text.size() && seconds > 0) return std::chrono::seconds(seconds);
  return Error{ErrorKind::invalid,
               "connection " + connection.id + ": connect_timeout=" + text + " is not a number of seconds"};
}

// What PQconnectdbParams does, but a stop ends the wait, and the limit is of all together: libpq's own is of each
// address, and nobody can interrupt it.
enum class Connecting { done, timed_out, stopped };
Connecting finish_connecting(PGconn* pq, std::chrono::seconds limit, const std::stop_token& stop) {
  using Steady = std::chrono::steady_clock;
  const FileDescriptor woken(::eventfd(0, EFD_CLOEXEC));
  const std::stop_callback wake(stop, [&] {
    const uint64_t one = 1;
    static_cast<void>(!::write(woken.get(), &one, sizeof one));
  });
  const Steady::time_point end = Steady::now() + limit;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED && PQstatus(pq) != CONNECTION_BAD) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Steady::now()).count();
    if (left <= 0) return Connecting::timed_out;
    pollfd watched[] = {{PQsocket(pq), static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0},
                        {woken.get(), POLLIN, 0}};
    if (::poll(watched, 2, static_cast<int>(left)) < 0 && errno != EINTR) return Connecting::timed_out;
    if (stop.stop_requested()) return Connecting::stopped;
    if (watched[0].revents != 0) state = PQconnectPoll(pq);
  }
  return Connecting::done;
}

// libpq's messages have several lines and end with one.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : trim(text)) out += c == '\n' ? ' ' : c;
  return out;
}

// What the reader can do about it, where the server's message alone does not say.
std::string advice(std::string_view sqlstate, std::string_view message, const std::string& login) {
  if ((sqlstate == "40001" || sqlstate == "40P01") && message.find("recovery") != std::string_view::npos)
    return "; the replica had to choose between replaying and this query: set hot_standby_feedback = on there (the "
           "primary then keeps old rows for as long), or raise max_standby_streaming_delay (the replica then lags for "
           "as long), or read for a shorter time: `split`, a `window`, a `where`";
  if (sqlstate == "42501" && message.find("row-level security") != std::string_view::npos)
    return "; rows would be missing and nobody would see it: ALTER ROLE " + login +
           " BYPASSRLS, or the connection's option row_security=on, if what its policies show is all that is wanted";
  if (sqlstate == "42501") return "; ask for the right on it that this takes (to read it, GRANT SELECT)";
  if (sqlstate == "42P01")
    return "; check its name, and that its schema is in the user's search_path or named before it (schema.table)";
  if (sqlstate.starts_with("57P") || sqlstate.empty())
    return "; another try can succeed once the server is up and the way to it is open";
  if (sqlstate == "53300")
    return "; the server takes no more sessions: fewer at once (a pool), or raise max_connections";
  return {};
}

// May the server's words quote values of rows? A position says that they are about the statement's text, which is the
// user's own; the classes named here are about the server itself. All else was said while rows were computed: also
// "there is no relation …" (a text cast to regclass) and whatever a function raises.
bool may_quote_rows(const PGresult* result, std::string_view sqlstate) {
  if (PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION) != nullptr || sqlstate == "42501") return false;
  for (const char* own : {"08", "25", "28", "40", "53", "54", "55", "57", "58030", "XX"})
    if (sqlstate.starts_with(own)) return false;
  return true;
}

// Names of columns, types and constraints, which the server gives apart from its words.
std::string named_objects(const PGresult* result, std::string_view sqlstate) {
  if (!sqlstate.starts_with("22") && !sqlstate.starts_with("23")) return {};  // RAISE sets them to anything
  std::string names;
  constexpr std::pair<int, const char*> fields[] = {{PG_DIAG_TABLE_NAME, "table"},
                                                    {PG_DIAG_COLUMN_NAME, "column"},
                                                    {PG_DIAG_DATATYPE_NAME, "type"},
                                                    {PG_DIAG_CONSTRAINT_NAME, "constraint"}};
  for (const auto& [field, what] : fields)
    if (const char* name = PQresultErrorField(result, field))
      names += std::string(", ") + what + " `" + one_line(name) + "`";
  return names;
}

}  // namespace

ErrorKind kind_of_sqlstate(std::string_view state) {
  if (state.empty()) return ErrorKind::unavailable;  // said by libpq itself: no server behind it
  const std::string_view kind = state.substr(0, 2);
  if (kind == "28" || state == "42501") return ErrorKind::denied;
  if (state == "42P01" || state == "3D000" || state == "3F000" || state == "42703") return ErrorKind::not_found;
  if (state == "57014") return ErrorKind::timeout;  // statement_timeout, or an administrator's cancel
  if (state == "55P03") return ErrorKind::unavailable;
  if (kind == "08" || kind == "53" || kind == "57" || kind == "58" || kind == "40") return ErrorKind::unavailable;
  if (kind == "22") return ErrorKind::data;
  if (kind == "0A") return ErrorKind::unsupported;
  return ErrorKind::invalid;
}

void PostgresSession::Impl::end_query() {
  // From 14 on the server looks every two seconds whether we have hung up (set by connect). Not here for ever: PQcancel
  // waits for its own connection's end without limit, and we may be here because nothing comes through.
  if (!cancel || server_version >= 140000) return;
  char ignored[256];
  PQcancel(cancel.get(), ignored, sizeof ignored);
}

Error PostgresSession::Impl::error(std::string_view doing, const PGresult* result) {
  if (stop.stop_requested()) {
    end_query();
    return Error{ErrorKind::cancelled, std::string(doing) + " at " + address + ": stopped"};
  }
  const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  const bool is_about_rows = state && may_quote_rows(result, state);
  if (is_about_rows && row_errors == RowErrors::hidden)
    return Error{ErrorKind::data, std::string(doing) + " at " + address + ": " + say_without_values(state) + " [" +
                                      state + named_objects(result, state) + "]"};
  std::string message;
  if (state) {
    message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL))
      message += " (" + one_line(detail) + ")";
  } else {
    message = one_line(PQerrorMessage(pq.get()));
  }
  const std::string_view sqlstate = state ? state : "";
  const ErrorKind kind = kind_of_sqlstate(sqlstate);
  return Error{is_about_rows && kind == ErrorKind::invalid ? ErrorKind::data : kind,
               std::string(doing) + " at " + address + ": " + one_line(message) +
                   (state ? " [" + std::string(sqlstate) + "]" : "") + advice(sqlstate, message, login)};
}

const std::optional<std::string>& PostgresTable::at(size_t row, std::string_view column) const {
  static const std::optional<std::string> nothing;
  for (size_t i = 0; i < columns.size(); ++i)
    if (columns[i] == column) return row < rows.size() ? rows[row][i] : nothing;
  return nothing;
}

PostgresSession::PostgresSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PostgresSession::~PostgresSession() = default;

Result<std::unique_ptr<PostgresSession>> PostgresSession::connect(const Connection& connection,
                                                                  const PostgresOptions& options,
                                                                  std::stop_token stop) {
  const std::string host = connection.host.empty() ? "127.0.0.1" : connection.host;
  const std::string port = std::to_string(connection.port == 0 ? 5432 : connection.port);
  TRY_ASSIGN(const bool is_token, asks_for_aws_iam(connection));
  TRY_ASSIGN(const std::string ssl_mode, libpq_ssl_mode(connection, is_this_machine(host) && !is_token));
  TRY_ASSIGN(const std::chrono::seconds limit, connect_limit(connection, options.connect_timeout));
  const std::string row_security = lower_ascii(connection.option("row_security", "off"));
  if (row_security != "off" && row_security != "on")
    return Error{ErrorKind::invalid,
                 "connection " + connection.id + ": row_security=" + row_security + " is neither on nor off"};
  TRY_ASSIGN(const LoginPassword login, login_password(connection, 5432, ssl_mode == "verify-full", stop));

  Parameters parameters;
  parameters.add("host", host);
  parameters.add("port", port);
  parameters.add("user", connection.login);
  parameters.add("password", login.password);
  parameters.add("dbname", connection.schema);
  parameters.add("application_name", options.program);
  parameters.add("client_encoding", "UTF8");
  // A peer that vanished without a word is noticed after 30 + 3 * 10 seconds, however long a query may take.
  parameters.add("keepalives_idle", "30");
  parameters.add("keepalives_interval", "10");
  parameters.add("keepalives_count", "3");
  parameters.add("tcp_user_timeout", "60000");
  parameters.add("gssencmode", "disable");
  parameters.add("sslmode", ssl_mode);
  const std::string authority = first_of(connection, "ssl_ca", "sslrootcert");
  std::error_code ignored;
  if (!authority.empty())
    parameters.add("sslrootcert", authority);
  else if (ssl_mode.starts_with("verify") && std::filesystem::exists(system_authorities, ignored))
    parameters.add("sslrootcert", system_authorities);
  parameters.add("sslcert", first_of(connection, "ssl_cert", "sslcert"));
  parameters.add("sslkey", first_of(connection, "ssl_key", "sslkey"));
  parameters.add("options", connection.option("options"));
  parameters.add("target_session_attrs", connection.option("target_session_attrs"));

  std::vector<const char*> keys, values;
  for (size_t i = 0; i < parameters.keys.size(); ++i) {
    keys.push_back(parameters.keys[i].c_str());
    values.push_back(parameters.values[i].c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);

  auto impl = std::make_unique<Impl>();
  impl->address = (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + port;
  impl->login = connection.login;
  impl->is_verified = ssl_mode == "verify-full";
  impl->stop = stop;
  impl->pq.reset(PQconnectStartParams(keys.data(), values.data(), 0));
  if (!impl->pq) return Error{ErrorKind::io, "no memory for a PostgreSQL session"};
  PGconn* pq = impl->pq.get();
  const std::string doing = "connect as " + connection.login + " to " + impl->address;
  switch (finish_connecting(pq, limit, stop)) {
    case Connecting::done: break;
    case Connecting::stopped: return Error{ErrorKind::cancelled, doing + ": stopped"};
    case Connecting::timed_out:
      return Error{ErrorKind::unavailable, doing + ": no answer in " + std::to_string(limit.count()) +
                                               " s; is the server up, and are host and port of connection `" +
                                               connection.id + "` right?"};
  }
  if (PQstatus(pq) != CONNECTION_OK) {
    // libpq keeps no SQLSTATE of a refused log-in, only the text.
    std::string message = one_line(PQerrorMessage(pq));
    ErrorKind kind = ErrorKind::unavailable;
    for (const char* sign : {"authentication failed", "no password supplied", "no pg_hba.conf entry",
                             "is not permitted to log in", "certificate", "role \""})
      if (message.find(sign) != std::string::npos) kind = ErrorKind::denied;
    if (message.find("database \"") != std::string::npos && message.find("does not exist") != std::string::npos)
      kind = ErrorKind::not_found;
    if (message.find("invalid sslmode") != std::string::npos) kind = ErrorKind::invalid;
    if (kind == ErrorKind::denied) {
      if (message.find("certificate") != std::string::npos)
        message += "; look at ssl_ca of connection `" + connection.id + "`: " +
                   (authority.empty() ? "without it the system's authorities have to know the server's certificate"
                                      : authority + " has to hold the authority that signed the server's certificate");
      else
        message += is_token ? login.advice : "; check login and password of connection `" + connection.id + "`";
    }
    if (kind == ErrorKind::not_found) message += "; check the database of connection `" + connection.id + "`";
    if (kind == ErrorKind::unavailable)
      message += "; is the server up, and are host and port of connection `" + connection.id + "` right?";
    return Error{kind, doing + ": " + message};
  }
  PQsetErrorVerbosity(pq, PQERRORS_DEFAULT);
  // Notices (a NOTICE of a view's function, say) are not ours to print.
  PQsetNoticeReceiver(
      pq, [](void*, const PGresult*) {}, nullptr);
  impl->cancel.reset(PQgetCancel(pq));
  impl->row_errors = options.row_errors;
  impl->server_version = PQserverVersion(pq);
  Impl* raw = impl.get();
  impl->on_stop.emplace(stop, [raw] { ::shutdown(PQsocket(raw->pq.get()), SHUT_RDWR); });

  auto session = std::unique_ptr<PostgresSession>(new PostgresSession(std::move(impl)));
  // What text forms look like must not depend on the server's, the database's or the role's settings.
  std::string settings =
      "set timezone to 'UTC'; set datestyle to 'ISO, YMD'; set intervalstyle to 'iso_8601'; set bytea_output to 'hex'; "
      "set extra_float_digits to 3; set standard_conforming_strings to on; set xmloption to content; "
      "set idle_in_transaction_session_timeout to 0; set statement_timeout to " +
      std::to_string(std::chrono::milliseconds(options.statement_timeout).count());
  if (options.all_rows && row_security == "off") settings += "; set row_security to off";
  // So that a server notices that we hung up also while it computes.
  if (session->server_version() >= 140000) settings += "; set client_connection_check_interval to '2s'";
  TRY(session->execute(settings));
  return session;
}

Result<PostgresTable> PostgresSession::query(const std::string& sql,
                                             const std::vector<std::optional<std::string>>& values) {
  std::vector<const char*> texts;
  texts.reserve(values.size());
  for (const auto& value : values) texts.push_back(value ? value->c_str() : nullptr);
  const PostgresResult result(PQexecParams(impl_->pq.get(), sql.c_str(), static_cast<int>(texts.size()), nullptr,
                                           texts.data(), nullptr, nullptr, 0));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    return impl_->error("query `" + sql.substr(0, 200) + "`", result.get());
  PostgresTable table;
  const int width = PQnfields(result.get());
  for (int c = 0; c < width; ++c) table.columns.emplace_back(PQfname(result.get(), c));
  for (int r = 0; r < PQntuples(result.get()); ++r) {
    auto& row = table.rows.emplace_back();
    for (int c = 0; c < width; ++c) {
      if (PQgetisnull(result.get(), r, c))
        row.emplace_back();
      else
        row.emplace_back(std::in_place, PQgetvalue(result.get(), r, c),
                         static_cast<size_t>(PQgetlength(result.get(), r, c)));
    }
  }
  return table;
}

Result<void> PostgresSession::execute(const std::string& sql) {
  const PostgresResult result(PQexec(impl_->pq.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    return impl_->error("`" + sql.substr(0, 200) + "`", result.get());
  return {};
}

Result<std::vector<uint32_t>> PostgresSession::parameter_types(const std::string& sql) {
  TRY_ASSIGN(Description description, describe(sql));
  return std::move(description.parameters);
}

Result<PostgresSession::Description> PostgresSession::describe(const std::string& sql) {
  PGconn* pq = impl_->pq.get();
  const PostgresResult prepared(PQprepare(pq, "", sql.c_str(), 0, nullptr));
  if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK)
    return impl_->error("prepare `" + sql.substr(0, 400) + "`", prepared.get());
  const PostgresResult described(PQdescribePrepared(pq, ""));
  if (PQresultStatus(described.get()) != PGRES_COMMAND_OK) return impl_->error("describe", described.get());
  Description description;
  for (int i = 0; i < PQnparams(described.get()); ++i)
    description.parameters.push_back(PQparamtype(described.get(), i));
  for (int i = 0; i < PQnfields(described.get()); ++i)
    description.columns.push_back(
        {PQfname(described.get(), i), PQftype(described.get(), i), PQfmod(described.get(), i)});
  return description;
}

Result<std::string> PostgresSession::literal(std::string_view text) {
  char* quoted = PQescapeLiteral(impl_->pq.get(), text.data(), text.size());
  if (quoted == nullptr) return Error{ErrorKind::invalid, one_line(PQerrorMessage(impl_->pq.get()))};
  std::string out = quoted;
  PQfreemem(quoted);
  return out;
}

const std::string& PostgresSession::address() const { return impl_->address; }
int PostgresSession::server_version() const { return impl_->server_version; }
bool PostgresSession::is_encrypted() const { return PQsslInUse(impl_->pq.get()) != 0; }
bool PostgresSession::is_verified() const { return is_encrypted() && impl_->is_verified; }

}  // namespace udon
