#include "plugins/data/mysql_pause.h"

#include <initializer_list>
#include <string_view>

#include "base/text.h"

namespace udon::data {
namespace {

// MariaDB and MySQL since 8.0.22 name the same things differently.
std::string first_of(const MysqlTable& table, size_t row, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (table.has_column(name)) return table.at(row, name).value_or("");
  return {};
}

bool is_lost(const Error& error) { return error.kind == ErrorKind::unavailable || error.kind == ErrorKind::cancelled; }

Result<MysqlTable> channels_of(MysqlSession& session) {
  if (session.is_mariadb()) return session.query("show all slaves status");
  auto channels = session.query("show replica status");
  if (channels || is_lost(channels.error()) || channels.error().kind == ErrorKind::denied) return channels;
  return session.query("show slave status");  // before 8.0.22
}

}  // namespace

Result<MysqlPause> look_at_mysql_pause(MysqlSession& session) {
  const auto channels = channels_of(session);
  if (!channels) {
    if (is_lost(channels.error())) return Error(channels.error());
    return MysqlPause{.position = {}, .why_not = "its replication cannot be seen: " + channels.error().message};
  }
  if (channels->rows.empty()) return MysqlPause{.position = {}, .why_not = "the server is no replica"};
  MysqlPause pause;
  for (size_t i = 0; i < channels->rows.size(); ++i) {
    const std::string thread = first_of(*channels, i, {"Replica_SQL_Running", "Slave_SQL_Running"});
    if (thread != "No")
      return MysqlPause{.position = {}, .why_not = "the server is a replica whose replication is not stopped"};
    const std::string name = first_of(*channels, i, {"Channel_Name", "Connection_name"});
    pause.position += (pause.position.empty() ? "" : ", ") + (name.empty() ? "" : name + " ") +
                      first_of(*channels, i, {"Relay_Source_Log_File", "Relay_Master_Log_File"}) + ":" +
                      first_of(*channels, i, {"Exec_Source_Log_Pos", "Exec_Master_Log_Pos"});
  }
  // What somebody writes who may do so on a read-only server has a GTID, too.
  TRY_ASSIGN(const MysqlTable written,
             session.query(session.is_mariadb()
                               ? "select @@global.read_only, @@global.gtid_slave_pos, @@global.gtid_binlog_pos"
                               : "select @@global.read_only, @@global.gtid_executed, ''"));
  if (lower_ascii(written.rows[0][0].value_or("")) != "1")
    return MysqlPause{.position = {},
                      .why_not = "the server is a replica to which anybody may write (read_only is off)"};
  const std::string executed = written.rows[0][1].value_or(""), logged = written.rows[0][2].value_or("");
  if (!executed.empty()) pause.position += ", gtid " + executed;
  if (!logged.empty() && logged != executed) pause.position += ", logged " + logged;
  return pause;
}

}  // namespace udon::data
