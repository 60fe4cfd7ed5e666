#include "dagfile/templates.h"

#include "base/text.h"
#include "dagfile/templates/evaluator.h"
#include "dagfile/templates/parser.h"

namespace udon {
namespace {

bool has_tag(std::string_view text) {
  return text.find("{{") != std::string_view::npos || text.find("{%") != std::string_view::npos ||
         text.find("{#") != std::string_view::npos;
}

std::string place(int line, int column) { return std::to_string(line) + ":" + std::to_string(column) + ": "; }

enum class Form { typed, text };  // typed: a whole {{ … }} keeps its type

Result<Value> render_as(Form form, std::string_view text, const Value& context, const TemplateLookups& lookups) {
  if (!has_tag(text)) return Value(text);
  const templates::Parsed parsed = templates::parse(text);
  if (parsed.problem)
    return templates::failure(place(parsed.problem->line, parsed.problem->column) + parsed.problem->message);
  templates::Evaluator evaluator(context, lookups);
  const auto located = [&](const Error& error) {
    const auto& at = evaluator.failed_at();
    return at ? error.within(std::to_string(at->line) + ":" + std::to_string(at->column)) : error;
  };
  if (const templates::Node* whole = parsed.tree.whole(); whole != nullptr && form == Form::typed) {
    const Result<templates::Datum> datum = evaluator.evaluate(*whole);
    if (!datum) return located(datum.error());
    const Result<Value> value = templates::to_value(*datum);
    if (!value) return templates::failure(place(whole->position.line, whole->position.column) + value.error().message);
    return *value;
  }
  const Result<std::string> made = evaluator.render(parsed.tree);
  if (!made) return located(made.error());
  return Value(*made);
}

Result<Value> render_inside(const Value& value, const Value& context, const TemplateLookups& lookups,
                            const std::string& where) {
  if (value.is_string()) {
    Result<Value> rendered = render_as(Form::typed, value.as_string(), context, lookups);
    if (!rendered && !where.empty()) return rendered.error().within(where);
    return rendered;
  }
  if (value.is_list()) {
    Value::List list;
    list.reserve(value.as_list().size());
    for (size_t i = 0; i < value.as_list().size(); ++i) {
      TRY_ASSIGN(Value item,
                 render_inside(value.as_list()[i], context, lookups, where + "[" + std::to_string(i) + "]"));
      list.push_back(std::move(item));
    }
    return Value(std::move(list));
  }
  if (value.is_map()) {
    Value::Map map;
    map.reserve(value.as_map().size());
    for (const auto& [key, member] : value.as_map()) {
      TRY_ASSIGN(Value item, render_inside(member, context, lookups, where.empty() ? key : where + "." + key));
      map.emplace_back(key, std::move(item));
    }
    return Value(std::move(map));
  }
  return value;
}

}  // namespace

const std::vector<std::string>& template_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all{"ds",
                                 "ds_nodash",
                                 "ts",
                                 "ts_nodash",
                                 "ts_nodash_with_tz",
                                 "logical_date",
                                 "data_interval_start",
                                 "data_interval_end",
                                 "local",
                                 "run_id",
                                 "params",
                                 "triggering_asset_events",
                                 "dag_run",
                                 "dag",
                                 "task",
                                 "try_number",
                                 "map_index",
                                 "task_instance_key_str"};
    const auto& globals = templates::global_names();
    all.insert(all.end(), globals.begin(), globals.end());
    return all;
  }();
  return names;
}

const std::vector<std::string>* members_of_template_name(std::string_view name) {
  static const std::vector<std::string> local{"ds", "ts", "logical_date", "data_interval_start", "data_interval_end"};
  static const std::vector<std::string> macros{"ds_add", "ds_format", "timedelta"};
  static const std::vector<std::string> dag_run{"dag_id",
                                                "run_id",
                                                "run_type",
                                                "logical_date",
                                                "data_interval_start",
                                                "data_interval_end",
                                                "run_after",
                                                "queued_at",
                                                "start_date",
                                                "triggered_by",
                                                "conf"};
  if (name == "local") return &local;
  if (name == "macros") return &macros;
  if (name == "dag_run") return &dag_run;
  return nullptr;
}

std::optional<TemplateProblem> check_template(std::string_view text) {
  if (!has_tag(text)) return std::nullopt;
  return templates::parse(text).problem;
}

Result<Value> render_text(std::string_view text, const Value& context, const TemplateLookups& lookups) {
  return render_as(Form::typed, text, context, lookups);
}

Result<std::string> render_to_text(std::string_view text, const Value& context, const TemplateLookups& lookups) {
  TRY_ASSIGN(Value value, render_as(Form::text, text, context, lookups));
  return std::move(value.as_string());
}

Result<Value> render(const Value& value, const Value& context, const TemplateLookups& lookups) {
  return render_inside(value, context, lookups, "");
}

}  // namespace udon
