// fetch_postgres URI SQL: COPY (SQL) TO STDOUT (FORMAT binary) through libpq, each message dropped. Prints the
// messages.
#include <libpq-fe.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  PGconn* connection = PQconnectdb(argv[1]);
  if (PQstatus(connection) != CONNECTION_OK) {
    std::fprintf(stderr, "%s", PQerrorMessage(connection));
    return 1;
  }
  PGresult* result = PQexec(connection, ("copy (" + std::string(argv[2]) + ") to stdout (format binary)").c_str());
  if (PQresultStatus(result) != PGRES_COPY_OUT) {
    std::fprintf(stderr, "%s", PQerrorMessage(connection));
    return 1;
  }
  PQclear(result);
  long messages = 0;
  char* message = nullptr;
  int size;
  while ((size = PQgetCopyData(connection, &message, 0)) > 0) {
    PQfreemem(message);
    ++messages;
  }
  if (size != -1) {
    std::fprintf(stderr, "%s", PQerrorMessage(connection));
    return 1;
  }
  result = PQgetResult(connection);
  const bool is_complete = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  std::printf("%ld\n", messages);
  PQfinish(connection);
  return is_complete ? 0 : 1;
}
