#pragma once
// A bounded queue between the reading and the encoding thread.
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "plugins/data/reader.h"

namespace udon::data {

class BatchQueue {
 public:
  explicit BatchQueue(size_t batches_max) : batches_max_(batches_max) {}

  // False: the other side has given up; nothing was queued.
  bool push(SourceBatch batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || batches_.size() < batches_max_; });
    if (closed_) return false;
    batches_.push_back(std::move(batch));
    changed_.notify_all();
    return true;
  }
  // Nothing: ended and drained, or given up.
  std::optional<SourceBatch> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || ended_ || !batches_.empty(); });
    if (closed_ || batches_.empty()) return std::nullopt;
    SourceBatch batch = std::move(batches_.front());
    batches_.pop_front();
    changed_.notify_all();
    return batch;
  }
  void end() {  // by the reading side: no more will come
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  void give_up() {  // by either side after a failure
    const std::lock_guard lock(mutex_);
    closed_ = true;
    batches_.clear();
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<SourceBatch> batches_;
  size_t batches_max_;
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace udon::data
