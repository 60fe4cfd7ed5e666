#include "model/retry.h"

#include <algorithm>

#include "base/ensure.h"
#include "base/error_kind.h"

namespace udon {
namespace {

// The same again gives the same. Missing things may appear, so not_found is tried again.
bool would_come_again(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
    case ErrorKind::denied:
    case ErrorKind::data:
    case ErrorKind::unsupported: return true;
    case ErrorKind::not_found:
    case ErrorKind::conflict:
    case ErrorKind::unavailable:
    case ErrorKind::timeout:
    case ErrorKind::cancelled:
    case ErrorKind::io: return false;
  }
  ENSURE(false, "an error kind outside its enum");
}

// What the failure is called, the most exact name first.
std::vector<std::string> names_of(const TryEnded& ended) {
  std::vector<std::string> names;
  if (ended.cause == EndCause::exit_code && ended.exit_code) names.push_back(std::to_string(*ended.exit_code));
  if (ended.error_kind) names.emplace_back(to_string(*ended.error_kind));
  if (ended.cause != EndCause::error) names.emplace_back(to_string(ended.cause));
  return names;
}

bool lists(const std::vector<std::string>& words, const std::string& name) {
  return std::ranges::find(words, name) != words.end();
}

std::string shown(const std::string& name) {
  const bool is_code = !name.empty() && name[0] >= '0' && name[0] <= '9';
  return is_code ? "exit code " + name : "`" + name + "`";
}

}  // namespace

const std::vector<std::string>& failure_words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> all;
    for (const EndCause cause : {EndCause::exit_code, EndCause::signal, EndCause::out_of_memory, EndCause::timeout,
                                 EndCause::lost, EndCause::start_failed}) {
      all.emplace_back(to_string(cause));
    }
    for (const ErrorKind kind :
         {ErrorKind::invalid, ErrorKind::not_found, ErrorKind::conflict, ErrorKind::denied, ErrorKind::unavailable,
          ErrorKind::timeout, ErrorKind::io, ErrorKind::data, ErrorKind::unsupported}) {
      if (std::string word(to_string(kind)); std::ranges::find(all, word) == all.end()) all.push_back(std::move(word));
    }
    return all;
  }();
  return words;
}

std::string why_no_retry(const RetryPolicy& policy, const TryEnded& ended) {
  const std::vector<std::string> names = names_of(ended);
  for (const std::string& name : names) {
    if (lists(policy.no_retry_on, name)) return "not tried again: no_retry_on has " + shown(name);
    if (lists(policy.retry_on, name)) return {};
  }
  if (!policy.retry_on.empty()) {
    return "not tried again: retry_on does not have " + (names.empty() ? "it" : shown(names.front()));
  }
  if (ended.cause == EndCause::error && ended.error_kind && would_come_again(*ended.error_kind)) {
    return "not tried again: an error of kind " + std::string(to_string(*ended.error_kind)) + " would come again";
  }
  return {};
}

Duration retry_pause(const RetryPolicy& policy, int next_try, std::string_view name) {
  const Duration delay = retry_delay(policy, next_try);
  if (policy.jitter.count() <= 0) return delay;
  // FNV-1a, then mixed: names that differ in their last digit are spread as well as any.
  uint64_t hash = 14695981039346656037U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53U;
  hash ^= hash >> 33;
  return delay + Duration(static_cast<int64_t>(hash % (static_cast<uint64_t>(policy.jitter.count()) + 1)));
}

}  // namespace udon
