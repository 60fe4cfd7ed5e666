#pragma once
// Level source: what the database computes of its columns by itself, against the same computed from the file that was
// written. Neither side sees what the other does: the database knows nothing of our wire decoding, the file nothing of
// our SQL.
#include <arrow/api.h>
#include <arrow/util/decimal.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/canonical.h"

namespace udon::data {

// Which figures both sides can have of a column.
enum class FigureKind {
  counts,  // values and NULLs only
  number,  // integers, booleans (0, 1), decimals: least, greatest, sum
  real,    // least, greatest; NaN is greater than all
  day,     // least, greatest
  moment,  // microseconds: least, greatest
  bytes,   // of text and binary: how many there are
};
FigureKind figure_kind(const arrow::DataType& type);

// How figures are written.
std::string figure_of_digits(std::string_view digits);  // of a server's number: without leading noughts or -0
std::string figure_of_real(double value);
std::string figure_of_day(int64_t since_epoch);
std::string figure_of_moment(int64_t us_since_epoch, bool has_zone);

// Of rows of a file, as they are read back.
class FileFigures {
 public:
  FileFigures() = default;
  explicit FileFigures(const arrow::Schema& schema);

  // unsupported: a type that no reader yields.
  Result<void> add(const arrow::RecordBatch& batch);
  // Of other rows of the same columns.
  void add(const FileFigures& other);

  // Without `nulled` and `left_out`, which are the database's to know.
  std::vector<DatabaseFigures> figures() const;

 private:
  struct Column {
    FigureKind kind = FigureKind::counts;
    int scale = 0;          // of numbers
    bool has_zone = false;  // of moments
    uint64_t count = 0, nulls = 0, bytes = 0;
    bool has_value = false;
    Int128 least = 0, greatest = 0;  // of numbers unscaled, of days and moments
    double least_real = 0, greatest_real = 0;
    arrow::Decimal256 sum;  // unscaled: of as many rows as 64 bits count, it does not overflow
  };
  static void merge(Column& into, const Column& from);
  static Result<void> take(const arrow::Array& array, Column& column);
  template <class Array>
  static void take_numbers(const arrow::Array& array, Column& column);

  std::vector<Column> columns_;
};

// Takes from the database's figures of a column what cannot be compared with the file after a transform, and says so.
void keep_counts_only(DatabaseFigures& figures, const std::string& why);

// Completes the database's figures by what policies did to values: how many became NULLs; bytes that changed are left
// out. `names`, `types`: of the columns in the file.
void account_for_policies(std::vector<DatabaseFigures>& database, const arrow::Schema& schema,
                          const std::vector<PolicyUse>& uses);

// What differs between what the database says and what the file holds, naming columns; empty: nothing. What the
// database was not asked for is not compared.
std::string figures_difference(const arrow::Schema& schema, const std::vector<DatabaseFigures>& database,
                               const std::vector<DatabaseFigures>& file);

}  // namespace udon::data
