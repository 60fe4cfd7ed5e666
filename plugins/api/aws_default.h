#pragma once
// Where credentials for s3:// come from when the DAG file names none.
#include <optional>
#include <string>
#include <string_view>

#include "plugins/api/task_context.h"

namespace udon {

constexpr std::string_view aws_default = "aws_default";

// The connection of parameter `key` ("to_connection"). Nothing: it is aws_default, and nobody has defined that; AWS's
// own places are then looked in (environment, profile, web identity, container, instance).
inline Result<std::optional<Connection>> aws_connection(TaskContext& context, std::string_view key) {
  const std::string id = context.parameters().text(key, aws_default);
  auto found = context.connection(id);
  if (found) return std::optional(std::move(*found));
  if (id == aws_default && found.error().kind == ErrorKind::not_found) return std::optional<Connection>();
  return found.error();
}

}  // namespace udon
