// fetch_mysql HOST PORT USER DATABASE SQL (password in MYSQL_PWD): prepares, executes and fetches every row by the
// binary protocol into bound buffers, and drops it. Prints the rows.
#include <mysql.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  MYSQL* mysql = mysql_init(nullptr);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (!mysql_real_connect(mysql, argv[1], argv[3], std::getenv("MYSQL_PWD"), argv[4],
                          static_cast<unsigned>(std::atoi(argv[2])), nullptr, 0)) {
    std::fprintf(stderr, "%s\n", mysql_error(mysql));
    return 1;
  }
  MYSQL_STMT* statement = mysql_stmt_init(mysql);
  const std::string sql = argv[5];
  if (mysql_stmt_prepare(statement, sql.data(), sql.size()) != 0 || mysql_stmt_execute(statement) != 0) {
    std::fprintf(stderr, "%s\n", mysql_stmt_error(statement));
    return 1;
  }
  MYSQL_RES* metadata = mysql_stmt_result_metadata(statement);
  const unsigned columns = mysql_num_fields(metadata);
  std::vector<MYSQL_BIND> binds(columns, MYSQL_BIND{});
  std::vector<std::vector<char>> buffers(columns, std::vector<char>(4096));
  std::vector<unsigned long> lengths(columns);
  std::vector<my_bool> nulls(columns);
  for (unsigned i = 0; i < columns; ++i) {
    binds[i].buffer_type = mysql_fetch_field_direct(metadata, i)->type;
    binds[i].buffer = buffers[i].data();
    binds[i].buffer_length = buffers[i].size();
    binds[i].length = &lengths[i];
    binds[i].is_null = &nulls[i];
  }
  mysql_stmt_bind_result(statement, binds.data());
  long rows = 0;
  int got;
  while ((got = mysql_stmt_fetch(statement)) == 0 || got == MYSQL_DATA_TRUNCATED) ++rows;
  if (got != MYSQL_NO_DATA) {
    std::fprintf(stderr, "%s\n", mysql_stmt_error(statement));
    return 1;
  }
  std::printf("%ld\n", rows);
  mysql_free_result(metadata);
  mysql_stmt_close(statement);
  mysql_close(mysql);
  return 0;
}
