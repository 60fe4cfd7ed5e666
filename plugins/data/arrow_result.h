#pragma once
// Arrow's Status and Result as ours, at the point where they are met.
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/config.h>

#include <string_view>
#include <utility>

#include "base/result.h"

namespace udon::data {

// What plugins say in Plugin::arrow_version.
inline constexpr const char* arrow_version = ARROW_VERSION_STRING;

Error arrow_error(const arrow::Status& status, std::string_view what);

inline Result<void> from_arrow(const arrow::Status& status, std::string_view what) {
  if (!status.ok()) return arrow_error(status, what);
  return {};
}

template <class T>
Result<T> from_arrow(arrow::Result<T> result, std::string_view what) {
  if (!result.ok()) return arrow_error(result.status(), what);
  return std::move(result).ValueUnsafe();
}

}  // namespace udon::data
