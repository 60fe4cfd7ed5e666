#pragma once
// `partition_by`: the way from one export to the results of many folders. Each partition is a target of its own,
// replaced as a whole as any other; the manifest of the table, written last, says what the run has touched. Not atomic:
// all partitions together. docs/adr/0011.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/data/last_result.h"
#include "plugins/data/partition.h"
#include "plugins/data/publisher.h"
#include "plugins/data/table_copy.h"

namespace udon::data {

struct PartitionedRequest {
  std::vector<PartitionField> fields;
  std::optional<Window> window;  // nothing: mode full
  bool has_condition = false;    // `where`: then what has no rows may only be left out by it
  std::string zone;
  SqlDialect dialect = SqlDialect::mysql;
  std::string to;
};

class PartitionedExport {
 public:
  // `last`: what the target's own manifest says. invalid: there is a result that has no partitions, or the window's
  // column makes none.
  static Result<std::unique_ptr<PartitionedExport>> make(PartitionedRequest request, FileSystem& files,
                                                         const std::optional<LastResult>& last);

  Result<void> on_catalog(const std::vector<CatalogColumn>& catalog, TableRequest& request);
  Layout& layout() { return *layout_; }
  std::string plan() const;

  // Publishes all partitions that have rows, and those of before that have none any more: with a file without rows.
  // `base`: for each the same but files, folder and certificate. The certificate is of all together.
  Result<Published> publish(const PublishRequest& base, const CopyResult& copied, const Path& staging,
                            const ParquetOptions& parquet, const std::function<Result<void>(const std::string&)>& told);

 private:
  PartitionedExport(PartitionedRequest request, FileSystem& files) : request_(std::move(request)), files_(files) {}
  Result<void> check_root(const std::optional<LastResult>& last) const;
  bool is_partition(std::string_view folder) const;
  Result<std::vector<std::string>> emptied(const std::vector<std::string>& written) const;
  Result<void> write_manifest(const PublishRequest& base, Published& all, const Value& partitions) const;

  PartitionedRequest request_;
  FileSystem& files_;
  std::string root_;  // ends in /
  std::optional<Stretch> stretch_;
  std::vector<std::string> values_;  // of the window's field, in the stretch; the last: of NULL
  size_t time_field_ = 0;
  std::unique_ptr<PartitionLayout> layout_;
};

}  // namespace udon::data
