#include "plugins/db/postgres/row_stream.h"

#include <sys/socket.h>

#include <charconv>
#include <cstring>
#include <utility>

#include "plugins/db/postgres/impl.h"

namespace udon {
namespace {

int64_t changed_by(PGresult* result) {
  // "INSERT 0 5", "SELECT 5", "CREATE TABLE".
  const std::string_view status = PQcmdStatus(result);
  bool changes = false;
  for (const char* verb : {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY"})
    changes = changes || status.starts_with(verb);
  if (!changes) return -1;
  const char* count = PQcmdTuples(result);
  int64_t rows = -1;
  std::from_chars(count, count + std::strlen(count), rows);
  return rows;
}

}  // namespace

struct PostgresRowStream::Impl {
  PostgresSession::Impl* session = nullptr;
  std::string sql;
  std::vector<std::string> columns;
  PostgresResult row;
  uint64_t rows = 0;
  int64_t rows_changed = -1;
  bool has_ended = false;
  bool is_first = false;  // the row that open() has taken is the next one
  Error error;

  Step fail(const PGresult* result) {
    error = session->error("query `" + sql.substr(0, 200) + "`", result);
    if (rows > 0) error.message += " (after " + std::to_string(rows) + " rows)";
    has_ended = true;
    return Step::failed;
  }

  // Takes the next result off the wire.
  Step take() {
    PGconn* pq = session->pq.get();
    row.reset(PQgetResult(pq));
    switch (PQresultStatus(row.get())) {
      case PGRES_SINGLE_TUPLE: ++rows; return Step::row;
      case PGRES_TUPLES_OK:
      case PGRES_COMMAND_OK:
      case PGRES_EMPTY_QUERY: break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        error = Error{ErrorKind::unsupported, session->address +
                                                  ": COPY from or to the client is not possible here; "
                                                  "read by SELECT, or COPY a file of the server's"};
        ::shutdown(PQsocket(pq), SHUT_RDWR);
        has_ended = true;
        return Step::failed;
      default: return fail(row.get());
    }
    rows_changed = changed_by(row.get());
    const PostgresResult after(PQgetResult(pq));
    if (after) return fail(after.get());
    has_ended = true;
    return Step::end;
  }
};

PostgresRowStream::PostgresRowStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

PostgresRowStream::~PostgresRowStream() {
  if (impl_->has_ended) return;
  // The rest of the rows may be millions: the server is told to stop, and the session ends.
  impl_->session->end_query();
  ::shutdown(PQsocket(impl_->session->pq.get()), SHUT_RDWR);
}

Result<std::unique_ptr<PostgresRowStream>> PostgresRowStream::open(
    PostgresSession& session, const std::string& sql, const std::vector<std::optional<std::string>>& values) {
  auto impl = std::make_unique<Impl>();
  impl->session = &session.impl();
  impl->sql = sql;
  PGconn* pq = impl->session->pq.get();
  std::vector<const char*> texts;
  texts.reserve(values.size());
  for (const auto& value : values) texts.push_back(value ? value->c_str() : nullptr);
  impl->has_ended = true;
  if (PQsendQueryParams(pq, sql.c_str(), static_cast<int>(texts.size()), nullptr, texts.data(), nullptr, nullptr, 0) ==
      0)
    return impl->session->error("query `" + sql.substr(0, 200) + "`", nullptr);
  PQsetSingleRowMode(pq);
  impl->has_ended = false;
  // The first result says what columns there are, also if it is no row.
  const Step first = impl->take();
  if (first == Step::failed) return impl->error;
  for (int c = 0; c < PQnfields(impl->row.get()); ++c) impl->columns.emplace_back(PQfname(impl->row.get(), c));
  impl->is_first = first == Step::row;
  return std::unique_ptr<PostgresRowStream>(new PostgresRowStream(std::move(impl)));
}

const std::vector<std::string>& PostgresRowStream::columns() const { return impl_->columns; }
Error PostgresRowStream::error() const { return impl_->error; }
uint64_t PostgresRowStream::rows() const { return impl_->rows; }
int64_t PostgresRowStream::rows_changed() const { return impl_->rows_changed; }

PostgresRowStream::Step PostgresRowStream::next() {
  if (std::exchange(impl_->is_first, false)) return Step::row;
  if (impl_->has_ended) return impl_->error.message.empty() ? Step::end : Step::failed;
  return impl_->take();
}

std::optional<std::string_view> PostgresRowStream::field(size_t column) const {
  const int c = static_cast<int>(column);
  const PGresult* row = impl_->row.get();
  if (PQgetisnull(row, 0, c) != 0) return std::nullopt;
  return std::string_view(PQgetvalue(row, 0, c), static_cast<size_t>(PQgetlength(row, 0, c)));
}

}  // namespace udon
