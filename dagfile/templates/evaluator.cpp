#include "dagfile/templates/evaluator.h"

#include <algorithm>

#include "base/text.h"
#include "dagfile/templates/filters.h"
#include "dagfile/templates/instant.h"
#include "dagfile/templates/operations.h"

namespace udon::templates {
namespace {

// Where the context holds moments as RFC 3339 texts. ds and ts are texts in Airflow too; everything else is the user's
// data and stays what it is.
bool is_moment(std::string_view parent, std::string_view name) {
  const bool is_context =
      parent.empty() || parent == "dag_run" || parent == "local" || parent == "ti" || parent == "task_instance";
  return is_context && (name == "logical_date" || name == "data_interval_start" || name == "data_interval_end" ||
                        name == "run_after" || name == "start_date" || name == "end_date" || name == "queued_at");
}

Result<Datum> with_moments(const std::string& name, const Value& value) {
  if (value.is_string() && is_moment("", name)) {
    if (const auto instant = parse_instant(value.as_string())) return Datum(Datum::Data(*instant));
  }
  if (!value.is_map() || !is_moment(name, "logical_date")) return from_value(value);
  Members members;
  for (const auto& [key, member] : value.as_map()) {
    if (member.is_string() && is_moment(name, key)) {
      if (const auto instant = parse_instant(member.as_string())) {
        members.emplace_back(Datum(key), Datum(Datum::Data(*instant)));
        continue;
      }
    }
    TRY_ASSIGN(Datum datum, from_value(member));
    members.emplace_back(Datum(key), std::move(datum));
  }
  return make_dict(std::move(members));
}

}  // namespace

const std::vector<std::string>& global_names() {
  static const std::vector<std::string> names{"ti",     "task_instance", "var",  "conn",
                                              "macros", "range",         "dict", "namespace"};
  return names;
}

Result<std::string> Evaluator::render(const Template& tree) {
  scopes_.emplace_back();
  std::string out;
  TRY(run(tree.body, out));
  return out;
}

Result<void> Evaluator::append(const std::string& text, std::string& out) {
  if (static_cast<int64_t>(out.size() + text.size()) > limits::template_output_bytes_max)
    return failure("the template's output is longer than " + std::to_string(limits::template_output_bytes_max) +
                   " bytes");
  out += text;
  return budget_.step(1 + static_cast<int64_t>(text.size()) / 64);
}

Result<void> Evaluator::run(const Body& body, std::string& out) {
  for (const Statement& statement : body) {
    Result<void> done = run_one(statement, out);
    if (!done) {
      if (!failed_at_) failed_at_ = statement.position;
      return done;
    }
  }
  return {};
}

Result<void> Evaluator::run_one(const Statement& statement, std::string& out) {
  TRY(budget_.step());
  switch (statement.kind) {
    case Statement::Kind::text: return append(statement.text, out);
    case Statement::Kind::output: {
      TRY_ASSIGN(const Datum value, evaluate(*statement.expressions[0]));
      TRY_ASSIGN(const std::string text, to_text(value));
      return append(text, out);
    }
    case Statement::Kind::if_: {
      for (size_t i = 0; i < statement.expressions.size(); ++i) {
        TRY_ASSIGN(const Datum condition, evaluate(*statement.expressions[i]));
        TRY_ASSIGN(const bool holds, is_true(condition));
        if (holds) return run(statement.bodies[i], out);
      }
      if (statement.bodies.size() > statement.expressions.size()) return run(statement.bodies.back(), out);
      return {};
    }
    case Statement::Kind::for_: return run_for(statement, out);
    case Statement::Kind::set: {
      TRY_ASSIGN(const Datum value, evaluate(*statement.expressions[0]));
      return assign(statement.targets[0], value);
    }
    case Statement::Kind::set_block:
    case Statement::Kind::filter: {
      std::string text;
      scopes_.emplace_back();
      TRY(run(statement.bodies[0], text));
      scopes_.pop_back();
      Datum value(std::move(text));
      if (statement.expressions[0]) {
        TRY_ASSIGN(value, filtered(*statement.expressions[0], &value));
      }
      if (statement.kind == Statement::Kind::set_block) return assign(statement.targets[0], value);
      TRY_ASSIGN(const std::string made, to_text(value));
      return append(made, out);
    }
    case Statement::Kind::with: {
      std::vector<Datum> values;  // all of them are read before any is set
      for (const NodePtr& expression : statement.expressions) {
        TRY_ASSIGN(Datum value, evaluate(*expression));
        values.push_back(std::move(value));
      }
      scopes_.emplace_back();
      for (size_t i = 0; i < values.size(); ++i) TRY(assign(statement.targets[i], values[i]));
      TRY(run(statement.bodies[0], out));
      scopes_.pop_back();
      return {};
    }
    case Statement::Kind::do_: {
      TRY(evaluate(*statement.expressions[0]));
      return {};
    }
  }
  return {};
}

Result<void> Evaluator::run_for(const Statement& statement, std::string& out) {
  TRY_ASSIGN(const Datum source, evaluate(*statement.expressions[0]));
  TRY_ASSIGN(Items items, iterate(source));
  if (statement.expressions[1]) {
    Items kept;
    for (const Datum& candidate : items) {
      scopes_.emplace_back();
      TRY(assign(statement.targets[0], candidate));
      TRY_ASSIGN(const Datum condition, evaluate(*statement.expressions[1]));
      scopes_.pop_back();
      TRY_ASSIGN(const bool holds, is_true(condition));
      if (holds) kept.push_back(candidate);
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    scopes_.emplace_back();
    TRY(run(statement.bodies[1], out));
    scopes_.pop_back();
    return {};
  }
  const size_t self = loops_.size();
  const size_t count = items.size();
  loops_.push_back(Loop{std::move(items), 0, static_cast<int>(self), std::nullopt});
  for (size_t i = 0; i < count; ++i) {
    TRY(budget_.step());
    loops_[self].index = i;
    scopes_.emplace_back();
    scopes_.back().emplace("loop", Datum(Datum::Data(LoopRef{self})));
    const Datum current = loops_[self].items[i];
    TRY(assign(statement.targets[0], current));
    TRY(run(statement.bodies[0], out));
    scopes_.pop_back();
  }
  loops_.pop_back();
  return {};
}

Result<void> Evaluator::assign(const Target& target, const Datum& value) {
  if (target.is_tuple) {
    TRY_ASSIGN(const Items items, iterate(value));
    if (items.size() != target.parts.size())
      return failure("expected " + std::to_string(target.parts.size()) + " values, got " +
                     std::to_string(items.size()));
    for (size_t i = 0; i < items.size(); ++i) TRY(assign(target.parts[i], items[i]));
    return {};
  }
  if (target.attribute.empty()) {
    scopes_.back().insert_or_assign(target.name, value);
    return {};
  }
  TRY_ASSIGN(const Datum space, name(target.name));
  TRY(require_defined(space));
  if (!space.is<SpaceRef>()) return failure("attributes can be set on a namespace() only");
  spaces_[space.as<SpaceRef>().index].insert_or_assign(target.attribute, value);
  return {};
}

Result<Datum> Evaluator::evaluate(const Node& node) {
  Result<Datum> result = evaluate_node(node);
  if (!result && !failed_at_) failed_at_ = node.position;
  return result;
}

Result<Datum> Evaluator::evaluate_node(const Node& node) {
  TRY(budget_.step());
  switch (node.kind) {
    case Node::Kind::constant: return node.value;
    case Node::Kind::name: return name(node.text);
    case Node::Kind::attribute: {
      TRY_ASSIGN(const Datum datum, evaluate(*node.children[0]));
      return attribute(datum, node.text);
    }
    case Node::Kind::subscript: return subscript(node);
    case Node::Kind::slice: return failure("slices cannot be mixed with other subscripts");
    case Node::Kind::call: return call(node);
    case Node::Kind::filter: return filtered(node, nullptr);
    case Node::Kind::test: {
      TRY_ASSIGN(const Datum datum, evaluate(*node.children[0]));
      TRY_ASSIGN(const Arguments given, arguments(node));
      TRY_ASSIGN(const bool holds, apply_test(node.text, datum, given, budget_));
      return Datum(holds);
    }
    case Node::Kind::negative: {
      TRY_ASSIGN(const Datum datum, evaluate(*node.children[0]));
      return negative(datum);
    }
    case Node::Kind::positive: {
      TRY_ASSIGN(const Datum datum, evaluate(*node.children[0]));
      return positive(datum);
    }
    case Node::Kind::binary: {
      TRY_ASSIGN(const Datum left, evaluate(*node.children[0]));
      TRY_ASSIGN(const Datum right, evaluate(*node.children[1]));
      return calculate(node.operation, left, right, budget_);
    }
    case Node::Kind::concat: {
      std::string text;
      for (const NodePtr& child : node.children) {
        TRY_ASSIGN(const Datum part, evaluate(*child));
        TRY_ASSIGN(const std::string made, to_text(part));
        TRY(budget_.will_make(static_cast<int64_t>(text.size() + made.size())));
        text += made;
      }
      return budget_.text(std::move(text));
    }
    case Node::Kind::compare: return comparison(node);
    case Node::Kind::not_:
    case Node::Kind::and_:
    case Node::Kind::or_:
    case Node::Kind::conditional: return logic(node);
    case Node::Kind::tuple:
    case Node::Kind::list:
    case Node::Kind::dict: return collection(node);
  }
  return failure("an unknown kind of expression");
}

Result<Datum> Evaluator::logic(const Node& node) {
  TRY_ASSIGN(Datum first, evaluate(*node.children[0]));
  TRY_ASSIGN(const bool holds, is_true(first));
  if (node.kind == Node::Kind::not_) return Datum(!holds);
  if (node.kind == Node::Kind::and_) return holds ? evaluate(*node.children[1]) : Result<Datum>(std::move(first));
  if (node.kind == Node::Kind::or_) return holds ? Result<Datum>(std::move(first)) : evaluate(*node.children[1]);
  if (holds) return evaluate(*node.children[1]);
  if (node.children[2]) return evaluate(*node.children[2]);
  return nothing("the condition of an `if` without `else` does not hold");
}

Result<Datum> Evaluator::comparison(const Node& node) {
  TRY_ASSIGN(Datum left, evaluate(*node.children[0]));
  for (size_t i = 0; i < node.comparisons.size(); ++i) {
    TRY_ASSIGN(Datum right, evaluate(*node.children[i + 1]));
    if (node.comparisons[i] == Comparison::in || node.comparisons[i] == Comparison::not_in) {
      // What is searched is paid for by its length.
      if (right.is_sequence()) TRY(budget_.step(static_cast<int64_t>(right.items().size()) / 4));
      if (right.is_text()) TRY(budget_.step(static_cast<int64_t>(right.text().size()) / 64));
    }
    TRY_ASSIGN(const bool holds, compares(node.comparisons[i], left, right));
    if (!holds) return Datum(false);
    left = std::move(right);
  }
  return Datum(true);
}

Result<Datum> Evaluator::collection(const Node& node) {
  Items items;
  for (const NodePtr& child : node.children) {
    TRY_ASSIGN(Datum item, evaluate(*child));
    if (item.is<LoopRef>() || item.is<SpaceRef>())
      return failure(std::string(type_of(item)) + " cannot be put into a list or map");
    items.push_back(std::move(item));
  }
  if (node.kind == Node::Kind::list) return make_list(std::move(items));
  if (node.kind == Node::Kind::tuple) return make_tuple(std::move(items));
  Members members;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    const Datum& key = items[i];
    TRY(require_defined(key));
    if (!is_hashable(key)) return failure(std::string(type_of(key)) + " cannot be the key of a map");
    const auto known = std::find_if(members.begin(), members.end(), [&](const auto& member) {
      const Result<bool> same = equal(member.first, key);
      return same && *same;
    });
    TRY(budget_.step(static_cast<int64_t>(members.size()) / 4));
    if (known != members.end())
      known->second = items[i + 1];
    else
      members.emplace_back(key, items[i + 1]);
  }
  return make_dict(std::move(members));
}

Result<Datum> Evaluator::subscript(const Node& node) {
  TRY_ASSIGN(const Datum datum, evaluate(*node.children[0]));
  const Node& index = *node.children[1];
  if (index.kind != Node::Kind::slice) {
    TRY_ASSIGN(const Datum key, evaluate(index));
    return item(datum, key);
  }
  Datum bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (index.children[i]) {
      TRY_ASSIGN(bounds[i], evaluate(*index.children[i]));
    }
  }
  return slice_of(datum, bounds[0], bounds[1], bounds[2], budget_);
}

Result<Arguments> Evaluator::arguments(const Node& node) {
  Arguments given;
  const size_t first_named = node.children.size() - node.keywords.size();
  for (size_t i = 1; i < node.children.size(); ++i) {
    TRY_ASSIGN(Datum value, evaluate(*node.children[i]));
    if (i < first_named)
      given.positional.push_back(std::move(value));
    else
      given.named.emplace_back(node.keywords[i - first_named], std::move(value));
  }
  return given;
}

// `head`: what the innermost filter of a filter block is applied to.
Result<Datum> Evaluator::filtered(const Node& node, const Datum* head) {
  Datum datum;
  if (!node.children[0])
    datum = *head;
  else if (head != nullptr && node.children[0]->kind == Node::Kind::filter) {
    TRY_ASSIGN(datum, filtered(*node.children[0], head));
  } else {
    TRY_ASSIGN(datum, evaluate(*node.children[0]));
  }
  TRY_ASSIGN(const Arguments given, arguments(node));
  Result<Datum> result = apply_filter(node.text, datum, given, budget_);
  if (!result && !failed_at_) failed_at_ = node.position;
  return result;
}

Result<Datum> Evaluator::name(const std::string& name) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto found = scope->find(name); found != scope->end()) return found->second;
  }
  if (name == "ti" || name == "task_instance") return Datum(Datum::Data(Source::ti));
  if (name == "var") return Datum(Datum::Data(Source::var));
  if (name == "conn") return Datum(Datum::Data(Source::conn));
  if (name == "macros") return Datum(Datum::Data(Source::macros));
  TRY_ASSIGN(Datum datum, from_context(name));
  if (!datum.is_undefined()) return datum;
  if (name == "range" || name == "dict" || name == "namespace") return bound(Datum(), name);
  std::vector<std::string> known = global_names();
  if (context_.is_map())
    for (const auto& [key, value] : context_.as_map()) known.push_back(key);
  for (const Scope& scope : scopes_)
    for (const auto& [key, value] : scope) known.push_back(key);
  return undefined("`" + name + "` is undefined" + did_you_mean(name, known));
}

Result<Datum> Evaluator::from_context(const std::string& name) {
  if (const auto found = converted_.find(name); found != converted_.end()) return found->second;
  const Value* value = context_.find(name);
  if (value == nullptr) return undefined("`" + name + "` is undefined");
  TRY_ASSIGN(Datum datum, with_moments(name, *value));
  converted_.emplace(name, datum);
  return datum;
}

Result<Datum> Evaluator::attribute(const Datum& datum, const std::string& name) {
  TRY(require_defined(datum));
  if (datum.is<Source>()) return source_member(datum.as<Source>(), name);
  if (datum.is<LoopRef>()) return loop_member(datum.as<LoopRef>().index, name);
  if (datum.is<SpaceRef>()) {
    const Scope& space = spaces_[datum.as<SpaceRef>().index];
    const auto found = space.find(name);
    return found != space.end() ? found->second : undefined("the namespace has no `" + name + "`");
  }
  TRY_ASSIGN(Datum member, member_of(datum, name, budget_));
  if (!member.is_undefined() || !datum.is_dict()) return member;
  std::vector<std::string> known;
  for (const auto& [key, value] : datum.as<DictRef>()->members)
    if (key.is_text() && known.size() < 1000) known.push_back(key.text());
  return undefined("`" + name + "` is not in the map" + did_you_mean(name, known));
}

Result<Datum> Evaluator::item(const Datum& datum, const Datum& key) {
  TRY(require_defined(datum));
  TRY(require_defined(key));
  if (datum.is<Source>() || datum.is<LoopRef>() || datum.is<SpaceRef>()) {
    TRY_ASSIGN(const std::string name, to_text(key));
    return attribute(datum, name);
  }
  return item_or_member(datum, key, budget_);
}

Result<Datum> Evaluator::call(const Node& node) {
  const Node& callee = *node.children[0];
  // A map's member hides its method of the same name, but only a method can be called: item.values() is the method.
  if (callee.kind == Node::Kind::attribute) {
    TRY_ASSIGN(const Datum receiver, evaluate(*callee.children[0]));
    TRY(require_defined(receiver));
    TRY_ASSIGN(Datum function, attribute(receiver, callee.text));
    if (receiver.is_dict() && !function.is<Callable>()) {
      TRY_ASSIGN(const Datum empty, make_dict({}));
      TRY_ASSIGN(const Datum method, member_of(empty, callee.text, budget_));
      if (method.is<Callable>()) function = bound(receiver, callee.text);
    }
    TRY(require_defined(function));
    if (!function.is<Callable>()) return failure(std::string(type_of(function)) + " cannot be called");
    TRY_ASSIGN(const Arguments given, arguments(node));
    return call_bound(*function.as<Callable>(), given);
  }
  TRY_ASSIGN(const Datum function, evaluate(callee));
  TRY(require_defined(function));
  if (!function.is<Callable>()) return failure(std::string(type_of(function)) + " cannot be called");
  TRY_ASSIGN(const Arguments given, arguments(node));
  return call_bound(*function.as<Callable>(), given);
}

Result<Datum> Evaluator::call_bound(const Bound& bound, const Arguments& arguments) {
  TRY(budget_.step());
  const Datum& receiver = bound.receiver;
  if (receiver.is_none()) return call_global(bound.name, arguments);
  if (receiver.is<Source>()) return call_source(receiver.as<Source>(), bound.name, arguments);
  if (receiver.is<LoopRef>()) {
    if (receiver.as<LoopRef>().index >= loops_.size()) return failure("the loop is over");
    Loop& loop = loops_[receiver.as<LoopRef>().index];
    if (bound.name == "cycle") {
      if (arguments.positional.empty()) return failure("`loop.cycle` needs values");
      return arguments.positional[loop.index % arguments.positional.size()];
    }
    TRY_ASSIGN(Datum value, make_tuple(arguments.positional));
    bool same = false;
    if (loop.last_changed) {
      TRY_ASSIGN(same, equal(*loop.last_changed, value));
    }
    loop.last_changed = std::move(value);
    return Datum(!same);
  }
  return call_method(receiver, bound.name, arguments, budget_);
}

Result<Datum> Evaluator::call_global(const std::string& name, const Arguments& arguments) {
  if (name == "range") {
    if (arguments.positional.empty() || arguments.positional.size() > 3 || !arguments.named.empty())
      return failure("`range` takes one, two or three integers");
    int64_t bounds[3] = {0, 0, 1};
    for (size_t i = 0; i < arguments.positional.size(); ++i) {
      const Datum& given = arguments.positional[i];
      TRY(require_defined(given));
      if (!given.is_integral()) return failure("`range` takes integers, not " + std::string(type_of(given)));
      bounds[arguments.positional.size() == 1 ? 1 : i] = given.integer();
    }
    if (bounds[2] == 0) return failure("the step of a `range` cannot be zero");
    Items items;
    for (int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1];) {
      TRY(budget_.step());
      items.emplace_back(i);
      if (__builtin_add_overflow(i, bounds[2], &i)) break;
    }
    return make_list(std::move(items));
  }
  if (name == "dict") {
    if (!arguments.positional.empty()) return failure("`dict` takes named arguments only");
    Members members;
    for (const auto& [key, value] : arguments.named) members.emplace_back(Datum(key), value);
    return make_dict(std::move(members));
  }
  if (!arguments.positional.empty()) return failure("`namespace` takes named arguments only");
  Scope space;
  for (const auto& [key, value] : arguments.named) space.emplace(key, value);
  spaces_.push_back(std::move(space));
  return Datum(Datum::Data(SpaceRef{spaces_.size() - 1}));
}

Result<Datum> Evaluator::loop_member(size_t index, const std::string& name) {
  // A namespace can keep a loop for longer than it runs.
  if (index >= loops_.size()) return failure("the loop is over");
  const Loop& loop = loops_[index];
  const int64_t at = static_cast<int64_t>(loop.index), length = static_cast<int64_t>(loop.items.size());
  if (name == "index") return Datum(at + 1);
  if (name == "index0") return Datum(at);
  if (name == "revindex") return Datum(length - at);
  if (name == "revindex0") return Datum(length - at - 1);
  if (name == "first") return Datum(at == 0);
  if (name == "last") return Datum(at + 1 == length);
  if (name == "length") return Datum(length);
  // Loops inside each other are not deeper: Jinja2 counts recursion, which there is none of.
  if (name == "depth") return Datum(int64_t{1});
  if (name == "depth0") return Datum(int64_t{0});
  if (name == "previtem") return at == 0 ? undefined("there is no previous item") : loop.items[loop.index - 1];
  if (name == "nextitem") return at + 1 == length ? undefined("there is no next item") : loop.items[loop.index + 1];
  if (name == "cycle" || name == "changed") return bound(Datum(Datum::Data(LoopRef{index})), name);
  return undefined("`loop` has no `" + name + "`");
}

}  // namespace udon::templates
