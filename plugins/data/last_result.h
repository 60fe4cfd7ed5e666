#pragma once
// What stands at a target before an export begins: the manifest of the last one, which is all that is remembered
// between two runs. Columns that have come or gone since are found by it, and where a cursor stands.
#include <optional>
#include <string>

#include "base/result.h"
#include "base/value.h"
#include "model/certificate.h"
#include "plugins/io/file_system.h"

namespace udon::data {

struct LastResult {
  std::string manifest;  // its uri
  Value value;           // the whole of it
  Certificate certificate;
};

// Nothing: there is none, or it is none of ours.
Result<std::optional<LastResult>> read_last_result(FileSystem& files, const std::string& to);

// Where the target is one of a table's folders (dt=2026-01-31/hour=09/): that of all folders beside it, itself
// included, whose name is the greatest; otherwise the target's own. `too_many`: beside it are so many files that not
// all were looked at, and the target's own was taken.
struct LastOfTable {
  std::optional<LastResult> result;
  bool too_many = false;
};
Result<LastOfTable> read_last_of_table(FileSystem& files, const std::string& to);

// A result with `partition_by` has folders that only it replaces. invalid: the target is one of them; or, unless what
// is to be written has partitions too, it holds such a result. Either would be read as one table with what stands
// there.
enum class Partitions { none, some };
Result<void> check_partitions_around(FileSystem& files, const std::string& to, Partitions written);

}  // namespace udon::data
