#include "plugins/data/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "base/text.h"
#include "plugins/data/type_name.h"

namespace udon::data {
namespace {

// Of a table with more columns the message shows only those that differ.
constexpr size_t shown_max = 40;

bool is_same(const std::string& one, const std::string& other) { return lower_ascii(one) == lower_ascii(other); }

template <class Columns>
auto find_column(const Columns& columns, const std::string& name) {
  return std::ranges::find_if(columns, [&](const auto& column) { return is_same(column.name, name); });
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::any_of(names, [&](const std::string& n) { return is_same(n, name); });
}

std::string quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "`" : ", `") + name + "`";
  return text;
}

// As it can be pasted into a list in a DAG file.
std::string yaml(const std::string& name) {
  const bool is_plain = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return c == '_' || c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
  const bool is_word = name.find_first_not_of("0123456789") != name.npos &&
                       !holds({"null", "true", "false", "yes", "no", "on", "off", "y", "n"}, name);
  return is_plain && is_word ? name : to_json(Value(name));
}

std::string yaml_list(const std::vector<std::string>& items) { return "[" + join(items, ", ") + "]"; }

// "varchar" of "varchar(20)": what a mask's bytes depend on.
std::string kind_of_masked(const std::string& source_type) {
  std::string base = lower_ascii(source_type);
  const size_t bracket = base.find('(');
  const bool is_unsigned = base.find("unsigned") != base.npos;
  base = std::string(trim(std::string_view(base).substr(0, bracket)));
  static const std::set<std::string> integers = {"tinyint", "smallint", "mediumint", "int",
                                                 "integer", "bigint",   "year"};
  static const std::set<std::string> texts = {"char",       "varchar",  "tinytext", "text",
                                              "mediumtext", "longtext", "enum",     "character varying",
                                              "character",  "citext",   "name"};
  const std::string first_word = base.substr(0, base.find(' '));
  if (integers.contains(first_word)) return first_word == "bigint" && is_unsigned ? "bigint unsigned" : "integer";
  if (texts.contains(base)) return "text";
  return base;
}

// The types of numbers, by Arrow's names.
std::optional<DataType> number_type(const std::string& name) {
  using enum DataType::Kind;
  static const std::map<std::string, DataType::Kind> plain = {
      {"int8", int8}, {"int16", int16}, {"int32", int32}, {"int64", int64}, {"float", float32}, {"double", float64}};
  if (const auto it = plain.find(name); it != plain.end()) return DataType{.kind = it->second};
  int precision = 0, scale = 0;
  if (std::sscanf(name.c_str(), "decimal128(%d, %d)", &precision, &scale) == 2)
    return DataType{.kind = decimal, .precision = precision, .scale = scale};
  return std::nullopt;
}

int integer_digits(DataType::Kind kind) {
  switch (kind) {
    case DataType::Kind::int8: return 3;
    case DataType::Kind::int16: return 5;
    case DataType::Kind::int32: return 10;
    case DataType::Kind::int64: return 19;
    default: return 0;
  }
}

// The smallest type of number that holds every value of both.
std::optional<DataType> wider(const DataType& one, const DataType& other) {
  using enum DataType::Kind;
  const int a = integer_digits(one.kind), b = integer_digits(other.kind);
  const bool is_real_a = one.kind == float32 || one.kind == float64,
             is_real_b = other.kind == float32 || other.kind == float64;
  if (a > 0 && b > 0) return a > b ? one : other;
  if (is_real_a && is_real_b) return DataType{.kind = one.kind == float64 ? float64 : other.kind};
  if (is_real_a || is_real_b) {
    // A double holds whole numbers of 53 bits, a float of 24.
    const int digits = std::max(a, b);
    if (digits == 0 || digits > 10) return std::nullopt;
    const DataType::Kind real = is_real_a ? one.kind : other.kind;
    return DataType{.kind = digits > 5 ? float64 : real};
  }
  const int scale = std::max(one.scale, other.scale);
  const int whole = std::max(a > 0 ? a : one.precision - one.scale, b > 0 ? b : other.precision - other.scale);
  constexpr int precision_max = 38;
  if (whole + scale > precision_max) return std::nullopt;
  return DataType{.kind = decimal, .precision = whole + scale, .scale = scale};
}

std::string table_of(const std::string& source) {
  const size_t at = source.rfind(" table ");
  return at == source.npos ? source : source.substr(at);
}

size_t width_of(const std::string& text) { return static_cast<size_t>(display_width(text)); }

std::string padded(const std::string& text, size_t width) {
  const size_t has = width_of(text);
  return text + std::string(width > has ? width - has : 0, ' ');
}

}  // namespace

std::optional<std::string> wider_type(const std::string& one, const std::string& other) {
  const auto a = number_type(one), b = number_type(other);
  if (!a || !b) return std::nullopt;
  const auto both = wider(*a, *b);
  return both ? std::optional(arrow_type_of(*both)->ToString()) : std::nullopt;
}

std::optional<DriftPolicy> drift_policy_of(const Value& parameters) {
  if (parameters.find("on_type_change") == nullptr) return std::nullopt;
  DriftPolicy policy;
  const std::string on_new = parameters.text("on_new_column");
  if (on_new == "error") policy.on_new_column = OnNewColumn::error;
  if (on_new == "ignore") policy.on_new_column = OnNewColumn::ignore;
  if (on_new == "include") policy.on_new_column = OnNewColumn::include;
  if (parameters.text("on_dropped_column") == "ignore") policy.on_dropped_column = OnDroppedColumn::ignore;
  if (parameters.text("on_type_change") == "widen") policy.on_type_change = OnTypeChange::widen;
  if (const Value& names = parameters.get("leave_out"); names.is_list())
    for (const Value& name : names.as_list())
      if (name.is_string()) policy.leave_out.push_back(name.as_string());
  return policy;
}

Drift::Drift(DriftPolicy policy, std::optional<Certificate> before, const std::string& source)
    : policy_(std::move(policy)), before_(std::move(before)), source_(source) {
  if (!before_ || table_of(before_->source) == table_of(source)) return;
  notes_.push_back("the last result is of " + before_->source + ": its columns are not compared with these");
  before_.reset();
  notes_of_before_ = notes_.size();
}

const ColumnCertificate* Drift::before_of(const std::string& source_name) const {
  if (!before_) return nullptr;
  for (const ColumnCertificate& column : before_->columns)
    if (is_same(column.source_name, source_name)) return &column;
  return nullptr;
}

// '*' without some: a list of the others. A name with an error in it would let a column out.
Result<void> Drift::leave_out(const std::vector<CatalogColumn>& catalog, TableRequest& request) const {
  std::vector<std::string> names;
  for (const CatalogColumn& column : catalog) names.push_back(column.name);
  for (const std::string& name : policy_.leave_out) {
    if (!holds(names, name))
      return Error{ErrorKind::not_found, fmt::format("leave_out: {} has no column `{}`{}; it has {}", source_, name,
                                                     did_you_mean(name, names), join(names, ", "))};
    for (const ColumnRequest& column : request.columns)
      if (is_same(column.source_name, name))
        return Error{ErrorKind::invalid, fmt::format("column `{}` stands in `columns` and in `leave_out`", name)};
  }
  return {};
}

Result<void> Drift::choose(const std::vector<CatalogColumn>& catalog, TableRequest& request) {
  now_.clear();
  notes_.resize(notes_of_before_);
  for (const CatalogColumn& column : catalog) now_.push_back({column.name, column.type});
  TRY(leave_out(catalog, request));
  const bool all = request.all_columns;
  if (all) {
    request.all_columns = false;
    for (const CatalogColumn& column : catalog)
      if (!column.is_invisible && !holds(policy_.leave_out, column.name))
        request.columns.push_back({.source_name = column.name, .name = column.name, .mask = "", .type = ""});
    std::vector<std::string> invisible;
    for (const CatalogColumn& column : catalog)
      if (column.is_invisible && !holds(policy_.leave_out, column.name)) invisible.push_back(column.name);
    if (!invisible.empty())
      notes_.push_back("invisible in the source, and so not among '*': " + quoted(invisible) +
                       "; `columns` by name exports them, `leave_out` says that they are known");
  }
  if (!before_) return {};

  // With '*' new is what the last result does not have; with a list, what the source did not have then: nobody can have
  // decided on it.
  const auto is_known = [&](const CatalogColumn& column) {
    if (column.is_invisible || holds(policy_.leave_out, column.name)) return true;
    if (all) return before_of(column.name) != nullptr;
    return before_->source_columns.empty() ||
           find_column(before_->source_columns, column.name) != before_->source_columns.end() ||
           std::ranges::any_of(request.columns,
                               [&](const auto& asked) { return is_same(asked.source_name, column.name); });
  };
  std::vector<std::string> added, dropped;
  for (const CatalogColumn& column : catalog)
    if (!is_known(column)) added.push_back(column.name);
  for (const ColumnCertificate& column : before_->columns) {
    const bool is_asked =
        all ? !holds(policy_.leave_out, column.source_name) : std::ranges::any_of(request.columns, [&](const auto& c) {
          return is_same(c.source_name, column.source_name);
        });
    if (is_asked && find_column(catalog, column.source_name) == catalog.end()) dropped.push_back(column.source_name);
  }

  // Gone, and one of the same type has come: renamed, perhaps.
  std::map<std::string, std::string> renamed;  // old name → new name
  std::vector<std::string> free;
  for (const CatalogColumn& column : catalog)
    if (before_of(column.name) == nullptr &&
        find_column(before_->source_columns, column.name) == before_->source_columns.end())
      free.push_back(column.name);
  for (const std::string& name : dropped) {
    std::vector<std::string> alike;
    for (const std::string& other : free)
      if (find_column(catalog, other)->type == before_of(name)->source_type) alike.push_back(other);
    if (alike.size() == 1) renamed[name] = alike[0];
  }
  // One column that came for several that went: nobody can say of which it is the new name.
  std::map<std::string, size_t> claims;
  for (const auto& [from, to] : renamed) claims[to] += 1;
  std::erase_if(renamed, [&](const auto& pair) { return claims[pair.second] > 1; });

  OnNewColumn on_new = policy_.on_new_column;
  if (on_new == OnNewColumn::unsaid) on_new = all ? OnNewColumn::include : OnNewColumn::ignore;
  std::vector<std::string> what, paste;
  if (!dropped.empty() && (!all || policy_.on_dropped_column == OnDroppedColumn::error)) {
    for (const std::string& name : dropped)
      what.push_back(renamed.contains(name)
                         ? fmt::format("`{}` is gone, and `{}` of the same type is new: renamed?", name, renamed[name])
                         : fmt::format("`{}` is gone", name));
    std::vector<std::string> columns;
    for (const ColumnRequest& column : request.columns) {
      // What has come is in a list to paste only if it would have been exported.
      if (all && on_new != OnNewColumn::include && holds(added, column.source_name)) continue;
      if (all &&
          std::ranges::any_of(renamed, [&](const auto& pair) { return is_same(pair.second, column.source_name); }))
        continue;
      if (!holds(dropped, column.source_name)) columns.push_back(yaml(column.name));
    }
    if (!renamed.empty()) {
      std::vector<std::string> entries;
      for (const auto& [from, to] : renamed)
        entries.push_back(fmt::format("{{name: {}, as: {}}}", yaml(to), yaml(before_of(from)->name)));
      if (all) entries.insert(entries.begin(), columns.begin(), columns.end());
      paste.push_back(all ? "renamed, and to keep its name in the result: columns: " + yaml_list(entries)
                          : "renamed, and to keep its name in the result: in `columns` " + join(entries, ", ") +
                                " in its place");
    }
    paste.push_back(all ? "to go on without it: on_dropped_column: ignore"
                        : "to go on without it: take " + quoted(dropped) + " out of `columns`");
  } else if (!dropped.empty()) {
    notes_.push_back("gone from the source since the last result, and not in this one: " + quoted(dropped));
  }

  if (!added.empty() && on_new == OnNewColumn::error) {
    for (const std::string& name : added)
      what.push_back(fmt::format("`{}` ({}) is new", name, find_column(catalog, name)->type));
    std::vector<std::string> entries;
    for (const std::string& name : added) entries.push_back(yaml(name));
    paste.push_back(all ? "to export it: on_new_column: include, until it is in a result"
                        : "to export it: in `columns` " + join(entries, ", "));
    std::vector<std::string> left_out;
    for (const std::string& name : policy_.leave_out) left_out.push_back(yaml(name));
    left_out.insert(left_out.end(), entries.begin(), entries.end());
    paste.push_back("to leave it out: leave_out: " + yaml_list(left_out));
  }
  if (!what.empty()) {
    tell_changed_types(request, catalog, what, paste);
    return to_decide(what, paste);
  }
  if (added.empty()) return {};
  notes_.push_back(fmt::format("new in the source since the last result, and {}: {}",
                               on_new == OnNewColumn::include ? "exported" : "left out", quoted(added)));
  for (const std::string& name : added) {
    if (on_new == OnNewColumn::include && !all)
      request.columns.push_back({.source_name = name, .name = name, .mask = "", .type = ""});
    if (on_new == OnNewColumn::ignore && all)
      std::erase_if(request.columns, [&](const ColumnRequest& column) { return is_same(column.source_name, name); });
  }
  if (request.columns.empty())
    return Error{ErrorKind::data, fmt::format("{}: no column of the last result is left", source_)};
  return {};
}

// Types are settled later, when they are known as they will be in the result; who has to decide about columns anyway
// is told now of what comes then.
void Drift::tell_changed_types(const TableRequest& request, const std::vector<CatalogColumn>& catalog,
                               std::vector<std::string>& what, std::vector<std::string>& paste) const {
  if (policy_.on_type_change != OnTypeChange::error) return;
  std::vector<std::string> changed;
  for (const ColumnRequest& column : request.columns) {
    const ColumnCertificate* before = before_of(column.source_name);
    const auto now = find_column(catalog, column.source_name);
    if (before == nullptr || now == catalog.end() || !column.type.empty() || !column.mask.empty()) continue;
    if (before->source_type == now->type || !before->recast.empty()) continue;
    what.push_back(fmt::format("`{}` was {}, is {}", now->name, before->source_type, now->type));
    changed.push_back(now->name);
  }
  if (!changed.empty())
    paste.push_back(
        fmt::format("for the other type of {}, if it does not fit the result: on_type_change: widen, or in "
                    "`columns` its `type`",
                    quoted(changed)));
}

Result<void> Drift::settle_types(std::vector<ColumnInfo>& columns) {
  std::vector<std::string> what, types;
  bool can_widen = true;
  for (ColumnInfo& column : columns) {
    const ColumnCertificate* before = before_of(column.request.source_name);
    if (before == nullptr || !column.request.type.empty()) continue;
    const std::string change =
        fmt::format("`{}` was {}, is {}", column.request.source_name, before->source_type, column.source_type);
    const bool was_masked = before->after_transform && before->recast.empty();
    if (!column.request.mask.empty()) {
      if (!was_masked || kind_of_masked(before->source_type) == kind_of_masked(column.source_type)) continue;
      what.push_back(change + ", and its masks would not join with those of before");
      can_widen = false;
      continue;
    }
    const std::string type = column.type->ToString();
    if (was_masked || before->type == type) continue;
    const auto wider = wider_type(before->type, type);
    if (policy_.on_type_change == OnTypeChange::widen && wider) {
      if (*wider == type && before->source_type == column.source_type) continue;
      notes_.push_back(fmt::format("{}: {} in the last result, now {}", change, before->type, *wider));
      if (*wider != type) column.request.type = to_string(*number_type(*wider));
      continue;
    }
    // With the same type in the source it is the DAG file that says something else now.
    if (before->source_type == column.source_type || !before->recast.empty()) continue;
    what.push_back(fmt::format("{} ({} in the result, would be {})", change, before->type, type));
    can_widen = can_widen && wider.has_value();
    if (const auto old = number_type(before->type))
      types.push_back(fmt::format("{{name: {}, as: {}, type: \"{}\"}}", yaml(column.request.source_name),
                                  yaml(column.request.name), to_string(*old)));
  }
  if (what.empty()) return {};
  std::vector<std::string> paste;
  if (can_widen) paste.push_back("to take a type that holds both: on_type_change: widen");
  if (!types.empty())
    paste.push_back("to keep the type of before, each value checked: in `columns` " + join(types, ", "));
  paste.push_back("to take another type on purpose: in `columns` its `type`, or another folder in `to`");
  return to_decide(what, paste);
}

Error Drift::to_decide(const std::vector<std::string>& what, const std::vector<std::string>& paste) const {
  return Error{ErrorKind::data,
               fmt::format("{} has changed since the last result (of {}): {}. Nothing was exported. Paste into the DAG "
                           "file what is meant:\n  {}\n{}",
                           source_, before_->made_at, join(what, "; "), join(paste, "\n  "), side_by_side())};
}

std::string Drift::side_by_side() const {
  struct Row {
    std::string name, before, now;
  };
  std::vector<Row> rows;
  // Certificates that do not have all columns have those of the result.
  std::vector<SourceColumn> old = before_->source_columns;
  if (old.empty())
    for (const ColumnCertificate& column : before_->columns) old.push_back({column.source_name, column.source_type});
  for (const SourceColumn& column : old) {
    const auto now = find_column(now_, column.name);
    rows.push_back({column.name, column.type, now == now_.end() ? "(gone)" : now->type});
  }
  for (const SourceColumn& column : now_)
    if (find_column(old, column.name) == old.end()) rows.push_back({column.name, "(none)", column.type});
  size_t same = 0;
  if (rows.size() > shown_max) same = std::erase_if(rows, [](const Row& row) { return row.before == row.now; });
  rows.insert(rows.begin(), {"column", "before", "now"});
  size_t name_width = 0, before_width = 0;
  for (const Row& row : rows) {
    name_width = std::max(name_width, width_of(row.name));
    before_width = std::max(before_width, width_of(row.before));
  }
  std::string text;
  for (const Row& row : rows)
    text += fmt::format("  {}  {}  {}{}\n", padded(row.name, name_width), padded(row.before, before_width), row.now,
                        &row == &rows.front() || row.before == row.now ? "" : "  <-");
  if (same > 0) text += fmt::format("  and {} columns that are the same\n", same);
  text.pop_back();
  return text;
}

}  // namespace udon::data
