#include "plugins/tables/rules.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"

namespace udon {
namespace {

const std::vector<std::string> action_keys = {"mask", "type", "as", "leave_out"};

std::vector<std::string> texts_of(const Value& value) {
  if (value.is_string()) return {value.as_string()};
  std::vector<std::string> texts;
  if (value.is_list())
    for (const Value& item : value.as_list())
      if (item.is_string()) texts.push_back(item.as_string());
  return texts;
}

Result<Value> parse_action(const Value& map, const std::vector<std::string>& besides, const std::string& where) {
  std::vector<std::string> known = action_keys;
  known.insert(known.end(), besides.begin(), besides.end());
  Value action = Value::map();
  if (!map.is_map()) return Error{ErrorKind::invalid, where + ": expected a map of " + join(known, ", ")};
  for (const auto& [key, value] : map.as_map()) {
    if (std::ranges::find(known, key) == known.end())
      return Error{ErrorKind::invalid, where + ": unknown key `" + key + "`" + did_you_mean(key, known)};
    if (std::ranges::find(action_keys, key) == action_keys.end()) continue;
    if (key == "leave_out" ? !value.is_bool() : !value.is_string() && !value.is_null())
      return Error{ErrorKind::invalid, where + ": `" + key + "` is " + std::string(value.type_name())};
    action.set(key, value);
  }
  return action;
}

bool is_any_like(const ListedTable& table, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    const bool is_qualified = pattern.find('.') != std::string::npos;
    return is_like(is_qualified ? table.schema + "." + table.name : table.name, pattern);
  });
}

class Planner {
 public:
  Planner(const TableRules& rules, const std::string& connection_id) : rules_(rules), connection_id_(connection_id) {}

  Result<TablePlan> run(const std::vector<ListedTable>& tables) {
    TRY(check_overrides(tables));
    for (const ListedTable& table : tables) {
      if (!is_any_like(table, rules_.like)) continue;
      if (is_any_like(table, rules_.except)) continue;
      const Value& own = rules_.overrides.get(table.table);
      if (own.flag("leave_out")) continue;
      if (!table.is_readable) {
        plan_.warnings.push_back(
            "table " + table.table +
            " is left out: the user may not SELECT from it; GRANT SELECT, or put it into `except`");
        continue;
      }
      TRY_ASSIGN(Value entry, plan(table, own));
      if (entry.get("columns").size() == 0) {
        plan_.warnings.push_back(
            "table " + table.table + " is left out: " +
            (table.columns.empty() ? "it has no columns" : "the rules leave out each of its columns") +
            "; put it into `except`");
        continue;
      }
      plan_.entries.push_back(std::move(entry));
    }
    for (size_t i = 0; i < rules_.policies.size(); ++i)
      if (!used_.contains(i)) plan_.warnings.push_back("no column matches " + rules_.policies[i].written);
    if (plan_.entries.empty()) plan_.warnings.push_back("no table matches");
    return std::move(plan_);
  }

 private:
  Result<void> check_overrides(const std::vector<ListedTable>& tables) const {
    std::vector<std::string> names;
    for (const ListedTable& table : tables) names.push_back(table.table);
    if (!rules_.overrides.is_map()) return {};
    for (const auto& [name, own] : rules_.overrides.as_map()) {
      const auto found = std::ranges::find(tables, name, &ListedTable::table);
      if (found == tables.end())
        return Error{ErrorKind::invalid, "overrides: there is no table `" + name + "`" + did_you_mean(name, names)};
      std::vector<std::string> columns;
      for (const ListedColumn& column : found->columns) columns.push_back(column.name);
      if (!own.get("columns").is_map()) continue;
      for (const auto& [column, action] : own.get("columns").as_map())
        if (std::ranges::find(columns, column) == columns.end())
          return Error{ErrorKind::invalid, "overrides: table `" + name + "` has no column `" + column + "`" +
                                               did_you_mean(column, columns)};
    }
    return {};
  }

  // What is said of the column itself goes before the policies; of these the first that says something of a key.
  Result<Value> action_of(const ListedTable& table, const ListedColumn& column, const Value& own) {
    Value action = Value::map();
    if (const Value& said = own.get("columns").get(column.name); !said.is_null()) {
      TRY_ASSIGN(action, parse_action(said, {}, "overrides: " + table.table + "." + column.name));
    }
    for (size_t i = 0; i < rules_.policies.size(); ++i) {
      const TableRules::Policy& policy = rules_.policies[i];
      if (!is_like(column.name, policy.column) || !is_any_like(table, {policy.table}) ||
          !is_like(column.type, policy.source_type))
        continue;
      used_.insert(i);
      for (const auto& [key, value] : policy.action.as_map())
        if (!action.find(key)) action.set(key, value);
    }
    return action;
  }

  Result<Value> plan(const ListedTable& table, const Value& own) {
    Value entry = Value::Map{{"table", table.table}, {"connection", connection_id_}};
    for (const auto& [key, value] : rules_.defaults.as_map()) entry.set(key, value);
    if (own.is_map())
      for (const auto& [key, value] : own.as_map())
        if (key != "columns" && key != "leave_out") entry.set(key, value);
    Value columns = Value::list(), seen = Value::map(), key = Value::list();
    std::map<std::string, std::string> names;  // in the file → in the table
    for (const ListedColumn& column : table.columns) {
      seen.set(column.name, column.type);
      TRY_ASSIGN(const Value action, action_of(table, column, own));
      if (action.flag("leave_out")) continue;
      const std::string as = action.text("as", column.name);
      if (const auto [other, is_new] = names.emplace(lower_ascii(as), column.name); !is_new)
        return Error{ErrorKind::invalid, "table " + table.table + ": columns `" + other->second + "` and `" +
                                             column.name + "` are both `" + as + "`; rename one by `overrides`"};
      Value item = Value::Map{{"name", column.name}};
      if (as != column.name) item.set("as", as);
      for (const char* name : {"mask", "type"})
        if (!action.text(name).empty()) item.set(name, action.get(name));
      columns.push_back(item.size() == 1 ? Value(column.name) : std::move(item));
    }
    for (const std::string& name : table.key) key.push_back(name);
    entry.set("columns", std::move(columns));
    entry.set("key", std::move(key));
    entry.set("seen", std::move(seen));
    return entry;
  }

  const TableRules& rules_;
  const std::string& connection_id_;
  std::set<size_t> used_;  // policies
  TablePlan plan_;
};

}  // namespace

bool is_like(std::string_view name, std::string_view pattern) {
  const std::string text = lower_ascii(name), wanted = lower_ascii(pattern);
  const std::vector<std::string> pieces = split(wanted, '%');
  if (pieces.size() == 1) return text == wanted;
  if (!text.starts_with(pieces.front())) return false;
  size_t at = pieces.front().size();
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {
    const size_t found = text.find(pieces[i], at);
    if (found == std::string::npos) return false;
    at = found + pieces[i].size();
  }
  return text.size() - at >= pieces.back().size() && text.ends_with(pieces.back());
}

Result<TableRules> TableRules::parse(const Value& parameters) {
  TableRules rules;
  if (const auto like = texts_of(parameters.get("like")); !like.empty()) rules.like = like;
  rules.except = texts_of(parameters.get("except"));
  if (parameters.get("defaults").is_map()) rules.defaults = parameters.get("defaults");
  if (parameters.get("overrides").is_map()) rules.overrides = parameters.get("overrides");
  for (const Value* map : {&rules.defaults, &rules.overrides})
    for (const auto& [name, value] : map->as_map()) {
      const Value& members = map == &rules.overrides ? value : *map;
      if (!members.is_map())
        return Error{ErrorKind::invalid,
                     "overrides: expected a map for `" + name + "`, found " + std::string(value.type_name())};
      for (const char* taken : {"table", "connection", "key", "seen"})
        if (members.find(taken))
          return Error{ErrorKind::invalid,
                       std::string("`") + taken + "` is what is found of a table, and cannot be said"};
    }
  if (!parameters.get("policies").is_list()) return rules;
  for (const Value& item : parameters.get("policies").as_list()) {
    Policy policy;
    policy.written = "policy " + to_json(item);
    TRY_ASSIGN(policy.action, parse_action(item, {"column", "table", "source_type"}, "policies"));
    policy.column = item.text("column", "%");
    policy.table = item.text("table", "%");
    policy.source_type = item.text("source_type", "%");
    if (policy.action.size() == 0)
      return Error{ErrorKind::invalid, policy.written + " does nothing: give it one of " + join(action_keys, ", ")};
    rules.policies.push_back(std::move(policy));
  }
  return rules;
}

Result<TablePlan> plan_tables(const std::vector<ListedTable>& tables, const TableRules& rules,
                              const std::string& connection_id) {
  return Planner(rules, connection_id).run(tables);
}

}  // namespace udon
