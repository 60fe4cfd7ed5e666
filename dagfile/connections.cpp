#include "dagfile/connections.h"

#include <algorithm>

#include "dagfile/templates.h"

namespace udon {

std::vector<std::string> connections_in_templates(const Task& task, const Value& context) {
  std::vector<std::string> ids;
  const auto add = [&](const std::string& id) {
    if (!id.empty() && std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  };
  // Templates are data: rendering one runs nothing and ends. One that cannot be rendered here names nothing here; the
  // try meets the same mistake and says what it is.
  for (const std::string& text : task.connection_templates) {
    if (const auto id = render_to_text(text, context, {})) add(*id);
  }
  TemplateLookups lookups;
  lookups.connection = [&](const std::string& id) -> Result<Value> {
    add(id);
    // Something to go on with, as Airflow names it; the real ones are for the try alone.
    const Value blank("");
    return Value(Value::Map{{"conn_id", id},
                            {"conn_type", blank},
                            {"description", blank},
                            {"host", blank},
                            {"login", blank},
                            {"password", blank},
                            {"schema", blank},
                            {"port", Value()},
                            {"extra", "{}"},
                            {"extra_dejson", Value::map()}});
  };
  for (const std::string& text : task.asking_templates) static_cast<void>(render_to_text(text, context, lookups));
  return ids;
}

}  // namespace udon
