#pragma once
// Columns of a source that have come, gone, or changed their type since the last result: what becomes of each, and the
// message where somebody has to decide. Nothing is ever left out or made narrower without a word. Pure: compares what
// the last certificate says with what the catalog says now.
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/reader.h"

namespace udon::data {

// The parameters on_new_column, on_dropped_column, on_type_change, leave_out of an operator that has them; nothing: it
// has none, and columns may come and go.
struct DriftPolicy;
std::optional<DriftPolicy> drift_policy_of(const Value& parameters);

enum class OnNewColumn { unsaid, error, ignore, include };
enum class OnDroppedColumn { error, ignore };
enum class OnTypeChange { error, widen };

struct DriftPolicy {
  OnNewColumn on_new_column = OnNewColumn::unsaid;  // unsaid: '*' includes it, a list leaves it out; the log tells
  OnDroppedColumn on_dropped_column = OnDroppedColumn::error;
  OnTypeChange on_type_change = OnTypeChange::error;
  std::vector<std::string> leave_out;  // columns that are known and not wanted
};

class Drift {
 public:
  // `before`: of the last result; nothing: there is none, so there is nothing to compare with. `source`: as the new
  // certificate will name it; a result of another table is none to compare with.
  Drift(DriftPolicy policy, std::optional<Certificate> before, const std::string& source);

  // For TableRequest::on_catalog: which columns are asked for. data: somebody has to decide; the message shows before
  // and now side by side, and what to paste. not_found: `leave_out` names a column that is not there.
  Result<void> choose(const std::vector<CatalogColumn>& catalog, TableRequest& request);
  // For TableRequest::on_types: with `widen`, a type that holds what the last result's did as well.
  Result<void> settle_types(std::vector<ColumnInfo>& columns);

  // Of choose: all that the source has now.
  const std::vector<SourceColumn>& source_columns() const { return now_; }
  // What was done without asking, a line each for the log.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Found;
  Result<void> leave_out(const std::vector<CatalogColumn>& catalog, TableRequest& request) const;
  void tell_changed_types(const TableRequest& request, const std::vector<CatalogColumn>& catalog,
                          std::vector<std::string>& what, std::vector<std::string>& paste) const;
  const ColumnCertificate* before_of(const std::string& source_name) const;
  Error to_decide(const std::vector<std::string>& what, const std::vector<std::string>& paste) const;
  std::string side_by_side() const;

  DriftPolicy policy_;
  std::optional<Certificate> before_;
  std::string source_;
  std::vector<SourceColumn> now_;
  std::vector<std::string> notes_;
  size_t notes_of_before_ = 0;  // of them are of the first look
};

// A type, by Arrow's name, that holds every value of both, where that is one of numbers; nothing: there is none.
std::optional<std::string> wider_type(const std::string& one, const std::string& other);

}  // namespace udon::data
