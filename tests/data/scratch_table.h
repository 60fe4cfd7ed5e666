#pragma once
// A table on the real server for one test, and the reader's view of it.
#include <catch2/catch.hpp>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/data/array_hash.h"
#include "plugins/data/reader.h"
#include "plugins/data/recast_reader.h"
#include "plugins/db/mysql/session.h"
#include "tests/support/services.h"

namespace udon::data::test {

inline void check_mentions(const Error& error, std::initializer_list<std::string_view> words) {
  INFO(error.message);
  for (const std::string_view word : words) {
    INFO(word);
    CHECK(error.message.find(word) != std::string::npos);
  }
}

// All that a reader gave, with a check on the way that the hashes of the wire are those of the arrays.
struct ReadTable {
  std::vector<ColumnInfo> columns;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  std::vector<PolicyUse> uses;
  std::string mechanism, position;

  int64_t rows() const {
    int64_t count = 0;
    for (const auto& batch : batches) count += batch->num_rows();
    return count;
  }
  static std::string text_of(const arrow::Scalar& scalar) {
    if (!scalar.is_valid || scalar.type->id() != arrow::Type::BINARY) return scalar.ToString();
    const auto& bytes = *static_cast<const arrow::BinaryScalar&>(scalar).value;
    return bytes.ToHexString();
  }
  std::vector<std::string> texts(int column) const {
    std::vector<std::string> all;
    for (const auto& batch : batches)
      for (int64_t i = 0; i < batch->num_rows(); ++i)
        all.push_back(text_of(*batch->column(column)->GetScalar(i).ValueOrDie()));
    return all;
  }
};

inline Result<ReadTable> read_all(TableReader& reader, const TableRequest& request, std::stop_token stop = {}) {
  ReadTable table;
  TRY_ASSIGN(table.columns, reader.open(request, stop));
  for (BatchSource* source : reader.sources()) {
    while (true) {
      TRY_ASSIGN(std::optional<SourceBatch> batch, source->next());
      if (!batch) break;
      if (batch->range_end) continue;
      REQUIRE(batch->rows->ValidateFull().ok());
      CHECK(batch->rows->num_rows() > 0);
      if (request.certify == CertifyLevel::rows) {
        CHECK(batch->hashes.empty());
      } else {
        for (int c = 0; c < batch->rows->num_columns(); ++c) {
          const auto hashes = hash_array(*batch->rows->column(c));
          REQUIRE(hashes);
          CHECK((*hashes == batch->hashes[static_cast<size_t>(c)]));
        }
      }
      table.batches.push_back(batch->rows);
    }
  }
  table.uses = reader.policy_uses();
  table.mechanism = reader.mechanism();
  table.position = reader.position();
  return table;
}

class ScratchTable {
 public:
  // `definition`: further columns after "id int not null primary key".
  ScratchTable(const std::string& name, const std::string& definition, const std::string& options = "")
      : connection_(shared_server()), name_("reader_test." + name) {
    auto session = MysqlSession::connect(connection_);
    REQUIRE(session);
    session_ = std::move(*session);
    // As an application in Korea that is not strict about what it stores.
    execute("create database if not exists reader_test character set utf8mb4");
    execute("set time_zone = '+09:00', sql_mode = ''");
    execute("create or replace table " + name_ + " (id int not null primary key, " + definition + ") " + options);
  }

  const std::string& name() const { return name_; }
  const Connection& connection() const { return connection_; }
  MysqlSession& session() { return *session_; }

  void execute(const std::string& sql) {
    auto done = session_->execute(sql);
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  }
  // {} stands for the table's name.
  void run(std::string sql) { execute(sql.replace(sql.find("{}"), 2, name_)); }
  void insert(const std::vector<std::string>& rows) {
    for (const std::string& row : rows) execute("insert into " + name_ + " values " + row);
  }

  TableRequest completed(TableRequest request) const {
    if (request.table.empty()) request.table = name_;
    if (request.columns.empty()) request.all_columns = true;
    return request;
  }
  ReadTable read(const TableRequest& request) const {
    auto table = read_all(*make_recast_reader(make_mysql_reader(connection_)), completed(request));
    INFO((table ? "" : table.error().message));
    REQUIRE(table);
    return std::move(*table);
  }
  Error failure(const TableRequest& request) const {
    auto table = read_all(*make_recast_reader(make_mysql_reader(connection_)), completed(request));
    REQUIRE(!table);
    return table.error();
  }

 private:
  static const Connection& shared_server() {
    static const Connection connection = udon::test::Services().mariadb();
    return connection;
  }

  Connection connection_;
  std::string name_;
  std::unique_ptr<MysqlSession> session_;
};

}  // namespace udon::data::test
