#pragma once
// What a policy makes of values that have no exact place in the target, and how many there were.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/certificate.h"

namespace udon::data {

enum class Verdict {
  take,  // as it is (keep), or repaired (replace)
  null,
  refuse,
};

struct PolicyCounter {
  std::string policy;  // "zero_dates"
  std::string choice;  // "error", "null", or the policy's third
  uint64_t values = 0;

  PolicyCounter(std::string name, std::string chosen) : policy(std::move(name)), choice(std::move(chosen)) {}
  Verdict judge() {
    if (choice == "error") return Verdict::refuse;
    ++values;
    return choice == "null" ? Verdict::null : Verdict::take;
  }
  void report(const std::string& column, std::vector<PolicyUse>& uses) const {
    if (values > 0) uses.push_back({column, policy + "=" + choice, values});
  }
};

// The same policy in the same column counts once, whoever counted.
inline void add_uses(std::vector<PolicyUse>& all, const std::vector<PolicyUse>& more) {
  for (const PolicyUse& use : more) {
    const auto same = [&](const PolicyUse& known) { return known.column == use.column && known.policy == use.policy; };
    if (const auto known = std::find_if(all.begin(), all.end(), same); known != all.end())
      known->values += use.values;
    else
      all.push_back(use);
  }
}

// Of counters that go on counting: what each range adds.
class UsesByRange {
 public:
  // What was counted since the last call; `now`: what has been counted in all.
  std::vector<PolicyUse> since_last(std::vector<PolicyUse> now) {
    const std::vector<PolicyUse> before = std::exchange(counted_, now);
    for (PolicyUse& use : now)
      for (const PolicyUse& was : before)
        if (was.column == use.column && was.policy == use.policy) use.values -= was.values;
    std::erase_if(now, [](const PolicyUse& use) { return use.values == 0; });
    return now;
  }
  // The counters begin anew.
  void forget() { counted_.clear(); }

 private:
  std::vector<PolicyUse> counted_;
};

}  // namespace udon::data
