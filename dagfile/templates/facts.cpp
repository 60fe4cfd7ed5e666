// What can be told from a template without rendering it.
#include <algorithm>
#include <map>
#include <set>

#include "dagfile/templates.h"
#include "dagfile/templates/parser.h"

namespace udon {
namespace {

using templates::Body;
using templates::Node;
using templates::Statement;
using templates::Target;

template <class T>
void add_once(std::vector<T>& list, const T& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

class Reader {
 public:
  explicit Reader(const std::vector<std::string>& mapped) : mapped_(mapped.begin(), mapped.end()) {
    scopes_.emplace_back();
  }

  TemplateFacts read(const Body& body) {
    run(body);
    return std::move(facts_);
  }

 private:
  void run(const Body& body) {
    for (const Statement& statement : body) run(statement);
  }

  void run(const Statement& statement) {
    switch (statement.kind) {
      case Statement::Kind::text: return;
      case Statement::Kind::output:
        visit(*statement.expressions[0]);
        report(*statement.expressions[0], statement.position);
        return;
      case Statement::Kind::if_:
        for (const auto& expression : statement.expressions) visit(*expression);
        for (const Body& body : statement.bodies) run(body);
        return;
      case Statement::Kind::for_: {
        visit(*statement.expressions[0]);
        const std::string source = source_of(*statement.expressions[0]);
        scopes_.emplace_back();
        bind(statement.targets[0], source);
        scopes_.back().insert("loop");
        if (statement.expressions[1]) visit(*statement.expressions[1]);
        for (const Body& body : statement.bodies) run(body);
        scopes_.pop_back();
        return;
      }
      case Statement::Kind::set: {
        visit(*statement.expressions[0]);
        bind(statement.targets[0], source_of(*statement.expressions[0]));
        return;
      }
      case Statement::Kind::set_block:
      case Statement::Kind::filter:
        // What the body splices is reported where it stands; a set block's text is taken as harmless then.
        if (statement.expressions[0]) visit(*statement.expressions[0]);
        run(statement.bodies[0]);
        if (statement.kind == Statement::Kind::set_block) bind(statement.targets[0], "");
        return;
      case Statement::Kind::with:
        for (const auto& expression : statement.expressions) visit(*expression);
        scopes_.emplace_back();
        for (size_t i = 0; i < statement.targets.size(); ++i)
          bind(statement.targets[i], source_of(*statement.expressions[i]));
        run(statement.bodies[0]);
        scopes_.pop_back();
        return;
      case Statement::Kind::do_: visit(*statement.expressions[0]); return;
    }
  }

  void bind(const Target& target, const std::string& source) {
    for (const Target& part : target.parts) bind(part, source);
    if (target.name.empty()) return;
    if (target.attribute.empty()) scopes_.back().insert(target.name);
    if (!source.empty()) tainted_.emplace(target.name, source);
  }

  bool is_local(const std::string& name) const {
    return std::any_of(scopes_.begin(), scopes_.end(), [&](const auto& scope) { return scope.contains(name); });
  }

  static bool is_text(const Node& node) { return node.kind == Node::Kind::constant && node.value.is_text(); }

  void visit(const Node& node) {
    if (node.kind == Node::Kind::name && !is_local(node.text)) add_once(facts_.names, node.text);
    if (is_source(node, "var")) facts_.asks_when_run = true;
    if (node.kind == Node::Kind::attribute && node.text == "xcom_pull") facts_.asks_when_run = true;
    connections(node);
    pulled(node);
    member(node);
    for (const auto& child : node.children)
      if (child) visit(*child);
  }

  bool is_source(const Node& node, std::string_view name) const {
    return node.kind == Node::Kind::name && node.text == name && !is_local(node.text);
  }

  void connections(const Node& node) {
    if (node.kind == Node::Kind::attribute && is_source(*node.children[0], "conn")) {
      if (node.text != "get") add_once(facts_.connections, node.text);
    } else if (node.kind == Node::Kind::subscript && is_source(*node.children[0], "conn")) {
      named_connection(node.children[1].get());
    } else if (node.kind == Node::Kind::call && node.children[0]->kind == Node::Kind::attribute &&
               node.children[0]->text == "get" && is_source(*node.children[0]->children[0], "conn")) {
      named_connection(node.children.size() > 1 ? node.children[1].get() : nullptr);
    }
  }
  void named_connection(const Node* id) {
    if (id != nullptr && is_text(*id))
      add_once(facts_.connections, id->value.text());
    else
      facts_.opens_computed_connection = true;
  }

  void member(const Node& node) {
    if (node.kind != Node::Kind::attribute && node.kind != Node::Kind::subscript) return;
    const Node& owner = *node.children[0];
    if (owner.kind != Node::Kind::name || is_local(owner.text)) return;
    if (node.kind == Node::Kind::attribute) add_once(facts_.members, {owner.text, node.text});
    if (node.kind == Node::Kind::subscript && is_text(*node.children[1]))
      add_once(facts_.members, {owner.text, node.children[1]->value.text()});
  }

  void pulled(const Node& node) {
    if (node.kind != Node::Kind::call || node.children[0]->kind != Node::Kind::attribute ||
        node.children[0]->text != "xcom_pull")
      return;
    const size_t first_named = node.children.size() - node.keywords.size();
    for (size_t i = 1; i < node.children.size(); ++i) {
      const bool is_task_ids = i < first_named ? i == 1 : node.keywords[i - first_named] == "task_ids";
      if (!is_task_ids) continue;
      const Node& ids = *node.children[i];
      if (is_text(ids)) add_once(facts_.pulled_tasks, ids.value.text());
      if (ids.kind != Node::Kind::list && ids.kind != Node::Kind::tuple) continue;
      for (const auto& id : ids.children)
        if (is_text(*id)) add_once(facts_.pulled_tasks, id->value.text());
    }
  }

  void report(const Node& output, const templates::Position& where) {
    const std::string source = source_of(output);
    if (!source.empty()) facts_.splices.push_back({source, where.line, where.column});
  }

  // Whose text the expression's value holds, or nothing.
  std::string source_of(const Node& node) const {
    switch (node.kind) {
      case Node::Kind::constant:
      case Node::Kind::test:
      case Node::Kind::compare:
      case Node::Kind::not_:
      case Node::Kind::slice: return {};
      case Node::Kind::name: {
        if (const auto found = tainted_.find(node.text); found != tainted_.end()) return found->second;
        if (is_local(node.text)) return {};
        const bool is_foreign = node.text == "params" || node.text == "conf" || node.text == "var" ||
                                node.text == "conn" || mapped_.contains(node.text);
        return is_foreign ? node.text : std::string();
      }
      case Node::Kind::attribute:
      case Node::Kind::subscript: {
        const Node& owner = *node.children[0];
        const std::string member = node.kind == Node::Kind::attribute ? node.text
                                   : is_text(*node.children[1])       ? node.children[1]->value.text()
                                                                      : "";
        if (owner.kind == Node::Kind::name && owner.text == "dag_run" && !is_local("dag_run"))
          return member == "conf" ? "dag_run.conf" : "";
        const std::string source = source_of(owner);
        return source.empty() || member.empty() ? source : source + "." + member;
      }
      case Node::Kind::filter: {
        static const std::set<std::string, std::less<>> harmless{
            "shell_quote",    "int", "float",     "length", "count",     "wordcount",        "round", "abs",
            "filesizeformat", "ds",  "ds_nodash", "ts",     "ts_nodash", "ts_nodash_with_tz"};
        if (harmless.contains(node.text)) return {};
        return first_source(node, 0);
      }
      case Node::Kind::call: {
        const Node& callee = *node.children[0];
        if (callee.kind == Node::Kind::attribute && callee.text == "xcom_pull") return "ti.xcom_pull";
        return first_source(node, 0);
      }
      case Node::Kind::conditional: return first_source(node, 1);
      case Node::Kind::negative:
      case Node::Kind::positive:
      case Node::Kind::binary:
      case Node::Kind::concat:
      case Node::Kind::and_:
      case Node::Kind::or_:
      case Node::Kind::tuple:
      case Node::Kind::list:
      case Node::Kind::dict: return first_source(node, 0);
    }
    return {};
  }
  std::string first_source(const Node& node, size_t from) const {
    for (size_t i = from; i < node.children.size(); ++i) {
      if (!node.children[i]) continue;
      std::string source = source_of(*node.children[i]);
      if (!source.empty()) return source;
    }
    return {};
  }

  TemplateFacts facts_;
  std::set<std::string, std::less<>> mapped_;
  std::vector<std::set<std::string, std::less<>>> scopes_;
  std::map<std::string, std::string, std::less<>> tainted_;  // local names, and whose text they hold
};

}  // namespace

TemplateFacts facts_of_template(std::string_view text, const std::vector<std::string>& mapped) {
  const templates::Parsed parsed = templates::parse(text);
  if (parsed.problem) return {};
  return Reader(mapped).read(parsed.tree.body);
}

std::vector<std::string> names_in_template(std::string_view text) { return facts_of_template(text).names; }

}  // namespace udon
