#pragma once
#include <arrow/api.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace udon::test {

template <class Builder, class T>
std::shared_ptr<arrow::Array> array_of(const std::vector<std::optional<T>>& values, Builder builder = Builder()) {
  for (const auto& value : values) {
    const auto status = value ? builder.Append(*value) : builder.AppendNull();
    if (!status.ok()) return nullptr;
  }
  return builder.Finish().ValueOr(nullptr);
}

inline std::shared_ptr<arrow::Array> texts(const std::vector<std::optional<std::string>>& values) {
  return array_of<arrow::StringBuilder, std::string>(values);
}
inline std::shared_ptr<arrow::Array> ints(const std::vector<std::optional<int64_t>>& values) {
  return array_of<arrow::Int64Builder, int64_t>(values);
}

}  // namespace udon::test
