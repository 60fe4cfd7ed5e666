#pragma once
// What failed of many things of which each may fail by itself.
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace udon {

// A failure that every other of them would meet as well.
inline bool is_everyones(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::denied:
    case ErrorKind::unavailable:
    case ErrorKind::timeout:
    case ErrorKind::cancelled:
    case ErrorKind::unsupported: return true;
    case ErrorKind::invalid:
    case ErrorKind::not_found:
    case ErrorKind::conflict:
    case ErrorKind::io:
    case ErrorKind::data: return false;
  }
  return true;
}

// Thread-safe.
class Failures {
 public:
  // One's own failure is kept, so that the others can go on; one that all would meet is handed on besides.
  Result<void> note(const std::string& name, const Error& error) {
    if (error.kind == ErrorKind::cancelled) return error;
    const std::lock_guard lock(mutex_);
    ++count_;
    if (named_.size() < named_max) named_.push_back(name + ": " + error.message);
    if (!kind_ || is_transient(error.kind)) kind_ = error.kind;
    if (is_everyones(error.kind)) return error;
    return {};
  }
  int64_t count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  // `so_far`: what was done all the same. `last`: what ended it, if that is none of the failures that were noted.
  Error error(const std::string& so_far, const std::optional<Error>& last) const {
    const std::lock_guard lock(mutex_);
    if (count_ == 0) {
      return {last ? last->kind : ErrorKind::cancelled, so_far + (last ? last->message : "")};
    }
    std::string text = so_far + std::to_string(count_) + " failed: ";
    for (size_t i = 0; i < named_.size(); ++i) text += (i == 0 ? "" : "; ") + named_[i];
    if (count_ > static_cast<int64_t>(named_.size()))
      text += "; and " + std::to_string(count_ - static_cast<int64_t>(named_.size())) + " more";
    return {last ? last->kind : *kind_, text};
  }

 private:
  static constexpr size_t named_max = 10;
  mutable std::mutex mutex_;
  int64_t count_ = 0;
  std::vector<std::string> named_;
  std::optional<ErrorKind> kind_;
};

}  // namespace udon
