#pragma once
// What can stand in the way of a value that is to have another type, what is said of it, and what policies make of it.
#include <string>
#include <vector>

#include "plugins/data/policy_counter.h"
#include "plugins/data/reader.h"

namespace udon::data {

// Why a value has no place in the target; those of policies last.
enum class Trouble {
  none,
  too_large,
  has_fraction,
  no_boolean,
  inexact,
  no_number,
  no_day,
  no_wall_clock,
  no_instant,
  no_time,
  no_interval,
  no_uuid,
  has_days,
  not_midnight,
  not_of_a_day,
  zero_date,
  ancient_date,
  infinity,
  nan,
  invalid_text,
};

// "is out of …; choose …", for the message; `type`: the one asked for.
std::string reason_of(Trouble trouble, const std::string& type);

// The policies that can speak of a recast column, each with its count.
class PolicyBook {
 public:
  explicit PolicyBook(const Policies& policies)
      : zero_dates_("zero_dates", policies.zero_dates),
        ancient_dates_("ancient_dates", policies.ancient_dates),
        infinity_("infinity", policies.infinity),
        nan_("nan", policies.nan),
        invalid_text_("invalid_text", policies.invalid_text) {}

  Verdict judge(Trouble trouble) {
    PolicyCounter* const counter = find(trouble);
    return counter == nullptr ? Verdict::refuse : counter->judge();
  }
  bool makes_null_of(Trouble trouble) {
    const PolicyCounter* const counter = find(trouble);
    return counter != nullptr && counter->choice == "null";
  }
  std::vector<PolicyUse> uses(const std::string& column) const {
    std::vector<PolicyUse> all;
    for (const PolicyCounter* counter : {&zero_dates_, &ancient_dates_, &infinity_, &nan_, &invalid_text_})
      counter->report(column, all);
    return all;
  }

 private:
  PolicyCounter* find(Trouble trouble) {
    if (trouble == Trouble::zero_date) return &zero_dates_;
    if (trouble == Trouble::ancient_date) return &ancient_dates_;
    if (trouble == Trouble::infinity) return &infinity_;
    if (trouble == Trouble::nan) return &nan_;
    return trouble == Trouble::invalid_text ? &invalid_text_ : nullptr;
  }
  PolicyCounter zero_dates_, ancient_dates_, infinity_, nan_, invalid_text_;
};

}  // namespace udon::data
