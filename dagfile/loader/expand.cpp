// expand and expand_zip: what a task is mapped over.
#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "dagfile/loader/document.h"
#include "dagfile/templates.h"

namespace udon {
namespace {

bool is_template_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

// `hint`: what to do where there is no such file.
std::optional<Value::List> read_list_file(const YamlNode& named, const std::string& hint,
                                          const DocumentContext& context) {
  Problems& problems = context.problems;
  if (!named.is_text()) {
    problems.error(named, "`expand.file`: " + expected("a path relative to the DAG file", named));
    return std::nullopt;
  }
  Result<IncludedFile> file = read_included(context.folder, context.relative, named.text);
  if (!file) {
    // What is not there yet is looked for again at each change of the folder: name it all the same.
    context.included.push_back({(context.relative.parent_path() / named.text).lexically_normal(), ""});
    problems.error(
        named, "`expand`: file `" + named.text + "`: " +
                   (file.error().kind == ErrorKind::not_found ? "there is no such file" + hint : file.error().message));
    return std::nullopt;
  }
  Result<Value::List> list = list_in_file(*file);
  context.included.push_back(std::move(*file));
  if (!list) {
    problems.error(named, "`expand`: file `" + named.text + "`: " + list.error().message);
    return std::nullopt;
  }
  return std::move(*list);
}

// {tables: {connection, like, …, file}}: what `udon fleet plan` has written into the file by these rules.
std::optional<Value::List> read_tables(const YamlNode& rules, const DocumentContext& context) {
  Problems& problems = context.problems;
  const OperatorSpec* spec = context.operators.find("tables");
  if (!rules.is_map() || spec == nullptr) {
    problems.error(rules,
                   "`expand.tables`: " + expected("a map such as {connection: shop, file: shop.tables.yaml}", rules));
    return std::nullopt;
  }
  Value parameters = to_value(rules);
  parameters.erase("file");
  bool is_good = true;
  if (holds_template(parameters)) {
    problems.error(rules, "`expand.tables`: `udon fleet plan` reads it, where there is no run: no templates here");
    is_good = false;
  }
  for (const ParamProblem& problem : check_parameters(*spec, parameters)) {
    const auto named = std::ranges::find(rules.members, problem.param, &YamlMember::key);
    problems.error(named != rules.members.end() ? named->offset : rules.offset,
                   "`expand.tables`: `" + problem.param + "`: " + problem.message);
    is_good = false;
  }
  const YamlNode* file = rules.find("file");
  if (file == nullptr) {
    problems.error(rules, "`expand.tables`: `file` is missing: where `udon fleet plan --write` writes what it finds");
    return std::nullopt;
  }
  auto list = read_list_file(*file, "; `udon fleet plan --write` makes it", context);
  return is_good ? std::move(list) : std::nullopt;
}

std::optional<std::variant<Value::List, std::string>> read_source(const YamlNode& node,
                                                                  const DocumentContext& context) {
  Problems& problems = context.problems;
  constexpr std::string_view wanted = "a list, {file: tables.yaml}, {xcom: task} or {tables: {…}}";
  if (node.is_list()) return to_value(node).as_list();
  if (!node.is_map() || node.members.size() != 1) {
    problems.error(node, "`expand`: " + expected(wanted, node));
    return std::nullopt;
  }
  const YamlMember& member = node.members[0];
  if (member.key == "xcom") {
    auto task = read_id("expand.xcom", member.value, problems);
    if (!task) return std::nullopt;
    return std::move(*task);
  }
  if (member.key == "file") return read_list_file(member.value, "", context);
  if (member.key == "tables") return read_tables(member.value, context);
  problems.error(member.offset, "`expand`: expected " + std::string(wanted) + ", got the key `" + member.key + "`" +
                                    did_you_mean(member.key, map_source_keys()));
  return std::nullopt;
}

}  // namespace

const std::vector<std::string>& map_source_keys() {
  static const std::vector<std::string> keys{"file", "tables", "xcom"};
  return keys;
}

std::optional<MapSpec> read_expand(const YamlNode& task, const DocumentContext& context) {
  Problems& problems = context.problems;
  const YamlNode *product = task.find("expand"), *zip = task.find("expand_zip");
  if (product == nullptr && zip == nullptr) return std::nullopt;
  if (product != nullptr && zip != nullptr) {
    problems.error(*zip, "`expand` or `expand_zip`, not both");
    return std::nullopt;
  }
  const YamlNode& node = product != nullptr ? *product : *zip;
  const std::string key = product != nullptr ? "`expand`" : "`expand_zip`";
  MapSpec spec;
  spec.combine = product != nullptr ? MapSpec::Combine::product : MapSpec::Combine::zip;
  if (!node.is_map() || node.members.empty()) {
    problems.error(node, key + ": " + expected("a map of names to lists, such as {item: [a, b]}", node));
    return std::nullopt;
  }
  bool is_good = true;
  for (const YamlMember& member : node.members) {
    const std::vector<std::string>& taken = template_names();
    if (!is_template_name(member.key)) {
      problems.error(member.offset,
                     key + ": `" + member.key + "` is no name that a template can use (ASCII letters, digits, `_`)");
      is_good = false;
    } else if (std::find(taken.begin(), taken.end(), member.key) != taken.end()) {
      problems.error(member.offset, key + ": templates have a `" + member.key + "` already; choose another name");
      is_good = false;
    }
    auto source = read_source(member.value, context);
    is_good = is_good && source;
    if (source) spec.inputs.push_back({member.key, std::move(*source)});
  }
  if (!is_good) return std::nullopt;
  if (spec.combine == MapSpec::Combine::zip) {
    std::optional<size_t> first;
    for (const MapInput& input : spec.inputs) {
      const auto* list = std::get_if<Value::List>(&input.source);
      if (list == nullptr) continue;
      if (first && *first != list->size()) {
        problems.error(node, key + ": the lists are not of one length: `" + input.name + "` has " +
                                 std::to_string(list->size()) + " items, the first " + std::to_string(*first));
        return std::nullopt;
      }
      first = list->size();
    }
  }
  // Counted here, not by known_length: the product of two long lists would not fit.
  int64_t length = 1;
  for (const MapInput& input : spec.inputs) {
    const auto* list = std::get_if<Value::List>(&input.source);
    if (list == nullptr) continue;
    const int64_t size = static_cast<int64_t>(list->size());
    length = spec.combine == MapSpec::Combine::zip ? size : length * size;
    if (length > limits::map_length_max) {
      problems.error(node, key + ": more than " + std::to_string(limits::map_length_max) + " task instances");
      return std::nullopt;
    }
  }
  return spec;
}

}  // namespace udon
