#pragma once
// COPY (…) TO STDOUT (FORMAT binary): rows one at a time, straight from the protocol's messages. Source: PostgreSQL's
// manual, COPY, "Binary Format".
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/db/postgres/session.h"

namespace udon {

// A field of a row as it came: big-endian bytes of the type's send function. data is nullptr for NULL.
struct PostgresField {
  const uint8_t* data = nullptr;
  int32_t size = 0;
  bool is_null() const { return data == nullptr; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data), static_cast<size_t>(size)}; }
};

class PostgresCopyStream {
 public:
  // `select` is put into COPY (…); `columns` is how many fields each row has.
  static Result<std::unique_ptr<PostgresCopyStream>> open(PostgresSession& session, const std::string& select,
                                                          size_t columns);
  ~PostgresCopyStream();
  PostgresCopyStream(const PostgresCopyStream&) = delete;
  PostgresCopyStream& operator=(const PostgresCopyStream&) = delete;

  enum class Step { row, end, failed };
  // row: `fields` are valid until the next call. end: the trailer was read and the server said that it is done. failed:
  // error() tells; a lost connection names how far it got.
  Step next(std::span<const PostgresField>& fields);
  // The last row's bytes, which are not looked at any more; its fields are valid no longer.
  void release();
  Error error() const { return error_; }
  uint64_t rows() const { return rows_; }

 private:
  PostgresCopyStream(PostgresSession& session, size_t columns);
  Step fail(Error error);
  Step finish();
  bool parse();

  PostgresSession& session_;
  std::vector<PostgresField> fields_;
  Error error_;
  uint64_t rows_ = 0;
  char* message_ = nullptr;        // libpq's, freed by PQfreemem
  std::string carried_;            // the start of a row that did not fit its message
  std::span<const uint8_t> rest_;  // of the message or of carried_
  bool header_read_ = false;
  bool trailer_read_ = false;
  bool ended_ = false;
};

}  // namespace udon
