#include "plugins/db/mysql/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <charconv>

#include "base/text.h"
#include "connections/secrets/rds_token.h"
#include "plugins/db/mysql/impl.h"
#include "plugins/db/tls_options.h"
// After mysql.h; for setting a timeout on a session that is open.
#include <ma_pvio.h>

namespace udon {
namespace {

void start_library() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
}

// A peer that vanished without a word is noticed after 30 + 3 * 10 seconds, however long a query may take.
void keep_alive(my_socket socket) {
  const int on = 1, idle = 30, interval = 10, count = 3, unacknowledged_ms = 60'000;
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

enum class Tls { none, unverified, verified };

const std::vector<std::string> tls_files{"ssl_ca", "ssl_capath", "ssl_cert", "ssl_key"};

Result<Tls> set_tls(MYSQL* mysql, const Connection& connection, bool is_local) {
  TRY(check_tls_options(connection, {"ssl_mode", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key"}));
  const std::string mode =
      lower_ascii(connection.option("ssl_mode", default_ssl_mode(connection, is_local, tls_files)));
  static const std::vector<std::string> modes{"disabled", "required", "verify_identity"};
  if (mode != "disabled" && mode != "required" && mode != "verify_identity")
    return Error{ErrorKind::invalid, "connection " + connection.id + ": ssl_mode=" + mode + " is not one of " +
                                         join(modes, ", ") + did_you_mean(mode, modes)};
  const my_bool on = 1, off = 0;
  if (mode == "disabled") {
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off);
    return Tls::none;
  }
  mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
  mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, mode == "verify_identity" ? &on : &off);
  const std::pair<const char*, mysql_option> files[] = {{"ssl_ca", MYSQL_OPT_SSL_CA},
                                                        {"ssl_capath", MYSQL_OPT_SSL_CAPATH},
                                                        {"ssl_cert", MYSQL_OPT_SSL_CERT},
                                                        {"ssl_key", MYSQL_OPT_SSL_KEY}};
  for (const auto& [key, option] : files)
    if (const std::string file = connection.option(key); !file.empty()) mysql_options(mysql, option, file.c_str());
  return mode == "verify_identity" ? Tls::verified : Tls::unverified;
}

// A server may ask for another way to prove who we are, also for the password in clear: whoever stands between us and
// an unverified one would get it so. A token is asked for in no other way, and is good for a quarter of an hour only.
void allow_ways_to_log_in(MYSQL* mysql, Tls tls, bool is_token) {
  std::string ways = "mysql_native_password";
  if (is_token) {
    mysql_options(mysql, MYSQL_DEFAULT_AUTH, ways.c_str());  // RDS answers with the switch to the other
    ways += ",mysql_clear_password";
  } else {
    ways += ",caching_sha2_password,sha256_password,client_ed25519,auth_gssapi_client,parsec";
    if (tls != Tls::none) ways += ",dialog";
  }
  mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, ways.c_str());
}

}  // namespace

const std::optional<std::string>& MysqlTable::at(size_t row, std::string_view column) const {
  static const std::optional<std::string> nothing;
  for (size_t i = 0; i < columns.size(); ++i)
    if (lower_ascii(columns[i]) == lower_ascii(column)) return row < rows.size() ? rows[row][i] : nothing;
  return nothing;
}

bool MysqlTable::has_column(std::string_view column) const {
  for (const std::string& name : columns)
    if (lower_ascii(name) == lower_ascii(column)) return true;
  return false;
}

MysqlSession::MysqlSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MysqlSession::~MysqlSession() = default;

Result<std::unique_ptr<MysqlSession>> MysqlSession::connect(const Connection& connection, const MysqlOptions& options,
                                                            std::stop_token stop) {
  start_library();
  auto impl = std::make_unique<Impl>();
  impl->mysql.reset(mysql_init(nullptr));
  if (!impl->mysql) return Error{ErrorKind::io, "no memory for a MySQL session"};
  MYSQL* mysql = impl->mysql.get();
  impl->connection = connection;
  impl->options = options;
  impl->stop = stop;

  const std::string socket = connection.option("unix_socket");
  const std::string host = connection.host.empty() ? "127.0.0.1" : connection.host;
  const int port = connection.port == 0 ? 3306 : connection.port;
  impl->address = !socket.empty()                       ? socket
                  : host.find(':') != std::string::npos ? "[" + host + "]:" + std::to_string(port)
                                                        : host + ":" + std::to_string(port);

  auto seconds = static_cast<unsigned>(options.connect_timeout.count());
  if (const std::string text = connection.option("connect_timeout"); !text.empty()) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (failure != std::errc() || end != text.data() + text.size() || seconds == 0)
      return Error{ErrorKind::invalid,
                   "connection " + connection.id + ": connect_timeout=" + text + " is not a number of seconds"};
  }
  mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  // Also for the handshake: a host that accepts and then says nothing must not hold us. Lifted below.
  mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
  mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  const my_bool off = 0;
  mysql_options(mysql, MYSQL_OPT_RECONNECT, &off);  // a session that comes back has lost its snapshot
  const unsigned no_files = 0;
  mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no_files);  // a server must not ask us for files
  mysql_optionsv(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", options.program.c_str());
  TRY_ASSIGN(const bool is_token, asks_for_aws_iam(connection));
  TRY_ASSIGN(const Tls tls, set_tls(mysql, connection, (!socket.empty() || is_this_machine(host)) && !is_token));
  TRY_ASSIGN(const LoginPassword login, login_password(connection, 3306, tls == Tls::verified, stop));
  impl->login_advice = login.advice;
  impl->is_verified = tls == Tls::verified;
  allow_ways_to_log_in(mysql, tls, is_token);
  // `localhost` too means the port that is named, which may be a tunnel's end: libmariadb would take the socket of this
  // machine's own server.
  const unsigned tcp = MYSQL_PROTOCOL_TCP;
  if (socket.empty()) mysql_options(mysql, MYSQL_OPT_PROTOCOL, &tcp);

  if (!mysql_real_connect(mysql, socket.empty() ? host.c_str() : nullptr, connection.login.c_str(),
                          login.password.c_str(), connection.schema.empty() ? nullptr : connection.schema.c_str(),
                          static_cast<unsigned>(port), socket.empty() ? nullptr : socket.c_str(), CLIENT_MULTI_RESULTS))
    return impl->error("connect as " + connection.login);

  MARIADB_PVIO* wire = mysql->net.pvio;
  const int answer_seconds = static_cast<int>(options.answer_timeout.count());
  // 0 is for ever. A negative one is so without TLS only: the kernel takes it for "don't wait", and over TLS libmariadb
  // then waits as many milliseconds as the option above has seconds.
  wire->methods->set_timeout(wire, PVIO_READ_TIMEOUT, answer_seconds);
  keep_alive(mysql_get_socket(mysql));

  Impl* raw = impl.get();
  // Only wakes the thread that waits: libmariadb's own state belongs to that thread, which then does the rest.
  impl->on_stop.emplace(stop, [raw] { ::shutdown(mysql_get_socket(raw->mysql.get()), SHUT_RDWR); });
  return std::unique_ptr<MysqlSession>(new MysqlSession(std::move(impl)));
}

void MysqlSession::Impl::kill_query() {
  // In all less than the grace of a try that is asked to stop.
  MysqlOptions brief;
  brief.connect_timeout = std::chrono::seconds(2);
  brief.answer_timeout = std::chrono::seconds(2);
  Connection briefly = connection;
  briefly.extra.set("connect_timeout", "2");
  auto other = MysqlSession::connect(briefly, brief);
  // Not told to stop, the server finds out when it next writes to the closed socket.
  if (other) (void)(*other)->execute("KILL " + std::to_string(mysql_thread_id(mysql.get())));
}

Result<MysqlTable> MysqlSession::query(const std::string& sql) {
  MYSQL* mysql = impl_->mysql.get();
  if (mysql_real_query(mysql, sql.data(), sql.size()) != 0) {
    Error error = impl_->error("query `" + sql.substr(0, 200) + "`");
    if (error.kind == ErrorKind::cancelled) impl_->kill_query();
    return error;
  }
  MysqlTable table;
  struct Free {
    void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
  };
  std::unique_ptr<MYSQL_RES, Free> result(mysql_store_result(mysql));
  if (!result) {
    if (mysql_errno(mysql) != 0) return impl_->error("query `" + sql.substr(0, 200) + "`");
    return table;
  }
  const unsigned width = mysql_num_fields(result.get());
  for (unsigned i = 0; i < width; ++i) table.columns.emplace_back(mysql_fetch_field_direct(result.get(), i)->name);
  while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
    const unsigned long* lengths = mysql_fetch_lengths(result.get());
    auto& cells = table.rows.emplace_back();
    for (unsigned i = 0; i < width; ++i) {
      if (row[i])
        cells.emplace_back(std::in_place, row[i], lengths[i]);
      else
        cells.emplace_back();
    }
  }
  return table;
}

Result<void> MysqlSession::execute(const std::string& sql) {
  TRY(query(sql));
  return {};
}

std::string MysqlSession::literal(std::string_view text) const {
  std::string quoted(text.size() * 2 + 3, '\'');
  const unsigned long length =
      mysql_real_escape_string(impl_->mysql.get(), quoted.data() + 1, text.data(), text.size());
  quoted.resize(length + 2);
  quoted.back() = '\'';
  return quoted;
}

const std::string& MysqlSession::address() const { return impl_->address; }
std::string MysqlSession::server_version() const { return mysql_get_server_info(impl_->mysql.get()); }
bool MysqlSession::is_mariadb() const { return mariadb_connection(impl_->mysql.get()) != 0; }
uint64_t MysqlSession::thread_id() const { return mysql_thread_id(impl_->mysql.get()); }
bool MysqlSession::is_verified() const { return is_encrypted() && impl_->is_verified; }
bool MysqlSession::is_encrypted() const { return mysql_get_ssl_cipher(impl_->mysql.get()) != nullptr; }

}  // namespace udon
