#pragma once
// One document of a DAG file → one Dag, or diagnostics that say why not.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "dagfile/loader/fields.h"
#include "dagfile/loader/files.h"
#include "dagfile/loader/problems.h"
#include "model/dag.h"
#include "plugins/spec/spec.h"

namespace udon {

// What all parts of reading a document share. References outlive it.
struct DocumentContext {
  const Path& folder;
  const Path& relative;
  const OperatorCatalog& operators;
  Problems& problems;
  std::vector<IncludedFile>& included;
};

// The words of a DAG that are not in dag_fields().
const std::vector<std::string>& special_dag_keys();
// The words of a task that are not in task_fields().
const std::vector<std::string>& special_task_keys();

// The keys of `schedule` written as a map, of `dst`, and of what `expand` names.
const std::vector<std::string>& schedule_keys();    // schedule.cpp
const std::vector<std::string>& dst_keys();         // schedule.cpp
const std::vector<std::string>& calendar_keys();    // calendar.cpp
const std::vector<std::string>& map_source_keys();  // expand.cpp

const std::vector<std::string>& group_keys();        // groups.cpp: of one task group
const std::vector<std::string>& deadline_keys();     // deadlines.cpp
const std::vector<std::string>& notice_keys();       // notices.cpp: of one notice
const std::vector<std::string>& notice_list_keys();  // notices.cpp: on_success, …

struct LoadedDocument {
  Dag dag;               // as far as it could be read
  bool is_good = false;  // else `context.problems` has the errors
};
// `root` is a map.
LoadedDocument load_document(const DocumentContext& context, const YamlNode& root);

// Its parts, in the order in which they are read.
void read_schedule(const YamlNode& root, Dag& dag, Problems& problems);                    // schedule.cpp
void read_calendar(const YamlNode& node, Dag& dag, const DocumentContext& context);        // calendar.cpp
void read_params(const YamlNode& node, Dag& dag, Problems& problems);                      // document.cpp
std::optional<MapSpec> read_expand(const YamlNode& task, const DocumentContext& context);  // expand.cpp

// What is told on an event; `mapped`: names that `expand` binds.
std::vector<Notice> read_notices(NoticeEvent on, const YamlNode& node, const std::vector<std::string>& mapped,
                                 Problems& problems);  // notices.cpp

void read_deadlines(const YamlNode& node, Dag& dag, Problems& problems);  // deadlines.cpp

// A task as written, beside the Task that it becomes.
struct TaskSource {
  uint32_t offset = 0;  // of its id
  const YamlNode* node = nullptr;
  const OperatorSpec* spec = nullptr;  // null: unknown, and said so
  struct Parameter {
    std::string name;
    uint32_t offset = 0;  // of the name
    const YamlNode* value = nullptr;
    bool is_default = false;  // of default_args
  };
  std::vector<Parameter> parameters;                    // its own, then those of default_args
  std::vector<std::pair<std::string, uint32_t>> after;  // ids of tasks and groups, and where they stand
  std::vector<std::string> mapped_names;                // that its or its group's `expand` binds, as written
};
// A task group as written.
struct GroupSource {
  TaskGroup group;
  uint32_t offset = 0;  // of its id
  const YamlNode* default_args = nullptr;
  std::vector<std::pair<std::string, uint32_t>> after;  // what it is mapped over, too
  bool is_mapped = false;                               // also where `expand` could not be read
  std::vector<std::string> mapped_names;
};
std::vector<GroupSource> read_groups(const YamlNode& root, const DocumentContext& context);  // groups.cpp
void read_tasks(const YamlNode& root, Dag& dag, std::vector<TaskSource>& sources,
                const std::vector<GroupSource>& groups, const DocumentContext& context);  // tasks.cpp
void read_after(const YamlNode& node, std::vector<std::pair<std::string, uint32_t>>& after,
                Problems& problems);  // tasks.cpp
// Fills dag.groups and the tasks' mapped_group, and puts tasks in the place of groups in `after`.
void place_groups(Dag& dag, std::vector<TaskSource>& sources, std::vector<GroupSource>& groups,
                  Problems& problems);  // groups.cpp
// Resolves `after`, finds cycles, and puts both vectors into an order in which upstream comes before downstream:
// as written, as far as that goes.
void connect_tasks(Dag& dag, std::vector<TaskSource>& sources, Problems& problems);  // graph.cpp
// Parameters and templates against the operator's description; fills parameters and connections of the tasks.
void check_operators(Dag& dag, const std::vector<TaskSource>& sources, Problems& problems);  // operators.cpp

}  // namespace udon
