#pragma once
// Records of JSON as the rows of a table with stated types. Each thread that reads some of a file's records has its
// own.
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/data/json_reader.h"
#include "plugins/data/json_records.h"
#include "plugins/data/reader.h"
#include "plugins/data/text_rows.h"

namespace udon::data {

class JsonRows {
 public:
  // `options` outlives this.
  static Result<JsonRows> make(const JsonOptions& options, const TableRequest& request);
  JsonRows(JsonRows&&) noexcept;
  ~JsonRows();

  std::vector<ColumnInfo> columns() const;
  // One batch, and whether there may be more.
  struct Read {
    ReadRows rows;
    bool at_end = false;
  };
  Result<Read> read_batch(JsonRecords& records, const std::stop_token& stop);
  Result<ReadRows> read_all(JsonRecords& records, const std::stop_token& stop);
  std::vector<PolicyUse> policy_uses() const;

 private:
  class Impl;
  explicit JsonRows(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon::data
