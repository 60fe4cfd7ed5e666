#pragma once
// How recasts are made of two functions, one that takes a value out of an array and one that converts it: shared by the
// kinds of sources (recast_numbers.cpp, recast_texts.cpp), whose ways `make_recast` chooses from.
#include <arrow/api.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/data/arrow_result.h"
#include "plugins/data/memory_pool.h"
#include "plugins/data/recast.h"
#include "plugins/data/recast_trouble.h"
#include "plugins/data/type_name.h"

namespace udon::data {

// `load(array, row)` gives a value, `convert(value, out)` what becomes of it. With ancient_date and invalid_text, `out`
// holds what the policy's third choice takes.
template <class Builder, class Out, class Load, class Convert>
class EachValue final : public Recast {
 public:
  EachValue(std::string column, const DataType& target, const Policies& policies, std::vector<Trouble> of_policies,
            Load load, Convert convert)
      : column_(std::move(column)),
        target_(target),
        policies_(policies),
        of_policies_(std::move(of_policies)),
        load_(std::move(load)),
        convert_(std::move(convert)) {}

  Result<std::shared_ptr<arrow::Array>> apply(const arrow::Array& values, RecastFailure& failure) override {
    const std::shared_ptr<arrow::DataType> whole = type();
    const auto* const extension =
        whole->id() == arrow::Type::EXTENSION ? static_cast<const arrow::ExtensionType*>(whole.get()) : nullptr;
    Builder builder(extension == nullptr ? whole : extension->storage_type(), memory_pool());
    TRY(from_arrow(builder.Reserve(values.length()), "recast a column"));
    for (int64_t row = 0; row < values.length(); ++row) {
      bool is_null = values.IsNull(row);
      Out out{};
      if (!is_null) {
        const Trouble trouble = convert_(load_(values, row), out);
        if (trouble != Trouble::none) {
          const Verdict verdict = policies_.judge(trouble);
          if (verdict == Verdict::refuse) {
            failure = {row, reason_of(trouble, to_string(target_))};
            return Error{ErrorKind::data, failure.reason};
          }
          is_null = verdict == Verdict::null;
        }
      }
      TRY(from_arrow(is_null ? builder.AppendNull() : builder.Append(out), "recast a column"));
    }
    std::shared_ptr<arrow::Array> array;
    TRY(from_arrow(builder.Finish(&array), "recast a column"));
    if (extension != nullptr) return arrow::ExtensionType::WrapArray(whole, array);
    return array;
  }
  std::shared_ptr<arrow::DataType> type() const override { return arrow_type_of(target_); }
  std::vector<PolicyUse> policy_uses() const override { return policies_.uses(column_); }
  bool makes_nulls() override {
    for (const Trouble trouble : of_policies_)
      if (policies_.makes_null_of(trouble)) return true;
    return false;
  }

 private:
  std::string column_;
  DataType target_;
  PolicyBook policies_;
  std::vector<Trouble> of_policies_;
  Load load_;
  Convert convert_;
};

using Made = std::unique_ptr<Recast>;

// What is made, and by which rules.
struct Order {
  const ColumnInfo& column;
  const DataType& target;
  const Policies& policies;

  template <class Builder, class Out, class Load, class Convert>
  Made each(std::vector<Trouble> of_policies, Load load, Convert convert) const {
    return std::make_unique<EachValue<Builder, Out, Load, Convert>>(column.request.name, target, policies,
                                                                    std::move(of_policies), load, convert);
  }
};

// Of a text or binary array.
inline std::string_view load_text(const arrow::Array& values, int64_t row) {
  return static_cast<const arrow::BinaryArray&>(values).GetView(row);
}

// Each gives nothing where the target is not to be had from such a column.
Made recast_number(const Order& order);  // booleans, integers, decimals, floating numbers
Made recast_digits(const Order& order);  // texts of numbers
Made recast_text(const Order& order);    // texts, by their form
Made recast_bytes(const Order& order);
Made recast_time(const Order& order);  // days and wall clocks

}  // namespace udon::data
