#include "scheduler/asset_events.h"

#include <algorithm>
#include <set>

#include "base/limits.h"
#include "base/text.h"
#include "dagfile/templates.h"
#include "scheduler/context.h"

namespace udon {

namespace {

bool is_template(const std::string& text) { return text.find("{{") != text.npos || text.find("{%") != text.npos; }

}  // namespace

std::vector<std::string> assets_named_in(const Dag& dag) {
  std::set<std::string> names;
  if (dag.schedule.assets) {
    for (std::string& name : assets_of(*dag.schedule.assets)) names.insert(std::move(name));
  }
  for (const Task& task : dag.tasks) {
    for (const auto* list : {&task.outlets, &task.inlets}) {
      for (const std::string& name : *list) {
        if (!is_template(name) && !problem_of_asset(name)) names.insert(name);
      }
    }
  }
  return {names.begin(), names.end()};
}

Result<std::vector<AssetEvent>> asset_events_of(const ActiveRun& run, InstanceRef at, const Value& xcoms,
                                                TimePoint now) {
  const Task& task = run.dag().tasks[static_cast<size_t>(at.task)];
  std::vector<AssetEvent> events;
  Value context;
  for (const std::string& outlet : task.outlets) {
    std::string name = outlet;
    if (is_template(outlet)) {
      if (context.is_null()) context = make_context(run, at);
      auto rendered = render_to_text(outlet, context, {});
      if (!rendered)
        return Error{ErrorKind::invalid, "outlet `" + outlet + "` cannot be rendered: " + rendered.error().message};
      name = std::move(*rendered);
    }
    if (const auto problem = problem_of_asset(name))
      return Error{ErrorKind::invalid, "outlet `" + outlet + "`: " + *problem};
    if (std::ranges::find(events, name, &AssetEvent::asset) != events.end()) continue;
    AssetEvent event;
    event.asset = std::move(name);
    event.at = now;
    event.source_dag_id = run.row.dag_id;
    event.source_run_id = run.row.run_id;
    event.source_task_id = task.task_id;
    event.source_map_index = run.instance(at).map_index;
    events.push_back(std::move(event));
  }
  const Value* said = xcoms.is_map() ? xcoms.find(outlet_events_key) : nullptr;
  if (said == nullptr || said->is_null()) return events;
  const std::string xcom = "XCom `" + std::string(outlet_events_key) + "`";
  if (!said->is_map()) return Error{ErrorKind::invalid, xcom + " is no map of assets"};
  for (const auto& [name, extra] : said->as_map()) {
    const auto event = std::ranges::find(events, name, &AssetEvent::asset);
    if (event == events.end()) {
      std::vector<std::string> outlets;
      for (const AssetEvent& one : events) outlets.push_back(one.asset);
      return Error{ErrorKind::invalid,
                   xcom + " names `" + name + "`, which is none of the task's outlets" + did_you_mean(name, outlets)};
    }
    if (!extra.is_map()) return Error{ErrorKind::invalid, xcom + ": what it says of `" + name + "` is no map"};
    if (const auto bytes = static_cast<int64_t>(to_json(extra).size()); bytes > limits::asset_extra_bytes_max) {
      return Error{ErrorKind::invalid, xcom + ": what it says of `" + name + "` has " + std::to_string(bytes) +
                                           " bytes; at most " + std::to_string(limits::asset_extra_bytes_max) +
                                           " are allowed: hand on a path, not the data"};
    }
    event->extra = extra;
  }
  return events;
}

Value triggering_asset_events(const ActiveRun& run) {
  // The newest where there are more than anybody reads: they stand in the request of each try.
  const size_t first = run.events.size() - std::min<size_t>(run.events.size(), limits::asset_events_told_max);
  Value by_asset = Value::map();
  for (size_t i = first; i < run.events.size(); ++i) {
    const AssetEvent& event = *run.events[i];
    const auto name_or_null = [](const std::string& name) { return name.empty() ? Value() : Value(name); };
    Value shown = Value::Map{{"timestamp", format_time_offset(event.at)},
                             {"extra", event.extra},
                             {"source_dag_id", name_or_null(event.source_dag_id)},
                             {"source_run_id", name_or_null(event.source_run_id)},
                             {"source_task_id", name_or_null(event.source_task_id)},
                             {"source_map_index", event.source_map_index}};
    Value list = by_asset.get(event.asset);
    if (!list.is_list()) list = Value::list();
    list.push_back(std::move(shown));
    by_asset.set(event.asset, std::move(list));
  }
  return by_asset;
}

}  // namespace udon
