#include <errmsg.h>
#include <mysqld_error.h>

#include "plugins/db/mysql/impl.h"
#include "plugins/db/row_error.h"

namespace udon {
namespace {
// Not in MariaDB's list: numbers of MySQL 8.
constexpr unsigned mysql8_query_timeout = 3024;
constexpr unsigned mysql8_must_change_password = 1820;
constexpr unsigned mysql8_account_locked = 3118;
}  // namespace

ErrorKind kind_of_mysql_error(unsigned number, std::string_view text) {
  switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_KILL_DENIED_ERROR:
    case ER_PROCACCESS_DENIED_ERROR:
    case ER_VIEW_NO_EXPLAIN:
    case ER_ACCOUNT_HAS_BEEN_LOCKED:
    case mysql8_must_change_password:
    case mysql8_account_locked:
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
    case CR_PLUGIN_NOT_ALLOWED: return ErrorKind::denied;
    case CR_SSL_CONNECTION_ERROR:
      // One number for a certificate that does not fit, which stays so, and for a peer that hung up in the handshake.
      return text.find("ertificate") != std::string_view::npos || text.find("alidation") != std::string_view::npos ||
                     text.find("required") != std::string_view::npos || text.find("support") != std::string_view::npos
                 ? ErrorKind::denied
                 : ErrorKind::unavailable;
    case ER_BAD_DB_ERROR:
    case ER_NO_SUCH_TABLE:
    case ER_BAD_TABLE_ERROR:
    case ER_BAD_FIELD_ERROR: return ErrorKind::not_found;
    case ER_TABLE_DEF_CHANGED:  // the table was altered after our snapshot
      return ErrorKind::conflict;
    case ER_STATEMENT_TIMEOUT:
    case mysql8_query_timeout: return ErrorKind::timeout;
    case ER_CON_COUNT_ERROR:
    case ER_OUT_OF_RESOURCES:
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_HOST_IS_BLOCKED:
    case ER_NEW_ABORTING_CONNECTION:
    case ER_ABORTING_CONNECTION:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_LOCK_DEADLOCK:
    case ER_USER_LIMIT_REACHED:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_QUERY_INTERRUPTED:
    case ER_CONNECTION_KILLED:
    case ER_DISK_FULL:
    case ER_OUTOFMEMORY: return ErrorKind::unavailable;
    case CR_NET_PACKET_TOO_LARGE: return ErrorKind::data;
    case CR_UNKNOWN_ERROR:
    case CR_SOCKET_CREATE_ERROR:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_IPSOCK_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_MALFORMED_PACKET:
    case CR_VERSION_ERROR:
    case CR_OUT_OF_MEMORY: return ErrorKind::unavailable;
    default: return ErrorKind::invalid;
  }
}

namespace {

// "SELECT, LOCK TABLES command denied to user …": what is missing.
std::string missing_rights(std::string_view text) {
  const size_t end = text.find(" command denied");
  return end == text.npos ? "SELECT" : std::string(text.substr(0, end));
}

// What the reader can do about it, where the server's message alone does not say.
std::string advice(unsigned number, std::string_view text, const std::string& connection_id,
                   const std::string& login_advice) {
  const std::string of = " of connection `" + connection_id + "`";
  switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
      return login_advice.empty() ? "; check login and password" + of : login_advice;
    case CR_PLUGIN_NOT_ALLOWED:
      return "; the server asks for the password in clear, which it gets only by auth=aws_iam (RDS with IAM)";
    case ER_DBACCESS_DENIED_ERROR:
      return "; `udon connections test " + connection_id + "` names the rights that this user lacks there";
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR: return "; ask for GRANT " + missing_rights(text) + " on it";
    case CR_SSL_CONNECTION_ERROR:
      if (kind_of_mysql_error(number, text) != ErrorKind::denied) return {};
      return "; look at ssl_mode and ssl_ca" + of +
             ": that file, without it the system's authorities, has to hold the " +
             "authority that signed the server's certificate";
    case ER_BAD_DB_ERROR: return "; check the database" + of;
    case ER_NO_SUCH_TABLE: return "; check its name, and the database" + of;
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST: return "; is the server up, and are host and port" + of + " right?";
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
      return "; the server waited for its net_write_timeout or net_read_timeout and then gave this session up: exports "
             "set the former to a week, so look at what lies between (a proxy, a firewall)";
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case ER_CONNECTION_KILLED:
    case ER_SERVER_SHUTDOWN: return "; another try can succeed once the server is up and the way to it is open";
    default: return {};
  }
}

// Of an error while rows are computed. Those that have a kind, and those of disks and sizes, are about the server; so
// are the client's own, 2000 to 2999, and mysys's below 1000.
bool may_quote_rows(unsigned number, std::string_view text) {
  if (number < 1000 || (number >= CR_MIN_ERROR && number < 3000)) return false;
  switch (number) {
    case ER_ERROR_ON_READ:
    case ER_ERROR_ON_WRITE:
    case ER_GET_ERRNO:
    case ER_NOT_KEYFILE:
    case ER_OLD_KEYFILE:
    case ER_OUT_OF_SORTMEMORY:
    case ER_RECORD_FILE_FULL:
    case ER_TOO_BIG_SELECT:
    case ER_CRASHED_ON_USAGE: return false;
    default: return kind_of_mysql_error(number, text) == ErrorKind::invalid;
  }
}

}  // namespace

Error MysqlSession::Impl::error(std::string_view doing) {
  return error(doing, mysql_errno(mysql.get()), mysql_error(mysql.get()), mysql_sqlstate(mysql.get()));
}

Error MysqlSession::Impl::error(std::string_view doing, unsigned number, std::string_view text,
                                std::string_view sqlstate) {
  const std::string what = address + ": " + std::string(doing);
  if (stop.stop_requested()) return Error{ErrorKind::cancelled, what + ": stopped"};
  std::string message = what + ": " + std::string(text.empty() ? "connection lost" : text);
  if (number != 0) message += " (" + std::to_string(number) + ", " + std::string(sqlstate) + ")";
  message += advice(number == 0 ? CR_SERVER_LOST : number, text, connection.id, login_advice);
  return Error{number == 0 ? ErrorKind::unavailable : kind_of_mysql_error(number, text), message};
}

Error MysqlSession::Impl::row_error(std::string_view doing, unsigned number, std::string_view text,
                                    std::string_view sqlstate) {
  if (stop.stop_requested() || !may_quote_rows(number, text)) return error(doing, number, text, sqlstate);
  if (options.row_errors == RowErrors::told)
    return Error{ErrorKind::data, error(doing, number, text, sqlstate).message};
  return Error{ErrorKind::data, address + ": " + std::string(doing) + ": " + say_without_values(sqlstate) + " (" +
                                    std::to_string(number) + ", " + std::string(sqlstate) + ")"};
}

}  // namespace udon
