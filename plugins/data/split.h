#pragma once
// A table cut into ranges of rows, which several readers take one after the other. A range is a condition in the
// server's SQL; the ranges of a table are made so that each row is in exactly one of them, however good or bad the
// guess was of how many rows are where.
#include <algorithm>
#include <cstddef>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plugins/data/canonical.h"

namespace udon::data {

// More ranges than readers: who is done early takes another.
inline constexpr int ranges_per_reader = 4;

struct Ranges {
  std::vector<std::string> conditions;  // an empty one: all rows
  std::string how;                      // "16 ranges of `id`"; or why it is only one
};

// Ranges for readers on threads of their own.
class RangeQueue {
 public:
  explicit RangeQueue(std::vector<std::string> conditions) : conditions_(std::move(conditions)) {
    waiting_.resize(conditions_.size());
    std::iota(waiting_.rbegin(), waiting_.rend(), size_t{0});
  }
  const std::vector<std::string>& conditions() const { return conditions_; }
  bool is_cut() const { return conditions_.size() > 1; }
  // Its number; nothing: all were taken.
  std::optional<size_t> take() {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return std::nullopt;
    const size_t range = waiting_.back();
    waiting_.pop_back();
    return range;
  }
  // Before any is taken.
  void leave_out(const std::vector<size_t>& ranges) {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_,
                  [&](size_t range) { return std::find(ranges.begin(), ranges.end(), range) != ranges.end(); });
  }
  // What was taken is to be read again.
  void put_back(const std::vector<size_t>& ranges) {
    const std::lock_guard lock(mutex_);
    waiting_.insert(waiting_.end(), ranges.rbegin(), ranges.rend());
  }

 private:
  const std::vector<std::string> conditions_;
  std::mutex mutex_;
  std::vector<size_t> waiting_;  // the next one last
};

// The ranges that one source has taken.
class TakenRanges {
 public:
  explicit TakenRanges(RangeQueue& queue) : queue_(queue) {}
  std::optional<size_t> take() {
    const std::optional<size_t> range = queue_.take();
    if (range) taken_.push_back(*range);
    return range;
  }
  // All but those that are kept.
  void put_back_but(const std::vector<size_t>& kept) {
    std::erase_if(taken_, [&](size_t range) { return std::find(kept.begin(), kept.end(), range) != kept.end(); });
    queue_.put_back(taken_);
    taken_.clear();
  }
  const RangeQueue& queue() const { return queue_; }

 private:
  RangeQueue& queue_;
  std::vector<size_t> taken_;
};

// What one of the readers does when there is nothing more to read.
enum class AfterLast {
  end_transaction,   // the server can forget the snapshot
  keep_transaction,  // something else is to be asked in the same snapshot
};

// Where to cut numbers between `least` and `greatest` so that about equally many rows lie in each of about `ranges`
// ranges: increasing, above `least`, not above `greatest`; fewer if there are fewer numbers. `rows_between(a, b)`
// guesses how many rows have a ≤ number < b; it is asked a few times for each range.
Result<std::vector<Int128>> cut_numbers(Int128 least, Int128 greatest, size_t ranges,
                                        const std::function<Result<double>(Int128, Int128)>& rows_between);

// The conditions of the ranges before, between and behind the cuts; a NULL is in the first. `below(i)` and `from(i)`:
// what is true of the rows below the cut i, and of those at or above it.
std::vector<std::string> conditions_of(size_t cuts, const std::function<std::string(size_t)>& below,
                                       const std::function<std::string(size_t)>& from, const std::string& is_null);

// " where …" of the rows that meet the condition of the request and lie in the range; either may be empty: all rows.
std::string where_clause(const std::string& condition, const std::string& range);

// The ranges, and in words that there are so many of `names`.
Ranges ranges_of(std::vector<std::string> conditions, const std::string& names);

// `form` with each {} replaced.
std::string filled(std::string_view form, const std::string& with);

std::string to_string(Int128 number);
// Of digits with a sign or without; nothing for anything else.
std::optional<Int128> parse_int128(const std::string& text);

}  // namespace udon::data
