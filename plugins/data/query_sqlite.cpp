// Statements on SQLite. There a value has a type and a column has none: the answer's types are those that its columns
// declare, where all values keep to them, else those of the first values; one that is of another class is an error.
#include <arrow/builder.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/canonical.h"
#include "plugins/data/query_sessions.h"
#include "plugins/db/sqlite/session.h"
#include "plugins/db/sqlite/statement.h"

namespace udon::data {
namespace {

const char* words_for(SqliteClass type) {
  switch (type) {
    case SqliteClass::null: return "NULL";
    case SqliteClass::integer: return "an integer";
    case SqliteClass::real: return "a real number";
    case SqliteClass::text: return "a text";
    case SqliteClass::blob: return "a blob";
  }
  return "";
}

// A value as it is kept until the types are known.
struct Cell {
  SqliteClass type = SqliteClass::null;
  int64_t integer = 0;
  double real = 0;
  std::string bytes;
};

// The class that a declared type stands for; null: it says nothing (NUMERIC, DECIMAL, DATE: SQLite keeps what it gets).
// https://sqlite.org/datatype3.html, 3.1
SqliteClass declared_class(const std::string& type) {
  const std::string lower = lower_ascii(type);
  const auto has = [&](const char* word) { return lower.find(word) != std::string::npos; };
  if (has("int")) return SqliteClass::integer;
  if (has("char") || has("clob") || has("text")) return SqliteClass::text;
  if (has("blob")) return SqliteClass::blob;
  if (has("real") || has("floa") || has("doub")) return SqliteClass::real;
  return SqliteClass::null;
}

std::shared_ptr<arrow::DataType> arrow_type(SqliteClass type) {
  switch (type) {
    case SqliteClass::integer: return arrow::int64();
    case SqliteClass::real: return arrow::float64();
    case SqliteClass::blob: return arrow::binary();
    case SqliteClass::text:
    case SqliteClass::null: break;
  }
  return arrow::utf8();
}

class SqliteColumnBuilder {
 public:
  SqliteColumnBuilder(ColumnInfo info, SqliteClass type) : info_(std::move(info)), type_(type) {}
  const ColumnInfo& info() const { return info_; }

  // Its hash; data: it has no place in the column.
  Result<uint64_t> append(const Cell& cell, uint64_t row) {
    if (cell.type == SqliteClass::null) {
      TRY(from_arrow(append_null(), "rows of the answer"));
      return null_hash;
    }
    // An integer that a double holds exactly is one; SQLite itself stores 1.0 in a REAL column as 1.
    const bool is_exact_real =
        type_ == SqliteClass::real && cell.type == SqliteClass::integer && std::abs(cell.integer) <= (int64_t{1} << 53);
    if (cell.type != type_ && !is_exact_real)
      return Error{ErrorKind::data,
                   fmt::format("{}: {} where the column holds {}; write CAST({} AS TEXT) or another type",
                               place_of(info_, row), words_for(cell.type), words_for(type_), info_.request.name)};
    switch (type_) {
      case SqliteClass::integer:
        TRY(from_arrow(integers_.Append(cell.integer), "rows of the answer"));
        return hash_int(cell.integer);
      case SqliteClass::real: {
        const double value = is_exact_real ? static_cast<double>(cell.integer) : cell.real;
        TRY(from_arrow(reals_.Append(value), "rows of the answer"));
        return hash_double(value);
      }
      case SqliteClass::blob: TRY(from_arrow(blobs_.Append(cell.bytes), "rows of the answer")); break;
      case SqliteClass::text:
      case SqliteClass::null:
        if (!is_valid_utf8(cell.bytes))
          return Error{ErrorKind::data, fmt::format("{}: a text that is no valid UTF-8; write CAST({} AS BLOB)",
                                                    place_of(info_, row), info_.request.name)};
        TRY(from_arrow(texts_.Append(cell.bytes), "rows of the answer"));
        break;
    }
    return hash_text(cell.bytes);
  }

  Result<std::shared_ptr<arrow::Array>> finish() {
    switch (type_) {
      case SqliteClass::integer: return from_arrow(integers_.Finish(), "rows of the answer");
      case SqliteClass::real: return from_arrow(reals_.Finish(), "rows of the answer");
      case SqliteClass::blob: return from_arrow(blobs_.Finish(), "rows of the answer");
      case SqliteClass::text:
      case SqliteClass::null: break;
    }
    return from_arrow(texts_.Finish(), "rows of the answer");
  }

 private:
  arrow::Status append_null() {
    switch (type_) {
      case SqliteClass::integer: return integers_.AppendNull();
      case SqliteClass::real: return reals_.AppendNull();
      case SqliteClass::blob: return blobs_.AppendNull();
      case SqliteClass::text:
      case SqliteClass::null: break;
    }
    return texts_.AppendNull();
  }

  ColumnInfo info_;
  SqliteClass type_;
  arrow::Int64Builder integers_;
  arrow::DoubleBuilder reals_;
  arrow::StringBuilder texts_;
  arrow::BinaryBuilder blobs_;
};

class SqliteQueryRows final : public QueryRows {
 public:
  SqliteQueryRows(SqliteSession& session, Statement statement)
      : session_(session), statement_(std::move(statement)), changed_before_(session.rows_changed()) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token) override {
    request_ = request;
    TRY_ASSIGN(const BoundSql bound, bind_as_wall_clock(statement_, SqlDialect::sqlite, request.timezone));
    TRY_ASSIGN(rows_, SqliteStatement::prepare(session_, bound.sql, bound.values));
    std::vector<std::string> names;
    for (const SqliteColumn& column : rows_->columns()) names.push_back(column.name);
    TRY(check_distinct(names));
    TRY(read_cells());
    std::vector<ColumnInfo> columns;
    arrow::FieldVector fields;
    for (size_t c = 0; c < names.size(); ++c) {
      const SqliteColumn& column = rows_->columns()[c];
      const SqliteClass type = class_of_column(c, column);
      ColumnInfo info;
      info.request.source_name = info.request.name = column.name;
      info.source_type = column.declared_type.empty() ? "expression" : lower_ascii(column.declared_type);
      info.type = arrow_type(type);
      fields.push_back(arrow::field(column.name, info.type));
      columns.push_back(info);
      builders_.push_back(std::make_unique<SqliteColumnBuilder>(std::move(info), type));
    }
    schema_ = arrow::schema(std::move(fields));
    return columns;
  }

  Result<std::optional<SourceBatch>> next() override {
    if (cells_.empty() && !has_ended_) TRY(read_cells());
    if (cells_.empty()) return std::optional<SourceBatch>();
    const bool is_hashed = request_.certify != CertifyLevel::rows;
    SourceBatch batch;
    if (is_hashed) batch.hashes.resize(builders_.size());
    for (const std::vector<Cell>& row : cells_) {
      ++row_;
      for (size_t c = 0; c < builders_.size(); ++c) {
        TRY_ASSIGN(const uint64_t hash, builders_[c]->append(row[c], row_));
        if (is_hashed) batch.hashes[c].push_back(hash);
      }
    }
    arrow::ArrayVector arrays;
    for (const auto& builder : builders_) {
      TRY_ASSIGN(arrays.emplace_back(), builder->finish());
    }
    batch.rows = arrow::RecordBatch::Make(schema_, static_cast<int64_t>(cells_.size()), std::move(arrays));
    cells_.clear();
    return std::optional(std::move(batch));
  }

  int64_t rows_changed() const override {
    return rows_ && !rows_->is_read_only() ? session_.rows_changed() - changed_before_ : -1;
  }
  std::string mechanism() const override { return "one statement, one reader"; }
  std::string position() const override { return {}; }
  std::vector<PolicyUse> policy_uses() const override { return {}; }

 private:
  // A batch of rows as they are.
  Result<void> read_cells() {
    const size_t width = rows_->columns().size();
    int64_t bytes = 0;
    while (static_cast<int64_t>(cells_.size()) < request_.batch_rows && bytes < request_.batch_bytes) {
      TRY_ASSIGN(const bool is_row, rows_->next());
      if (!is_row) {
        has_ended_ = true;
        return {};
      }
      std::vector<Cell>& row = cells_.emplace_back(width);
      for (size_t c = 0; c < width; ++c) {
        Cell& cell = row[c];
        cell.type = rows_->class_of(c);
        if (cell.type == SqliteClass::integer) cell.integer = rows_->integer(c);
        if (cell.type == SqliteClass::real) cell.real = rows_->real(c);
        if (cell.type == SqliteClass::text || cell.type == SqliteClass::blob) {
          const std::string_view value = rows_->bytes(c);
          if (static_cast<int64_t>(value.size()) > request_.value_bytes_max) {
            ColumnInfo info;
            info.request.name = rows_->columns()[c].name;
            info.source_type = rows_->columns()[c].declared_type;
            return value_too_large(info, rows_->rows(), request_, static_cast<int64_t>(value.size()));
          }
          cell.bytes = value;
        }
        bytes += static_cast<int64_t>(sizeof(Cell) + cell.bytes.size());
      }
    }
    return {};
  }

  // By the declared type, if the first batch keeps to it; else what its first values are. Integers and reals together
  // are reals.
  SqliteClass class_of_column(size_t c, const SqliteColumn& column) const {
    const SqliteClass declared = declared_class(column.declared_type);
    SqliteClass found = SqliteClass::null;
    for (const std::vector<Cell>& row : cells_) {
      const SqliteClass type = row[c].type;
      if (type == SqliteClass::null || type == found) continue;
      const bool is_number = type == SqliteClass::integer || type == SqliteClass::real;
      if (found == SqliteClass::null) {
        found = type;
      } else if (is_number && (found == SqliteClass::integer || found == SqliteClass::real)) {
        found = SqliteClass::real;
      }
    }
    if (found == SqliteClass::null) return declared == SqliteClass::null ? SqliteClass::text : declared;
    if (declared == SqliteClass::real && found == SqliteClass::integer) return declared;
    return found;
  }

  SqliteSession& session_;
  const Statement statement_;
  const int64_t changed_before_;
  TableRequest request_;
  std::unique_ptr<SqliteStatement> rows_;
  std::vector<std::vector<Cell>> cells_;
  std::vector<std::unique_ptr<SqliteColumnBuilder>> builders_;
  std::shared_ptr<arrow::Schema> schema_;
  uint64_t row_ = 0;
  bool has_ended_ = false;
};

class SqliteQueries final : public QuerySession {
 public:
  SqliteQueries(std::unique_ptr<SqliteSession> session, std::string zone)
      : session_(std::move(session)), timezone_(std::move(zone)) {}

  Result<void> begin(Access access) override {
    // A transaction that turns from reading to writing fails at once where another one writes; one that says so from
    // the start waits.
    return session_->execute(access == Access::writes ? "begin immediate" : "begin");
  }
  Result<void> commit() override { return session_->execute("commit"); }

  Result<int64_t> execute(const Statement& statement) override {
    TRY_ASSIGN(const BoundSql bound, bind_as_wall_clock(statement, SqlDialect::sqlite, timezone_));
    const int64_t before = session_->rows_changed();
    TRY_ASSIGN(const std::unique_ptr<SqliteStatement> rows,
               SqliteStatement::prepare(*session_, bound.sql, bound.values));
    for (;;) {
      TRY_ASSIGN(const bool is_row, rows->next());
      if (!is_row) break;
    }
    return rows->is_read_only() ? -1 : session_->rows_changed() - before;
  }
  std::unique_ptr<QueryRows> rows(const Statement& statement) override {
    return std::make_unique<SqliteQueryRows>(*session_, statement);
  }

 private:
  std::unique_ptr<SqliteSession> session_;
  std::string timezone_;
};

}  // namespace

Result<std::unique_ptr<QuerySession>> open_sqlite_queries(const Connection& connection, const QueryOptions& options,
                                                          std::stop_token stop) {
  TRY_ASSIGN(std::unique_ptr<SqliteSession> session, SqliteSession::open(connection, {}, std::move(stop)));
  return std::unique_ptr<QuerySession>(std::make_unique<SqliteQueries>(std::move(session), options.timezone));
}

}  // namespace udon::data
