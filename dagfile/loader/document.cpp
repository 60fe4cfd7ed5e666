#include "dagfile/loader/document.h"

#include <algorithm>

#include "base/text.h"
#include "dagfile/params.h"

namespace udon {

const std::vector<std::string>& special_dag_keys() {
  static const std::vector<std::string> keys{"dag",        "schedule",  "timezone",     "dst",      "start_date",
                                             "end_date",   "params",    "default_args", "tasks",    "on_success",
                                             "on_failure", "on_paused", "deadline",     "calendar", "task_groups"};
  return keys;
}

void read_params(const YamlNode& node, Dag& dag, Problems& problems) {
  if (!node.is_map()) {
    problems.error(
        node,
        "`params`: " + expected("a map of names to schemas, such as {limit: {type: integer, default: 10}}", node));
    return;
  }
  for (const YamlMember& member : node.members) {
    Param param;
    param.name = member.key;
    const std::string where = "param `" + member.key + "`";
    if (member.key.empty()) problems.error(member.offset, "`params`: a name is empty");
    if (!member.value.is_map()) {
      param.default_value = to_value(member.value);  // as in Airflow: a plain value is the default
      dag.params.push_back(std::move(param));
      continue;
    }
    param.schema = to_value(member.value);
    if (const Result<void> good = check_param_schema(param.schema); !good) {
      problems.error(member.value, where + ": " + good.error().message);
      continue;
    }
    if (const YamlNode* otherwise = member.value.find("default")) {
      param.default_value = to_value(*otherwise);
      param.schema.erase("default");
      if (const Result<void> fits = check_param(*param.default_value, param.schema, ""); !fits)
        problems.error(*otherwise, where + ": default: " + fits.error().message);
    } else if (!std::holds_alternative<NoSchedule>(dag.schedule.kind)) {
      problems.error(member.offset, where + " has no default, and a scheduled run has nobody to ask");
    }
    dag.params.push_back(std::move(param));
  }
}

LoadedDocument load_document(const DocumentContext& context, const YamlNode& root) {
  Problems& problems = context.problems;
  const int errors_before = problems.errors();
  Dag dag;
  const YamlNode* id = root.find("dag");
  if (id == nullptr) {
    problems.error(root, "`dag` is missing: the DAG's id");
  } else if (auto read = read_id("dag", *id, problems)) {
    dag.dag_id = std::move(*read);
    problems.name_dag(dag.dag_id);
  }
  std::vector<std::string> known = special_dag_keys();
  for (const Field<Dag>& field : dag_fields()) known.emplace_back(field.key);
  for (const YamlMember& member : root.members) {
    if (const Field<Dag>* field = find_field(dag_fields(), member.key)) {
      if (auto value = read_field(field->type, field->key, member.value, problems)) field->set(dag, std::move(*value));
    } else if (std::find(known.begin(), known.end(), member.key) == known.end()) {
      const std::string hint = did_you_mean(member.key, known);
      problems.error(member.offset, "unknown key `" + member.key + "` of a DAG" +
                                        (hint.empty() ? "; there are " + join(known, ", ") : hint));
    }
  }
  read_schedule(root, dag, problems);
  if (const YamlNode* calendar = root.find("calendar")) read_calendar(*calendar, dag, context);
  if (const YamlNode* params = root.find("params")) read_params(*params, dag, problems);
  for (const NoticeEvent event : dag_notice_events()) {
    const YamlNode* notices = root.find(key_of(event));
    if (notices == nullptr) continue;
    for (Notice& notice : read_notices(event, *notices, {}, problems)) dag.notices.push_back(std::move(notice));
  }
  // Who wants to hear of failures wants to hear of this.
  if (dag.max_consecutive_failed_dag_runs && root.find(key_of(NoticeEvent::paused)) == nullptr) {
    std::vector<Notice> of_failures = dag.notices;
    std::erase_if(of_failures, [](const Notice& notice) { return notice.on != NoticeEvent::failure; });
    for (Notice& notice : of_failures) {
      notice.on = NoticeEvent::paused;
      dag.notices.push_back(std::move(notice));
    }
  }
  if (const YamlNode* deadline = root.find("deadline")) read_deadlines(*deadline, dag, problems);
  std::vector<TaskSource> sources;
  std::vector<GroupSource> groups = read_groups(root, context);
  read_tasks(root, dag, sources, groups, context);
  place_groups(dag, sources, groups, problems);
  connect_tasks(dag, sources, problems);
  check_operators(dag, sources, problems);
  return {std::move(dag), problems.errors() == errors_before};
}

}  // namespace udon
