#include "model/run.h"

#include <algorithm>
#include <charconv>

#include "base/ensure.h"
#include "base/limits.h"

namespace udon {
namespace {

// A try id names a folder, so it is read as strictly as a path component has to be.
bool is_installation_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

}  // namespace

std::optional<std::string> problem_of_run_id(std::string_view run_id) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_.~:+-").find(c) != std::string_view::npos;
  };
  const std::string name = "run id `" + std::string(run_id) + "`";
  if (run_id == "~" || run_id == "." || run_id == "..") return name + " has a meaning of its own in paths";
  const bool is_good = !run_id.empty() && run_id.size() <= static_cast<size_t>(limits::id_bytes_max) &&
                       std::ranges::all_of(run_id, is_allowed);
  if (is_good) return std::nullopt;
  return name + ": expected 1 to " + std::to_string(limits::id_bytes_max) +
         " ASCII letters, digits or any of _ . ~ : + -";
}

std::string_view to_string(RunType type) {
  switch (type) {
    case RunType::manual: return "manual";
    case RunType::scheduled: return "scheduled";
    case RunType::backfill: return "backfill";
    case RunType::asset_triggered: return "asset_triggered";
  }
  ENSURE(false, "a run type outside its enum");
}

std::optional<RunType> parse_run_type(std::string_view text) {
  for (const RunType type : {RunType::manual, RunType::scheduled, RunType::backfill, RunType::asset_triggered}) {
    if (to_string(type) == text) return type;
  }
  return std::nullopt;
}

std::string make_run_id(RunType type, TimePoint logical_date_or_run_after) {
  return std::string(to_string(type)) + "__" + format_time_offset(logical_date_or_run_after);
}

std::string to_string(const TryId& id) { return id.installation + "-" + std::to_string(id.fence); }

std::optional<TryId> parse_try_id(std::string_view text) {
  const size_t dash = text.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  const std::string_view installation = text.substr(0, dash);
  const std::string_view digits = text.substr(dash + 1);
  if (!std::ranges::all_of(installation, is_installation_character)) return std::nullopt;
  // One text per id: "x-07" would be a second folder of try 7.
  if (digits.empty() || digits.front() < '1' || digits.front() > '9') return std::nullopt;
  Fence fence = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), fence);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return TryId{std::string(installation), fence};
}

std::string to_string(const TaskInstanceKey& key) {
  std::string text = key.dag_id + "/" + key.run_id + "/" + key.task_id;
  if (key.map_index >= 0) text += "[" + std::to_string(key.map_index) + "]";
  return text;
}

}  // namespace udon
