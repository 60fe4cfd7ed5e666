#include "cli/failures.h"

#include <algorithm>
#include <map>

#include "cli/verbs.h"

namespace udon::cli {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || (c & 0x80) != 0;
}

}  // namespace

std::string without_particulars(std::string_view message) {
  std::string text;
  for (size_t i = 0; i < message.size();) {
    const char c = message[i];
    const bool begins_word = i == 0 || !is_word(message[i - 1]);
    const size_t close = c == '`' || c == '"' || (c == '\'' && begins_word) ? message.find(c, i + 1) : message.npos;
    if (close != message.npos) {
      text += c;
      text += "…";
      text += c;
      i = close + 1;
    } else if (begins_word && message.substr(i).starts_with("table ")) {
      text += "table …";
      i += 6;
      while (i < message.size() && message[i] != ' ' && message[i] != ':' && message[i] != ',') ++i;
    } else if (is_digit(c)) {
      text += '#';
      while (i < message.size() &&
             (is_digit(message[i]) || (message[i] == '.' && i + 1 < message.size() && is_digit(message[i + 1]))))
        ++i;
    } else {
      text += c;
      ++i;
    }
  }
  return text;
}

Result<std::vector<FailureGroup>> failure_groups(Api& api, const std::string& dag_id, const std::string& run_id) {
  TRY_ASSIGN(const Value found, api.get_all("/api/v2/dags/" + path_of({dag_id}) + "/dagRuns/" + path_of({run_id}) +
                                                "/taskInstances?state=failed",
                                            "task_instances"));
  struct Group {
    std::string first;  // message
    std::vector<std::string> instances;
  };
  std::map<std::string, Group> by_cause;
  for (const Value& row : found.get("task_instances").as_list()) {
    const std::string message = row.text("note", "no message");
    Group& group = by_cause[without_particulars(message)];
    if (group.instances.empty()) group.first = message;
    group.instances.push_back(shown_name(row));
  }
  std::vector<FailureGroup> groups;
  for (auto& [cause, group] : by_cause)
    groups.push_back({group.instances.size() == 1 ? group.first : cause, std::move(group.instances)});
  std::ranges::stable_sort(groups, std::greater(), [](const FailureGroup& group) { return group.instances.size(); });
  return groups;
}

}  // namespace udon::cli
