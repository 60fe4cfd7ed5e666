#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/text.h"
#include "plugins/api/operator.h"
#include "plugins/api/plugin.h"
#include "plugins/data/arrow_result.h"
#include "plugins/sql_check/answer.h"
#include "plugins/sql_check/compare.h"

namespace udon {

extern const char sql_check_description[];
extern const char sql_check_help[];

namespace {

constexpr size_t shown_max = 10;  // differences in the message; the log has more
constexpr size_t logged_max = 200;
constexpr int64_t rows_max_default = 100'000;

// The data is not as it should be: of this kind no retry helps, so none is made.
Error failed(const std::string& what) { return {ErrorKind::data, "check failed: " + what}; }

struct Named {
  std::vector<std::string> columns;
  CheckRow row;

  Value value() const {
    Value map = Value::map();
    for (size_t c = 0; c < columns.size(); ++c) map.set(columns[c], row[c].is_null ? Value() : Value(row[c].text));
    return map;
  }
};

Result<Named> read_one_row(TaskContext& context, const CheckQuery& query) {
  Named one;
  bool is_there = false;
  TRY_ASSIGN(one.columns, read_answer(context, query, [&](const auto&, CheckRow row) -> Result<void> {
               if (is_there)
                 return failed(fmt::format("`{}` gave more than one row, where one is looked at", query.parameter));
               is_there = true;
               one.row = std::move(row);
               return {};
             }));
  if (!is_there) return failed(fmt::format("`{}` gave no row", query.parameter));
  return one;
}

Outcome passed(const std::string& message, Value value) {
  Outcome outcome;
  outcome.message = message;
  outcome.return_value = std::move(value);
  return outcome;
}

Result<Outcome> check_row(TaskContext& context, const CheckQuery& query) {
  TRY_ASSIGN(const Named one, read_one_row(context, query));
  std::vector<std::string> wrong;
  for (size_t c = 0; c < one.columns.size(); ++c)
    if (!one.row[c].is_truthy()) wrong.push_back(fmt::format("`{}` is {}", one.columns[c], one.row[c].shown()));
  if (!wrong.empty())
    return failed(join(wrong, ", ") + "; expected every column to be neither NULL, 0, false nor empty");
  return passed(fmt::format("{} columns are true", one.columns.size()), one.value());
}

Result<Outcome> check_value(TaskContext& context, const CheckQuery& query, const Tolerance& tolerance) {
  const Value* expected = context.parameters().find("expected");
  std::map<std::string, CheckCell> by_name;
  std::optional<CheckCell> of_all = expected_cell(*expected);
  if (expected->is_list()) return Error{ErrorKind::invalid, "expected: a list; write one value, or {column: value}"};
  if (expected->is_map())
    for (const auto& [name, value] : expected->as_map()) {
      const auto cell = expected_cell(value);
      if (!cell) return Error{ErrorKind::invalid, fmt::format("expected: `{}` is no single value", name)};
      by_name.emplace(name, *cell);
    }
  TRY_ASSIGN(const Named one, read_one_row(context, query));
  for (const auto& [name, cell] : by_name)
    if (std::ranges::find(one.columns, name) == one.columns.end())
      return Error{ErrorKind::invalid,
                   fmt::format("expected: `sql` gives no column `{}`{}", name, did_you_mean(name, one.columns))};
  std::vector<std::string> wrong;
  for (size_t c = 0; c < one.columns.size(); ++c) {
    const auto named = by_name.find(one.columns[c]);
    if (!of_all && named == by_name.end()) continue;
    const CheckCell& cell = of_all ? *of_all : named->second;
    if (!is_same(one.row[c], cell, tolerance))
      wrong.push_back(
          fmt::format("`{}` is {}, expected {}{}", one.columns[c], one.row[c].shown(), cell.shown(), tolerance.text()));
  }
  if (!wrong.empty()) return failed(join(wrong, "; "));
  return passed("as expected" + tolerance.text(), one.value());
}

Result<std::optional<Number>> bound_of(const Value& parameters, const char* name) {
  const Value& value = parameters.get(name);
  if (value.is_null()) return std::optional<Number>();
  auto number = Number::parse(value.is_string() ? value.as_string() : to_json(value));
  if (!number)
    return Error{ErrorKind::invalid,
                 fmt::format("{}: `{}` is no number", name, value.is_string() ? value.as_string() : to_json(value))};
  return number;
}

Result<Outcome> check_threshold(TaskContext& context, const CheckQuery& query) {
  TRY_ASSIGN(const std::optional<Number> min, bound_of(context.parameters(), "min"));
  TRY_ASSIGN(const std::optional<Number> max, bound_of(context.parameters(), "max"));
  if (!min && !max) return Error{ErrorKind::invalid, "check: threshold needs `min`, `max` or both"};
  if (min && max && *max < *min)
    return Error{ErrorKind::invalid, fmt::format("max: {} is less than min, {}", max->text(), min->text())};
  const std::string bounds = min && max ? fmt::format("from {} to {}", min->text(), max->text())
                             : min      ? "at least " + min->text()
                                        : "at most " + max->text();
  TRY_ASSIGN(const Named one, read_one_row(context, query));
  std::vector<std::string> wrong;
  for (size_t c = 0; c < one.columns.size(); ++c) {
    const CheckCell& cell = one.row[c];
    std::optional<Number> number = cell.number;
    if (!number && !cell.is_null) number = Number::parse(cell.text);
    if (!number || (min && *number < *min) || (max && *max < *number))
      wrong.push_back(fmt::format("`{}` is {}, expected {}", one.columns[c], cell.shown(), bounds));
  }
  if (!wrong.empty()) return failed(join(wrong, "; "));
  return passed(bounds, one.value());
}

// Two answers with the same key columns.
class KeyedComparison {
 public:
  KeyedComparison(TaskContext& context, std::vector<std::string> key, const Tolerance& tolerance)
      : context_(context), key_(std::move(key)), tolerance_(tolerance) {}

  Result<Outcome> run(const CheckQuery& left, const CheckQuery& right) {
    const int64_t rows_max = context_.parameters().integer("rows_max", rows_max_default);
    TRY_ASSIGN(left_columns_, read_answer(context_, left, [&](const auto& columns, CheckRow row) -> Result<void> {
                 if (left_columns_.empty()) TRY(learn_left(columns));
                 if (static_cast<int64_t>(rows_.size()) >= rows_max)
                   return Error{ErrorKind::data,
                                fmt::format("`sql` gives more than {} rows (`rows_max`); compare sums over "
                                            "groups of keys, or raise it",
                                            rows_max)};
                 const std::string key = key_of(row, left_key_);
                 if (!rows_.try_emplace(key, Entry{std::move(row), false}).second)
                   return failed(fmt::format("`sql` gives {} twice", shown_key(key)));
                 return {};
               }));
    if (left_key_.empty()) TRY(learn_left(left_columns_));
    uint64_t count = 0;
    TRY_ASSIGN(const std::vector<std::string> right_columns,
               read_answer(context_, right, [&](const auto& columns, CheckRow row) -> Result<void> {
                 if (count++ == 0) TRY(learn_right(columns));
                 return compare(row);
               }));
    if (count == 0) TRY(learn_right(right_columns));
    for (const auto& [key, entry] : rows_)
      if (!entry.is_seen) differ(fmt::format("{}: not in `other_sql`", shown_key(key)));
    if (differences_ > 0)
      return failed(fmt::format("{} of {} keys differ{}: {}{}", differences_, std::max<uint64_t>(rows_.size(), count),
                                tolerance_.text(), join(shown_, "; "), differences_ > shown_.size() ? "; …" : ""));
    Value value = Value::map();
    value.set("rows", static_cast<int64_t>(count));
    return passed(fmt::format("{} keys agree{}", count, tolerance_.text()), std::move(value));
  }

 private:
  struct Entry {
    CheckRow row;
    bool is_seen = false;
  };

  // Names are compared without case, which databases fold differently.
  static size_t index_of(const std::vector<std::string>& columns, const std::string& name) {
    const auto found =
        std::ranges::find_if(columns, [&](const std::string& c) { return lower_ascii(c) == lower_ascii(name); });
    return static_cast<size_t>(found - columns.begin());
  }

  Result<std::vector<size_t>> key_in(const std::vector<std::string>& columns, const char* parameter) const {
    std::vector<size_t> key;
    for (const std::string& name : key_) {
      key.push_back(index_of(columns, name));
      if (key.back() == columns.size())
        return Error{ErrorKind::invalid,
                     fmt::format("key: `{}` gives no column `{}`{}", parameter, name, did_you_mean(name, columns))};
    }
    return key;
  }
  Result<void> learn_left(const std::vector<std::string>& columns) {
    left_columns_ = columns;
    TRY_ASSIGN(left_key_, key_in(columns, "sql"));
    return {};
  }
  Result<void> learn_right(const std::vector<std::string>& columns) {
    TRY_ASSIGN(right_key_, key_in(columns, "other_sql"));
    if (columns.size() != left_columns_.size())
      return Error{ErrorKind::invalid,
                   fmt::format("`sql` gives the columns {}, `other_sql` {}; both have to give the same",
                               join(left_columns_, ", "), join(columns, ", "))};
    for (const std::string& name : left_columns_) {
      right_of_.push_back(index_of(columns, name));
      if (right_of_.back() == columns.size())
        return Error{ErrorKind::invalid,
                     fmt::format("`other_sql` gives no column `{}`{}", name, did_you_mean(name, columns))};
    }
    return {};
  }

  static std::string key_of(const CheckRow& row, const std::vector<size_t>& key) {
    std::string text;
    for (const size_t c : key) {
      const CheckCell& cell = row[c];
      text += cell.is_null ? std::string("\x01") : cell.number ? cell.number->text() : cell.text;
      text += '\x1f';
    }
    return text;
  }
  std::string shown_key(const std::string& key) const {
    const std::vector<std::string> parts = split(key, '\x1f');
    std::string text;
    for (size_t i = 0; i < key_.size(); ++i)
      text += (i == 0 ? "" : ", ") + key_[i] + "=" + (parts[i] == "\x01" ? "NULL" : parts[i].substr(0, 100));
    return text;
  }

  Result<void> compare(const CheckRow& row) {
    const std::string key = key_of(row, right_key_);
    const auto found = rows_.find(key);
    if (found == rows_.end()) {
      differ(fmt::format("{}: not in `sql`", shown_key(key)));
      return {};
    }
    if (std::exchange(found->second.is_seen, true))
      return failed(fmt::format("`other_sql` gives {} twice", shown_key(key)));
    std::vector<std::string> wrong;
    for (size_t c = 0; c < left_columns_.size(); ++c) {
      if (std::ranges::find(left_key_, c) != left_key_.end()) continue;
      const CheckCell &left = found->second.row[c], &right = row[right_of_[c]];
      if (!is_same(right, left, tolerance_))
        wrong.push_back(fmt::format("`{}` {} and {}", left_columns_[c], left.shown(), right.shown()));
    }
    if (!wrong.empty()) differ(fmt::format("{}: {}", shown_key(key), join(wrong, ", ")));
    return {};
  }

  void differ(const std::string& what) {
    if (++differences_ <= shown_max) shown_.push_back(what);
    if (differences_ <= logged_max) context_.log("differs: " + what);
    if (differences_ == logged_max + 1) context_.log("further differences are counted only");
  }

  TaskContext& context_;
  const std::vector<std::string> key_;
  const Tolerance& tolerance_;
  std::vector<std::string> left_columns_;
  std::vector<size_t> left_key_, right_key_, right_of_;  // right_of_: of each left column its place on the right
  std::map<std::string, Entry> rows_;
  uint64_t differences_ = 0;
  std::vector<std::string> shown_;
};

Result<Outcome> compare_rows(TaskContext& context, const CheckQuery& left, const CheckQuery& right,
                             const Tolerance& tolerance) {
  TRY_ASSIGN(const Named ours, read_one_row(context, left));
  TRY_ASSIGN(const Named theirs, read_one_row(context, right));
  if (ours.columns.size() != theirs.columns.size())
    return Error{ErrorKind::invalid,
                 fmt::format("`sql` gives {} columns, `other_sql` {}", ours.columns.size(), theirs.columns.size())};
  std::vector<std::string> wrong;
  for (size_t c = 0; c < ours.columns.size(); ++c)
    if (!is_same(theirs.row[c], ours.row[c], tolerance))
      wrong.push_back(fmt::format("`{}` is {} in `sql` and {} in `other_sql`", ours.columns[c], ours.row[c].shown(),
                                  theirs.row[c].shown()));
  if (!wrong.empty()) return failed(join(wrong, "; ") + tolerance.text());
  return passed(fmt::format("{} columns agree{}", ours.columns.size(), tolerance.text()), ours.value());
}

// Which parameters each check takes; one that would be passed over is a mistake.
Result<void> check_parameters_fit(const Value& parameters, const std::string& check) {
  const std::vector<std::pair<const char*, std::vector<std::string>>> takers = {
      {"expected", {"value"}}, {"tolerance", {"value", "reconcile"}}, {"min", {"threshold"}},
      {"max", {"threshold"}},  {"other_connection", {"reconcile"}},   {"other_sql", {"reconcile"}},
      {"key", {"reconcile"}}};
  for (const auto& [name, checks] : takers) {
    const bool is_given = !parameters.get(name).is_null();
    const bool is_taken = std::ranges::find(checks, check) != checks.end();
    if (is_given && !is_taken)
      return Error{ErrorKind::invalid,
                   fmt::format("{}: is of `check: {}`, but the check is {}", name, join(checks, "` or `"), check)};
  }
  if (check == "value" && parameters.get("expected").is_null())
    return Error{ErrorKind::invalid,
                 "check: value needs `expected`; for NULL let the SQL say `x is null`, and check the row"};
  if (check == "reconcile")
    for (const char* name : {"other_connection", "other_sql"})
      if (parameters.text(name).empty())
        return Error{ErrorKind::invalid, fmt::format("check: reconcile needs `{}`", name)};
  return {};
}

Result<void> check_values_have_places(TaskContext& context, const std::vector<CheckQuery>& queries) {
  std::vector<std::string> used;
  for (const CheckQuery& query : queries) {
    TRY_ASSIGN(const std::vector<std::string> names, names_in(context, query));
    used.insert(used.end(), names.begin(), names.end());
  }
  for (const auto& [name, value] : queries[0].parameters.as_map())
    if (std::ranges::find(used, name) == used.end())
      return Error{ErrorKind::invalid, fmt::format("parameters: `{}` has a value but no place `:{}`{}", name, name,
                                                   did_you_mean(name, used))};
  return {};
}

class SqlCheck final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string check = parameters.text("check", "row");
    TRY(check_parameters_fit(parameters, check));
    TRY_ASSIGN(const Tolerance tolerance, Tolerance::parse(parameters.get("tolerance")));
    std::vector<CheckQuery> queries{
        {parameters.text("connection"), "sql", parameters.text("sql"), parameters.get("parameters")}};
    if (check == "reconcile")
      queries.push_back({parameters.text("other_connection"), "other_sql", parameters.text("other_sql"),
                         parameters.get("parameters")});
    TRY(check_values_have_places(context, queries));
    auto outcome = run_check(context, check, queries, tolerance);
    if (outcome) context.log(fmt::format("check {} passed: {}", check, outcome->message));
    return outcome;
  }

 private:
  static Result<Outcome> run_check(TaskContext& context, const std::string& check,
                                   const std::vector<CheckQuery>& queries, const Tolerance& tolerance) {
    if (check == "value") return check_value(context, queries[0], tolerance);
    if (check == "threshold") return check_threshold(context, queries[0]);
    if (check != "reconcile") return check_row(context, queries[0]);
    std::vector<std::string> key;
    if (const Value& names = context.parameters().get("key"); names.is_list())
      for (const Value& name : names.as_list()) key.push_back(name.as_string());
    if (key.empty()) return compare_rows(context, queries[0], queries[1], tolerance);
    return KeyedComparison(context, std::move(key), tolerance).run(queries[0], queries[1]);
  }
};

const PluginOperator operators[] = {plugin_operator<SqlCheck>(sql_check_description, sql_check_help)};
const Plugin plugin = {.arrow_version = data::arrow_version, .operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1();
extern "C" const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
