// deadline: when a run should have ended, and whom to tell if it has not.
#include <algorithm>

#include "base/text.h"
#include "dagfile/loader/document.h"

namespace udon {
namespace {

std::vector<std::string> references() {
  std::vector<std::string> words;
  for (const Deadline::Of of : all_deadline_references()) words.emplace_back(to_string(of));
  return words;
}

void read_one(const YamlNode& node, Dag& dag, Problems& problems) {
  if (!node.is_map()) {
    problems.error(node, "`deadline`: " + expected("a map such as {after: 2h, notify: {webhook: CONNECTION}}", node));
    return;
  }
  const int before = problems.errors();
  for (const YamlMember& member : node.members) {
    const std::vector<std::string>& known = deadline_keys();
    if (std::ranges::find(known, member.key) != known.end()) continue;
    const std::string hint = did_you_mean(member.key, known);
    problems.error(member.offset,
                   "`deadline` has no `" + member.key + "`" + (hint.empty() ? "; it has " + join(known, ", ") : hint));
  }
  Deadline deadline;
  if (const YamlNode* after = node.find("after")) {
    if (const auto value = read_field({FieldType::Kind::duration, 1, 0, {}}, "deadline.after", *after, problems))
      deadline.after = value->duration;
  } else {
    problems.error(node, "`deadline`: `after` is missing: how long a run may take");
  }
  if (const YamlNode* of = node.find("of")) {
    if (const auto value = read_field({FieldType::Kind::word, 0, 0, references()}, "deadline.of", *of, problems))
      deadline.of = parse_deadline_reference(value->text).value_or(deadline.of);
  }
  if (const YamlNode* notify = node.find("notify")) {
    deadline.notices = read_notices(NoticeEvent::deadline, *notify, {"deadline"}, problems);
    if (deadline.notices.empty() && problems.errors() == before)
      problems.error(*notify, "`deadline.notify`: expected at least one notice");
  } else {
    problems.error(node, "`deadline`: `notify` is missing: whom to tell");
  }
  if (problems.errors() == before) dag.deadlines.push_back(std::move(deadline));
}

}  // namespace

const std::vector<std::string>& deadline_keys() {
  static const std::vector<std::string> keys{"after", "of", "notify"};
  return keys;
}

void read_deadlines(const YamlNode& node, Dag& dag, Problems& problems) {
  if (!node.is_list()) return read_one(node, dag, problems);
  for (const YamlNode& item : node.items) read_one(item, dag, problems);
}

}  // namespace udon
