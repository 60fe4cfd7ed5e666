#include "dagfile/schema.h"

#include "dagfile/loader/document.h"
#include "dagfile/params.h"
#include "plugins/spec/data_type.h"

namespace udon {
namespace {

Value map(Value::Map members) { return Value(std::move(members)); }
Value list(Value::List items) { return Value(std::move(items)); }
Value any_of(Value::List options) { return map({{"anyOf", list(std::move(options))}}); }
Value reference(const std::string& name) { return map({{"$ref", "#/definitions/" + name}}); }

Value described(Value schema, std::string_view help) {
  schema.set("description", help);
  return schema;
}

Value texts(const std::vector<std::string>& words) {
  Value::List items;
  for (const std::string& word : words) items.emplace_back(word);
  return list(std::move(items));
}

Value schema_of(const FieldType& type) {
  switch (type.kind) {
    case FieldType::Kind::text: return map({{"type", "string"}});
    case FieldType::Kind::id: return reference("id");
    case FieldType::Kind::integer: {
      Value schema = map({{"type", "integer"}, {"minimum", type.least}});
      if (type.most != INT_MAX) schema.set("maximum", type.most);
      return schema;
    }
    case FieldType::Kind::flag: return map({{"type", "boolean"}});
    case FieldType::Kind::duration: return reference("duration");
    case FieldType::Kind::texts: return reference("texts");
    case FieldType::Kind::failures: {
      const Value one =
          any_of({map({{"enum", texts(type.words)}}), map({{"type", "integer"}, {"minimum", 1}, {"maximum", 255}})});
      return any_of({one, map({{"type", "array"}, {"items", one}})});
    }
    case FieldType::Kind::word: return map({{"enum", texts(type.words)}});
  }
  return Value::map();
}

Value schema_of(const ParamSpec& param);

Value schema_of_list(const ParamSpec& param) {
  Value schema = map({{"type", "array"}});
  Value::List items;
  for (const ParamSpec& item : param.items) items.push_back(schema_of(item));
  if (!items.empty()) schema.set("items", any_of(std::move(items)));
  if (param.required) schema.set("minItems", 1);
  return schema;
}

Value schema_of_map(const ParamSpec& param) {
  Value schema = map({{"type", "object"}});
  if (param.required) schema.set("minProperties", 1);
  if (!param.values.empty()) schema.set("additionalProperties", schema_of(param.values.front()));
  if (param.members.empty()) return schema;
  Value properties = Value::map();
  Value required = Value::list();
  for (const ParamSpec& member : param.members) {
    properties.set(member.name, schema_of(member));
    if (member.required) required.push_back(member.name);
  }
  schema.set("properties", std::move(properties));
  if (required.size() > 0) schema.set("required", std::move(required));
  schema.set("additionalProperties", false);
  return schema;
}

Value schema_of(const ParamSpec& param) {
  Value schema;
  switch (param.type) {
    case ParamType::any: return described(Value::map(), param.help);
    case ParamType::sql:
      schema = map({{"type", "string"}});
      if (!param.items.empty())
        schema = any_of({schema, map({{"type", "array"}, {"items", map({{"type", "string"}})}, {"minItems", 1}})});
      break;
    case ParamType::string:
    case ParamType::uri:
    case ParamType::timezone:
    case ParamType::command: schema = map({{"type", "string"}}); break;
    case ParamType::data_type: schema = map({{"type", "string"}, {"pattern", data_type_pattern()}}); break;
    case ParamType::connection: schema = reference("id"); break;
    case ParamType::integer: schema = map({{"type", "integer"}}); break;
    case ParamType::number: schema = map({{"type", "number"}}); break;
    case ParamType::boolean: schema = map({{"type", "boolean"}}); break;
    case ParamType::duration: schema = reference("duration"); break;
    case ParamType::bytes: schema = map({{"type", list({"string", "integer"})}}); break;
    case ParamType::list: schema = schema_of_list(param); break;
    case ParamType::map: schema = schema_of_map(param); break;
    case ParamType::condition:
      schema = map(
          {{"type", "object"}, {"properties", map({{"sql", map({{"type", "string"}})}})}, {"required", list({"sql"})}});
      break;
  }
  const bool is_text = param.type == ParamType::string;
  if (is_text || param.type == ParamType::integer || param.type == ParamType::number) {
    if (param.min) schema.set(is_text ? "minLength" : "minimum", *param.min);
    if (param.max) schema.set(is_text ? "maxLength" : "maximum", *param.max);
  }
  // A template stands for a value of any type; so do the words that a description allows in its place.
  Value::List options;
  if (param.type == ParamType::string && !param.choices.empty())
    options.push_back(map({{"enum", texts(param.choices)}}));
  else
    options.push_back(std::move(schema));
  if (param.type != ParamType::string && !param.choices.empty())
    options.push_back(map({{"enum", texts(param.choices)}}));
  options.push_back(reference("template"));
  Value whole = described(any_of(std::move(options)), param.help);
  if (param.default_value && !param.default_value->is_null()) whole.set("default", *param.default_value);
  return whole;
}

std::string help_of(NoticeEvent event) {
  switch (event) {
    case NoticeEvent::success: return "Whom to tell when it succeeds.";
    case NoticeEvent::failure: return "Whom to tell when it fails for good.";
    case NoticeEvent::retry: return "Whom to tell when a try of it fails and another follows.";
    case NoticeEvent::skipped: return "Whom to tell when it is skipped.";
    case NoticeEvent::asked: return "Whom to tell when it needs an answer of people.";
    case NoticeEvent::deadline: return "Whom to tell when it is late.";
    case NoticeEvent::paused:
      return "Whom to tell when it is paused because too many runs failed in a row; if absent, as on_failure.";
  }
  return {};
}

void add_notices(Value& properties, const std::vector<NoticeEvent>& events) {
  for (const NoticeEvent event : events) properties.set(key_of(event), described(reference("notices"), help_of(event)));
}

Value notices_schema() {
  const Value text = map({{"type", "string"}});
  const auto notice = [&](const char* way, Value target, Value properties, Value::List required) {
    properties.set(way, std::move(target));
    properties.set("retries", map({{"type", "integer"}, {"minimum", 0}, {"maximum", 100}}));
    properties.set("timeout", reference("duration"));
    properties.set("when_unknown", map({{"enum", list({"leave", "resend"})}}));
    return map({{"type", "object"},
                {"required", list(std::move(required))},
                {"additionalProperties", false},
                {"properties", std::move(properties)}});
  };
  const Value one = any_of(
      {notice("webhook", reference("id"), map({{"text", text}, {"body", map({{"type", list({"object", "array"})}})}}),
              {"webhook"}),
       notice("email", reference("id"), map({{"to", reference("texts")}, {"subject", text}, {"text", text}}),
              {"email", "to"}),
       notice("command", map({{"type", "array"}, {"items", text}, {"minItems", 1}}), Value::map(), {"command"})});
  return any_of({one, map({{"type", "array"}, {"items", one}}), map({{"type", "null"}})});
}

void add_mapping(Value& properties) {
  const Value inputs = map({{"type", "object"}, {"additionalProperties", reference("mapped")}, {"minProperties", 1}});
  properties.set("expand", described(inputs, "One task instance for each item; several names: for each combination."));
  properties.set("expand_zip", described(inputs, "As expand, with the first of each list, then the second of each, …"));
}

Value task_properties() {
  Value properties = Value::map();
  properties.set("task_id", described(reference("id"), "In a list of tasks: its id."));
  properties.set("after", described(reference("texts"), "The tasks and task groups that it waits for."));
  add_mapping(properties);
  properties.set("teardown",
                 described(any_of({map({{"type", "boolean"}}), reference("texts")}),
                           "It clears away what the setup tasks have made whose ids are listed: it runs if they have "
                           "succeeded, whatever happened since."));
  for (const Field<Task>& field : task_fields())
    properties.set(field.key, described(schema_of(field.type), field.help));
  add_notices(properties, all_notice_events());
  return properties;
}

// The parameters of the operator `tables`, and the file that `udon fleet plan` writes.
Value tables_schema(const OperatorCatalog& operators) {
  Value properties = map({{"file", map({{"type", "string"}})}});
  Value::List required{"file"};
  if (const OperatorSpec* spec = operators.find("tables"))
    for (const ParamSpec& param : spec->params) {
      properties.set(param.name, schema_of(param));
      if (param.required) required.push_back(param.name);
    }
  return map({{"type", "object"},
              {"additionalProperties", false},
              {"properties", std::move(properties)},
              {"required", std::move(required)}});
}

Value schedule_schema() {
  const Value cron = map({{"type", "string"}});
  const Value crons = map({{"type", "array"}, {"items", cron}, {"minItems", 1}});
  return any_of(
      {described(
           cron,
           "A cron expression, @hourly, @daily, @weekly, @monthly, @quarterly, @yearly, @once, @continuous or none."),
       map({{"type", "null"}}), crons,
       map({{"type", "object"},
            {"additionalProperties", false},
            {"properties",
             map({{"cron", any_of({cron, crons})},
                  {"every", reference("duration")},
                  {"times", map({{"type", "array"}, {"items", map({{"type", "string"}})}, {"minItems", 1}})},
                  {"assets", described(reference("assets"), "Due when events of these have come.")},
                  {"interval", described(any_of({map({{"type", "boolean"}}), reference("duration")}),
                                         "A run is about the time since the one before, or so long.")}})}})});
}

Value calendar_schema() {
  const Value days = described(reference("texts"), "Dates, and files of a date and its name a line.");
  const Value weekday = map({{"enum", list({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})}});
  return described(
      map({{"type", "object"},
           {"additionalProperties", false},
           {"properties",
            map({{"weekdays", any_of({weekday, map({{"type", "array"}, {"items", weekday}, {"minItems", 1}})})},
                 {"skip", days},
                 {"only", days},
                 {"day_off", map({{"enum", list({"skip", "next", "previous"})}})},
                 {"day_of", map({{"enum", list({"run", "data"})}})},
                 {"gaps", map({{"enum", list({"covered", "left_out"})}})}})}}),
      "The days on which runs may be, and what becomes of those on other days.");
}

Value group_schema(const Value& default_args) {
  const Value text = map({{"type", "string"}});
  Value properties = Value::map();
  properties.set("group_display_name", described(text, "Its name as shown; else the last part of its id."));
  properties.set("tooltip", described(text, "One line for people."));
  properties.set("doc", described(text, "For people, in Markdown."));
  properties.set("default_args", default_args);
  properties.set("after", described(reference("texts"), "The tasks and groups that its first tasks wait for."));
  add_mapping(properties);
  return map(
      {{"type", list({"object", "null"})}, {"additionalProperties", false}, {"properties", std::move(properties)}});
}

Value dag_properties() {
  const Value date =
      described(map({{"type", "string"}}), "2026-01-31, or a time; without an offset it is the DAG's time zone's.");
  Value properties = Value::map();
  properties.set("dag", described(reference("id"), "The DAG's id."));
  properties.set("schedule", described(schedule_schema(), "When runs are due."));
  properties.set("timezone", described(map({{"type", "string"}}),
                                       "Of the schedule and of local.*: Asia/Seoul. UTC unless said otherwise."));
  properties.set("dst",
                 described(map({{"type", "object"},
                                {"additionalProperties", false},
                                {"properties", map({{"skipped", map({{"enum", list({"run_after", "skip"})}})},
                                                    {"repeated", map({{"enum", list({"first", "last", "both"})}})}})}}),
                           "What becomes of times that daylight saving skips or repeats."));
  properties.set("calendar", calendar_schema());
  properties.set("start_date", date);
  properties.set("end_date", date);
  Value param = Value::map();
  for (const std::string& key : param_schema_keys()) param.set(key, Value::map());
  properties.set(
      "params",
      described(
          map({{"type", "object"},
               {"additionalProperties",
                any_of({map({{"type", "object"}, {"additionalProperties", false}, {"properties", std::move(param)}}),
                        map({{"type", list({"string", "number", "boolean", "array", "null"})}})})}}),
          "What a run can be given: JSON Schema by name, or just a default."));
  Value defaults = Value::map();
  for (const Field<Task>& field : task_fields()) defaults.set(field.key, described(schema_of(field.type), field.help));
  add_notices(defaults, all_notice_events());
  const Value default_args = described(map({{"type", "object"}, {"properties", std::move(defaults)}}),
                                       "What all tasks have unless they say otherwise; parameters of operators too.");
  properties.set("default_args", default_args);
  properties.set("task_groups",
                 described(map({{"type", "object"}, {"additionalProperties", group_schema(default_args)}}),
                           "What task groups say of themselves and of their tasks, by id: a dotted "
                           "path for one that lies in another."));
  const Value task = reference("task");
  properties.set("tasks", any_of({map({{"type", "object"}, {"additionalProperties", task}, {"minProperties", 1}}),
                                  map({{"type", "array"}, {"items", task}, {"minItems", 1}})}));
  for (const Field<Dag>& field : dag_fields()) properties.set(field.key, described(schema_of(field.type), field.help));
  add_notices(properties, dag_notice_events());
  Value::List references;
  for (const Deadline::Of of : all_deadline_references()) references.emplace_back(to_string(of));
  const Value deadline = map({{"type", "object"},
                              {"required", list({"after", "notify"})},
                              {"additionalProperties", false},
                              {"properties", map({{"after", reference("duration")},
                                                  {"of", map({{"enum", list(std::move(references))}})},
                                                  {"notify", reference("notices")}})}});
  properties.set("deadline", described(any_of({deadline, map({{"type", "array"}, {"items", deadline}})}),
                                       "When a run should have ended, and whom to tell if it has not."));
  return properties;
}

}  // namespace

Value dag_file_schema(const OperatorCatalog& operators) {
  Value definitions = Value::map();
  definitions.set("id", map({{"type", "string"}, {"minLength", 1}}));
  definitions.set("duration", map({{"type", "string"}, {"pattern", "^([0-9]+(us|ms|s|m|h|d))+$|\\{[{%]"}}));
  definitions.set("texts", map({{"type", list({"string", "array"})}, {"items", map({{"type", "string"}})}}));
  const Value assets = reference("assets");
  const Value parts = map({{"type", "array"}, {"items", assets}, {"minItems", 1}});
  const auto combined = [&](const char* key) {
    return map({{"type", "object"},
                {"required", list({key})},
                {"additionalProperties", false},
                {"properties", map({{key, parts}})}});
  };
  definitions.set("assets", any_of({map({{"type", "string"}}), parts, combined("all"), combined("any")}));
  definitions.set("template", map({{"type", "string"}, {"pattern", "\\{[{%]"}}));
  definitions.set("notices", notices_schema());
  definitions.set("mapped",
                  any_of({map({{"type", "array"}}), map({{"type", "object"},
                                                         {"additionalProperties", false},
                                                         {"minProperties", 1},
                                                         {"maxProperties", 1},
                                                         {"properties", map({{"file", map({{"type", "string"}})},
                                                                             {"tables", tables_schema(operators)},
                                                                             {"xcom", reference("id")}})}})}));
  Value::List tasks;
  for (const std::string& name : operators.names()) {
    const OperatorSpec& spec = *operators.find(name);
    Value properties = Value::map();
    properties.set("operator", described(map({{"const", name}}), spec.summary));
    for (const ParamSpec& param : spec.params) properties.set(param.name, schema_of(param));
    const Value words = task_properties();
    for (const auto& [key, value] : words.as_map()) properties.set(key, value);
    definitions.set("task_" + name, map({{"type", "object"},
                                         {"required", list({"operator"})},
                                         {"additionalProperties", false},
                                         {"properties", std::move(properties)}}));
    tasks.push_back(reference("task_" + name));
  }
  definitions.set("task", any_of(std::move(tasks)));
  return map({{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "Udon DAG file"},
              {"type", "object"},
              {"required", list({"dag", "tasks"})},
              {"additionalProperties", false},
              {"properties", dag_properties()},
              {"definitions", std::move(definitions)}});
}

}  // namespace udon
