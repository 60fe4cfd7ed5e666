#include "plugins/db/postgres/copy_stream.h"

#include <cstring>

#include "plugins/db/postgres/impl.h"

namespace udon {
namespace {

constexpr char signature[] = "PGCOPY\n\377\r\n";  // and its closing NUL: 11 bytes
constexpr size_t signature_bytes = 11;
constexpr uint32_t has_oids = 1U << 16;

uint32_t big_endian_32(const uint8_t* data) {
  return uint32_t{data[0]} << 24 | uint32_t{data[1]} << 16 | uint32_t{data[2]} << 8 | uint32_t{data[3]};
}

}  // namespace

PostgresCopyStream::PostgresCopyStream(PostgresSession& session, size_t columns)
    : session_(session), fields_(columns) {}

PostgresCopyStream::~PostgresCopyStream() {
  if (message_ != nullptr) PQfreemem(message_);
}

Result<std::unique_ptr<PostgresCopyStream>> PostgresCopyStream::open(PostgresSession& session,
                                                                     const std::string& select, size_t columns) {
  PGconn* pq = session.impl().pq.get();
  const PostgresResult result(PQexec(pq, ("copy (" + select + ") to stdout (format binary)").c_str()));
  if (PQresultStatus(result.get()) != PGRES_COPY_OUT) return session.impl().error("copy", result.get());
  return std::unique_ptr<PostgresCopyStream>(new PostgresCopyStream(session, columns));
}

PostgresCopyStream::Step PostgresCopyStream::fail(Error error) {
  ended_ = true;
  error_ = std::move(error);
  return Step::failed;
}

// One row from rest_. False: more bytes are needed, or the trailer was read, or error_ was set.
bool PostgresCopyStream::parse() {
  const uint8_t* at = rest_.data();
  const uint8_t* const end = at + rest_.size();
  if (!header_read_) {
    if (rest_.size() < signature_bytes + 8) return false;
    const uint32_t flags = big_endian_32(at + signature_bytes);
    const uint32_t extension = big_endian_32(at + signature_bytes + 4);
    if (std::memcmp(at, signature, signature_bytes) != 0 || (flags & has_oids) != 0) {
      fail({ErrorKind::unavailable, "copy from " + session_.address() + ": what came is no binary COPY"});
      return false;
    }
    if (rest_.size() < signature_bytes + 8 + extension) return false;
    at += signature_bytes + 8 + extension;
    header_read_ = true;
    rest_ = {at, end};
  }
  if (end - at < 2) return false;
  const int count = static_cast<int16_t>(at[0] << 8 | at[1]);
  if (count == -1) {
    trailer_read_ = true;
    rest_ = {at + 2, end};
    return false;
  }
  if (static_cast<size_t>(count) != fields_.size()) {
    fail({ErrorKind::conflict, "copy from " + session_.address() + ": a row has " + std::to_string(count) +
                                   " fields, not " + std::to_string(fields_.size())});
    return false;
  }
  at += 2;
  for (PostgresField& field : fields_) {
    if (end - at < 4) return false;
    const auto size = static_cast<int32_t>(big_endian_32(at));
    at += 4;
    if (size == -1) {
      field = {};
      continue;
    }
    if (size < 0 || end - at < size) return false;
    field = {at, size};
    at += size;
  }
  rest_ = {at, end};
  return true;
}

void PostgresCopyStream::release() {
  if (!rest_.empty()) return;
  if (message_ != nullptr) PQfreemem(message_);
  message_ = nullptr;
  rest_ = {};
  std::string().swap(carried_);
}

PostgresCopyStream::Step PostgresCopyStream::finish() {
  PGconn* pq = session_.impl().pq.get();
  const auto told = [this](Error error) {
    error.message += " (after " + std::to_string(rows_) + " rows)";
    return fail(std::move(error));
  };
  const PostgresResult result(PQgetResult(pq));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return told(session_.impl().error("copy", result.get()));
  while (PostgresResult(PQgetResult(pq))) {
  }
  if (!trailer_read_ || !rest_.empty() || !carried_.empty())
    return told({ErrorKind::unavailable, "copy from " + session_.address() + ": the stream ended without its trailer"});
  ended_ = true;
  return Step::end;
}

PostgresCopyStream::Step PostgresCopyStream::next(std::span<const PostgresField>& fields) {
  if (ended_) return error_.message.empty() ? Step::end : Step::failed;
  while (true) {
    if (!rest_.empty() && !trailer_read_) {
      if (parse()) {
        ++rows_;
        fields = fields_;
        return Step::row;
      }
      if (ended_) return Step::failed;
    }
    // What is left of the message is the start of a row: kept in front of the next one. (Servers send a row a message,
    // so this is rare.)
    std::string start(reinterpret_cast<const char*>(rest_.data()), rest_.size());
    if (message_ != nullptr) PQfreemem(message_);
    message_ = nullptr;
    const int size = PQgetCopyData(session_.impl().pq.get(), &message_, 0);
    if (size == -2) {
      Error error = session_.impl().error("copy", nullptr);
      error.message += " (after " + std::to_string(rows_) + " rows)";
      return fail(std::move(error));
    }
    if (size == -1) {
      carried_ = std::move(start);
      return finish();
    }
    if (start.empty()) {
      carried_.clear();
      rest_ = {reinterpret_cast<const uint8_t*>(message_), static_cast<size_t>(size)};
    } else {
      start.append(message_, static_cast<size_t>(size));
      carried_ = std::move(start);
      rest_ = {reinterpret_cast<const uint8_t*>(carried_.data()), carried_.size()};
    }
  }
}

}  // namespace udon
