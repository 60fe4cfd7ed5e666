#pragma once
// Between the reading and the encoding thread: bounded by the bytes of the batches in it and of the one being encoded.
#include <arrow/util/byte_size.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "plugins/data/reader.h"

namespace udon::data {

// With what a column costs besides its values.
inline int64_t held_bytes(const SourceBatch& batch) {
  constexpr int64_t column_bytes = 512;
  int64_t bytes = arrow::util::TotalBufferSize(*batch.rows) + batch.rows->num_columns() * column_bytes;
  for (const auto& column : batch.hashes) bytes += static_cast<int64_t>(column.capacity() * sizeof column[0]);
  return bytes;
}

class BatchQueue {
 public:
  explicit BatchQueue(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // False: the other side has given up; nothing was queued. One that is larger than all that may be in here is pushed
  // when nothing else is, and has been encoded when this returns: so much is not to be had twice.
  bool push(SourceBatch batch) {
    std::unique_lock lock(mutex_);
    const int64_t bytes = held_bytes(batch);
    changed_.wait(lock, [&] { return closed_ || held_ == 0 || held_ + bytes <= bytes_max_; });
    if (closed_) return false;
    held_ += bytes;
    batches_.push_back({std::move(batch), bytes});
    changed_.notify_all();
    if (bytes > bytes_max_) changed_.wait(lock, [this] { return closed_ || held_ == 0; });
    return true;
  }
  // Nothing: ended and drained, or given up. The one before it has been encoded and is no more.
  std::optional<SourceBatch> pop() {
    std::unique_lock lock(mutex_);
    held_ -= std::exchange(taken_, 0);
    changed_.notify_all();
    changed_.wait(lock, [this] { return closed_ || ended_ || !batches_.empty(); });
    if (closed_ || batches_.empty()) return std::nullopt;
    SourceBatch batch = std::move(batches_.front().batch);
    taken_ = batches_.front().bytes;
    batches_.pop_front();
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
  struct Held {
    SourceBatch batch;
    int64_t bytes;
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Held> batches_;
  int64_t bytes_max_;
  int64_t held_ = 0;  // of batches_ and of the one that was taken
  int64_t taken_ = 0;
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace udon::data
