#pragma once
// `partition_by`: the rows of a result told apart by folders as Hive and Spark name them, `dt=2026-01-31/shop=3/`.
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/timezone.h"
#include "base/value.h"
#include "plugins/data/layout.h"
#include "plugins/data/window.h"

namespace udon::data {

// What an export may touch at once: each is a result of its own, published one after the other, some requests each.
constexpr size_t partitions_per_run_max = 2'000;

struct PartitionField {
  enum class Each { value, year, month, day, hour };
  std::string by;  // the column, as the source names it
  std::string as;  // the folders' `as=…`
  Each each = Each::value;
};
// [{by: created_at, each: day, as: dt}, {by: shop_id, as: shop}]. invalid: names what is wrong.
Result<std::vector<PartitionField>> parse_partition_by(const Value& value);

// As Hive and Spark escape a value in a folder's name; empty is NULL to them: __HIVE_DEFAULT_PARTITION__.
std::string partition_value(std::string_view value);

// Calendar arithmetic on a clock on the wall, in microseconds.
int64_t begin_of(PartitionField::Each each, int64_t wall_us);
int64_t end_of(PartitionField::Each each, int64_t wall_us);
std::string name_of(PartitionField::Each each, int64_t wall_us);

// The window, and the look-back before it, as far as partitions reach: each is made anew, so all its rows are needed.
// `timezone`: of the clock by which the partitions go; empty: UTC.
Result<Stretch> widened(const Window& window, PartitionField::Each each, const std::string& zone_name);
// The values of `each` in a stretch of that form, in order. invalid: more than partitions_per_run_max.
Result<std::vector<std::string>> names_in(const Stretch& stretch, PartitionField::Each each,
                                          const std::string& zone_name);

class PartitionLayout final : public Layout {
 public:
  PartitionLayout(std::vector<PartitionField> fields, std::string zone_name)
      : fields_(std::move(fields)), timezone_(std::move(zone_name)) {}
  Result<void> open(const std::vector<ColumnInfo>& columns) override;
  Result<std::vector<uint32_t>> places_of(const arrow::RecordBatch& rows) override;
  // "dt=2026-01-31/shop=3"
  const std::string& folder(uint32_t place) const { return folders_.at(place); }

 private:
  Result<void> read_folders(const arrow::RecordBatch& rows, size_t field, std::vector<std::string>& folders) const;

  std::vector<PartitionField> fields_;
  std::string timezone_;
  std::shared_ptr<const TimeZone> zone_;
  std::vector<size_t> columns_;
  std::mutex mutex_;
  std::map<std::string, uint32_t> places_;
  std::vector<std::string> folders_;
};

}  // namespace udon::data
