#include "dagfile/templates/parser.h"

#include <algorithm>
#include <span>

#include "base/limits.h"
#include "base/text.h"
#include "dagfile/templates/filters.h"
#include "dagfile/templates/lexer.h"

namespace udon::templates {
namespace {

using Names = std::vector<std::string>;

// Blocks and parentheses inside each other: the parser recurses, on top of expressions' own depth.
constexpr int nesting_max = 200;

// A recursive descent, one function a rule of Jinja2's own parser, so that the two can be compared side by side. After
// the first problem every function returns at once with null.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Parsed run() {
    Parsed parsed;
    parsed.tree.body = body({});
    parsed.problem = std::move(problem_);
    return parsed;
  }

 private:
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void next() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool is_symbol(std::string_view text) const { return current().kind == TokenKind::symbol && current().text == text; }
  bool is_name(std::string_view text) const { return current().kind == TokenKind::name && current().text == text; }
  bool skip_symbol(std::string_view text) {
    if (!is_symbol(text)) return false;
    next();
    return true;
  }
  bool skip_name(std::string_view text) {
    if (!is_name(text)) return false;
    next();
    return true;
  }
  static std::string described(const Token& token) {
    switch (token.kind) {
      case TokenKind::end: return token.text;
      case TokenKind::text: return "a text";
      case TokenKind::integer:
      case TokenKind::real: return "a number";
      case TokenKind::data: return "text";
      case TokenKind::variable_begin:
      case TokenKind::variable_end:
      case TokenKind::block_begin:
      case TokenKind::block_end:
      case TokenKind::name:
      case TokenKind::symbol: return "`" + token.text + "`";
    }
    return {};
  }
  void fail(std::string message, const Position& where) {
    if (!problem_) problem_ = TemplateProblem{where.line, where.column, std::move(message)};
  }
  void fail_expected(const std::string& what) {
    fail("expected " + what + ", got " + described(current()), current().position);
  }
  void expect_symbol(std::string_view text) {
    if (!skip_symbol(text)) fail_expected("`" + std::string(text) + "`");
  }
  bool failed() const { return problem_.has_value(); }

  NodePtr make(Node::Kind kind, const Position& position, std::vector<NodePtr> children = {}) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->position = position;
    for (const NodePtr& child : children)
      if (child) node->depth = std::max(node->depth, child->depth + 1);
    if (node->depth > node_depth_max) fail("an expression nests too deeply", position);
    node->children = std::move(children);
    return node;
  }
  template <class... Children>
  NodePtr make_of(Node::Kind kind, const Position& position, Children... children) {
    std::vector<NodePtr> list;
    (list.push_back(std::move(children)), ...);
    return make(kind, position, std::move(list));
  }
  NodePtr constant(Datum value, const Position& position) {
    NodePtr node = make(Node::Kind::constant, position);
    node->value = std::move(value);
    return node;
  }

  // Guards the recursion of nested blocks, parentheses, lists and arguments.
  struct Nesting {
    explicit Nesting(Parser& owner) : parser(owner) {
      if (++parser.nesting_ > nesting_max) parser.fail("nested too deeply", parser.current().position);
    }
    ~Nesting() { --parser.nesting_; }
    Parser& parser;
  };

  // --- statements

  Body body(const Names& ends) {
    Nesting nesting(*this);
    Body statements;
    while (!failed() && current().kind != TokenKind::end) {
      const Position position = current().position;
      if (current().kind == TokenKind::data) {
        Statement statement;
        statement.kind = Statement::Kind::text;
        statement.position = position;
        statement.text = current().text;
        statements.push_back(std::move(statement));
        next();
      } else if (current().kind == TokenKind::variable_begin) {
        next();
        Statement statement;
        statement.kind = Statement::Kind::output;
        statement.position = position;
        statement.expressions.push_back(tuple({}, Conditions::allowed));
        if (!failed() && current().kind != TokenKind::variable_end) fail_expected("`}}`");
        next();
        statements.push_back(std::move(statement));
      } else {
        next();  // {%
        if (current().kind == TokenKind::name && std::find(ends.begin(), ends.end(), current().text) != ends.end())
          return statements;
        statements.push_back(statement(ends));
        if (!failed() && current().kind != TokenKind::block_end) fail_expected("`%}`");
        next();
      }
    }
    if (!ends.empty() && !failed())
      fail("expected `{% " + ends.back() + " %}` before " + described(current()), current().position);
    return statements;
  }

  // After the head of a block: its closing, then what it holds. The end's name stays the current token.
  Body block(const Names& ends) {
    skip_symbol(":");
    if (current().kind != TokenKind::block_end) fail_expected("`%}`");
    next();
    return body(ends);
  }

  Statement statement(const Names& ends) {
    Statement result;
    result.position = current().position;
    if (current().kind != TokenKind::name) {
      fail_expected("the name of a tag");
      return result;
    }
    const std::string tag = current().text;
    if (tag == "if")
      if_(result);
    else if (tag == "for")
      for_(result);
    else if (tag == "set")
      set(result);
    else if (tag == "with")
      with(result);
    else if (tag == "filter")
      filter_block(result);
    else if (tag == "do")
      do_(result);
    else {
      static const Names known{"if",   "for",  "set",   "with",   "filter", "do",      "raw",
                               "elif", "else", "endif", "endfor", "endset", "endwith", "endfilter"};
      static const Names elsewhere{"macro", "call",       "include", "import", "from",  "extends",
                                   "block", "autoescape", "print",   "trans",  "break", "continue"};
      if (std::find(elsewhere.begin(), elsewhere.end(), tag) != elsewhere.end())
        fail("`" + tag + "` has no place in a DAG file's templates", result.position);
      else if (std::find(known.begin(), known.end(), tag) != known.end())
        fail(ends.empty() ? "`" + tag + "` closes nothing"
                          : "`" + tag + "` is out of place: `" + ends.back() + "` is missing",
             result.position);
      else
        fail("unknown tag `" + tag + "`" + did_you_mean(tag, known), result.position);
    }
    return result;
  }

  void if_(Statement& result) {
    result.kind = Statement::Kind::if_;
    while (!failed()) {
      next();  // if, elif
      result.expressions.push_back(tuple({}, Conditions::left_out));
      result.bodies.push_back(block({"elif", "else", "endif"}));
      if (failed() || is_name("elif")) continue;
      if (skip_name("else")) result.bodies.push_back(block({"endif"}));
      next();  // endif
      return;
    }
  }

  void for_(Statement& result) {
    result.kind = Statement::Kind::for_;
    next();
    const Position where = current().position;
    result.targets.push_back(target({"in"}, Attributes::left_out));
    if (!failed() && result.targets[0].name == "loop") fail("a loop cannot go over `loop`: the name is its own", where);
    if (!skip_name("in") && !failed()) fail_expected("`in`");
    result.expressions.push_back(tuple({"recursive"}, Conditions::left_out));
    result.expressions.push_back(skip_name("if") ? expression() : nullptr);
    if (is_name("recursive")) fail("recursive loops have no place in a DAG file's templates", current().position);
    result.bodies.push_back(block({"else", "endfor"}));
    result.bodies.push_back(skip_name("else") ? block({"endfor"}) : Body{});
    next();
  }

  void set(Statement& result) {
    next();
    result.targets.push_back(target({}, Attributes::allowed));
    if (skip_symbol("=")) {
      result.kind = Statement::Kind::set;
      result.expressions.push_back(tuple({}, Conditions::allowed));
      return;
    }
    result.kind = Statement::Kind::set_block;
    result.expressions.push_back(filters(nullptr));
    result.bodies.push_back(block({"endset"}));
    next();
  }

  void with(Statement& result) {
    result.kind = Statement::Kind::with;
    next();
    while (!failed() && current().kind != TokenKind::block_end && !is_symbol(":")) {
      if (!result.targets.empty()) expect_symbol(",");
      result.targets.push_back(target({}, Attributes::left_out));
      expect_symbol("=");
      result.expressions.push_back(expression());
    }
    result.bodies.push_back(block({"endwith"}));
    next();
  }

  void filter_block(Statement& result) {
    result.kind = Statement::Kind::filter;
    next();
    result.expressions.push_back(filters(one_filter(nullptr)));
    result.bodies.push_back(block({"endfilter"}));
    next();
  }

  void do_(Statement& result) {
    result.kind = Statement::Kind::do_;
    next();
    result.expressions.push_back(tuple({}, Conditions::allowed));
  }

  enum class Attributes { allowed, left_out };
  Target target(const Names& ends, Attributes attributes) {
    Target whole;
    while (!failed()) {
      if (current().kind == TokenKind::block_end || is_symbol("=") ||
          (current().kind == TokenKind::name && std::find(ends.begin(), ends.end(), current().text) != ends.end()))
        break;
      whole.parts.push_back(target_part(attributes));
      if (!skip_symbol(",")) break;
      whole.is_tuple = true;
    }
    if (whole.parts.empty() && !failed()) fail_expected("a name");
    if (!whole.is_tuple && whole.parts.size() == 1) return Target(whole.parts[0]);
    return whole;
  }
  Target target_part(Attributes attributes) {
    Nesting nesting(*this);
    Target part;
    if (skip_symbol("(")) {
      while (!failed() && !is_symbol(")")) {
        part.parts.push_back(target_part(attributes));
        if (!skip_symbol(",")) break;
        part.is_tuple = true;
      }
      expect_symbol(")");
      if (!part.is_tuple && part.parts.size() == 1) return Target(part.parts[0]);
      part.is_tuple = true;
      return part;
    }
    static const Names constants{"true", "false", "none", "True", "False", "None"};
    if (current().kind != TokenKind::name ||
        std::find(constants.begin(), constants.end(), current().text) != constants.end()) {
      fail_expected("a name");
      return part;
    }
    part.name = current().text;
    next();
    if (attributes == Attributes::allowed && skip_symbol(".")) {
      part.attribute = current().text;
      if (current().kind != TokenKind::name) fail_expected("the name of an attribute");
      next();
    }
    return part;
  }

  // --- expressions

  enum class Conditions { allowed, left_out };  // `a if b else c` at the top

  NodePtr expression(Conditions conditions = Conditions::allowed) {
    Nesting nesting(*this);
    if (failed()) return nullptr;
    return conditions == Conditions::allowed ? conditional() : or_();
  }

  NodePtr conditional() {
    NodePtr value = or_();
    while (!failed() && is_name("if")) {
      const Position position = current().position;
      next();
      NodePtr condition = or_();
      NodePtr otherwise = skip_name("else") ? expression() : nullptr;
      value = make_of(Node::Kind::conditional, position, std::move(condition), std::move(value), std::move(otherwise));
    }
    return value;
  }

  NodePtr or_() {
    NodePtr left = and_();
    while (!failed() && is_name("or")) {
      const Position position = current().position;
      next();
      left = make_of(Node::Kind::or_, position, std::move(left), and_());
    }
    return left;
  }

  NodePtr and_() {
    NodePtr left = not_();
    while (!failed() && is_name("and")) {
      const Position position = current().position;
      next();
      left = make_of(Node::Kind::and_, position, std::move(left), not_());
    }
    return left;
  }

  NodePtr not_() {
    if (failed()) return nullptr;
    if (!is_name("not")) return comparison();
    Nesting nesting(*this);
    const Position position = current().position;
    next();
    return make_of(Node::Kind::not_, position, not_());
  }

  NodePtr comparison() {
    NodePtr first = sum();
    if (failed()) return nullptr;
    const Position position = current().position;
    std::vector<NodePtr> operands;
    std::vector<Comparison> comparisons;
    while (!failed()) {
      std::optional<Comparison> operation;
      if (is_symbol("=="))
        operation = Comparison::eq;
      else if (is_symbol("!="))
        operation = Comparison::ne;
      else if (is_symbol("<"))
        operation = Comparison::lt;
      else if (is_symbol("<="))
        operation = Comparison::le;
      else if (is_symbol(">"))
        operation = Comparison::gt;
      else if (is_symbol(">="))
        operation = Comparison::ge;
      else if (is_name("in"))
        operation = Comparison::in;
      else if (is_name("not") && look().kind == TokenKind::name && look().text == "in")
        operation = Comparison::not_in;
      if (!operation) break;
      if (*operation == Comparison::not_in) next();
      next();
      comparisons.push_back(*operation);
      if (operands.empty()) operands.push_back(std::move(first));
      operands.push_back(sum());
    }
    if (comparisons.empty()) return first;
    NodePtr node = make(Node::Kind::compare, position, std::move(operands));
    node->comparisons = std::move(comparisons);
    return node;
  }

  NodePtr binary(Operation operation, const Position& position, NodePtr left, NodePtr right) {
    NodePtr node = make_of(Node::Kind::binary, position, std::move(left), std::move(right));
    node->operation = operation;
    return node;
  }

  NodePtr sum() {
    NodePtr left = concat();
    while (!failed() && (is_symbol("+") || is_symbol("-"))) {
      const Operation operation = is_symbol("+") ? Operation::add : Operation::sub;
      const Position position = current().position;
      next();
      left = binary(operation, position, std::move(left), concat());
    }
    return left;
  }

  NodePtr concat() {
    const Position position = current().position;
    std::vector<NodePtr> parts;
    parts.push_back(product());
    while (!failed() && skip_symbol("~")) parts.push_back(product());
    if (parts.size() == 1) return std::move(parts[0]);
    return make(Node::Kind::concat, position, std::move(parts));
  }

  NodePtr product() {
    NodePtr left = power();
    while (!failed()) {
      Operation operation = Operation::mul;
      if (is_symbol("*"))
        operation = Operation::mul;
      else if (is_symbol("/"))
        operation = Operation::div;
      else if (is_symbol("//"))
        operation = Operation::floordiv;
      else if (is_symbol("%"))
        operation = Operation::mod;
      else
        break;
      const Position position = current().position;
      next();
      left = binary(operation, position, std::move(left), power());
    }
    return left;
  }

  NodePtr power() {
    NodePtr left = unary(Filters::follow);
    while (!failed() && is_symbol("**")) {
      const Position position = current().position;
      next();
      left = binary(Operation::pow, position, std::move(left), unary(Filters::follow));
    }
    return left;
  }

  enum class Filters { follow, left_out };
  NodePtr unary(Filters follow) {
    if (failed()) return nullptr;
    const Position position = current().position;
    NodePtr node;
    if (is_symbol("-") || is_symbol("+")) {
      Nesting nesting(*this);
      const auto kind = is_symbol("-") ? Node::Kind::negative : Node::Kind::positive;
      next();
      node = make_of(kind, position, unary(Filters::left_out));
    } else {
      node = primary();
    }
    node = postfix(std::move(node));
    return follow == Filters::follow ? filter_expression(std::move(node)) : std::move(node);
  }

  NodePtr primary() {
    if (failed()) return nullptr;
    const Token& token = current();
    const Position position = token.position;
    switch (token.kind) {
      case TokenKind::name: {
        const std::string name = token.text;
        next();
        if (name == "true" || name == "True") return constant(true, position);
        if (name == "false" || name == "False") return constant(false, position);
        if (name == "none" || name == "None") return constant(Datum(), position);
        NodePtr node = make(Node::Kind::name, position);
        node->text = name;
        return node;
      }
      case TokenKind::text: {
        std::string text;
        for (; current().kind == TokenKind::text; next()) text += current().text;
        return constant(Datum(std::move(text)), position);
      }
      case TokenKind::integer:
      case TokenKind::real: {
        Datum number = token.number;
        next();
        return constant(std::move(number), position);
      }
      case TokenKind::symbol:
        if (token.text == "(") {
          Nesting nesting(*this);
          next();
          NodePtr node = tuple({}, Conditions::allowed, Parentheses::around);
          expect_symbol(")");
          return node;
        }
        if (token.text == "[") return list();
        if (token.text == "{") return dict();
        break;
      case TokenKind::data:
      case TokenKind::variable_begin:
      case TokenKind::variable_end:
      case TokenKind::block_begin:
      case TokenKind::block_end:
      case TokenKind::end: break;
    }
    fail_expected("an expression");
    return nullptr;
  }

  enum class Parentheses { around, none };
  NodePtr tuple(const Names& ends, Conditions conditions, Parentheses parentheses = Parentheses::none) {
    const Position position = current().position;
    std::vector<NodePtr> items;
    bool is_tuple = false;
    while (!failed()) {
      if (!items.empty()) expect_symbol(",");
      const Token& token = current();
      if (token.kind == TokenKind::variable_end || token.kind == TokenKind::block_end || is_symbol(")") ||
          (token.kind == TokenKind::name && std::find(ends.begin(), ends.end(), token.text) != ends.end()))
        break;
      items.push_back(expression(conditions));
      if (!is_symbol(",")) break;
      is_tuple = true;
    }
    if (failed()) return nullptr;
    if (!is_tuple && items.size() == 1) return std::move(items[0]);
    if (!is_tuple && parentheses == Parentheses::none) {
      fail_expected("an expression");
      return nullptr;
    }
    return make(Node::Kind::tuple, position, std::move(items));
  }

  NodePtr list() {
    Nesting nesting(*this);
    const Position position = current().position;
    next();
    std::vector<NodePtr> items;
    while (!failed() && !is_symbol("]")) {
      if (!items.empty()) expect_symbol(",");
      if (is_symbol("]")) break;
      items.push_back(expression());
    }
    expect_symbol("]");
    return make(Node::Kind::list, position, std::move(items));
  }

  NodePtr dict() {
    Nesting nesting(*this);
    const Position position = current().position;
    next();
    std::vector<NodePtr> items;
    while (!failed() && !is_symbol("}")) {
      if (!items.empty()) expect_symbol(",");
      if (is_symbol("}")) break;
      items.push_back(expression());
      expect_symbol(":");
      items.push_back(expression());
    }
    expect_symbol("}");
    return make(Node::Kind::dict, position, std::move(items));
  }

  NodePtr postfix(NodePtr node) {
    while (!failed()) {
      if (is_symbol(".") || is_symbol("["))
        node = subscript(std::move(node));
      else if (is_symbol("("))
        node = call(std::move(node));
      else
        break;
    }
    return node;
  }

  NodePtr filter_expression(NodePtr node) {
    while (!failed()) {
      if (is_symbol("|"))
        node = filters(std::move(node));
      else if (is_name("is"))
        node = test(std::move(node));
      else if (is_symbol("("))
        node = call(std::move(node));
      else
        break;
    }
    return node;
  }

  NodePtr subscript(NodePtr node) {
    Nesting nesting(*this);
    const Position position = current().position;
    if (skip_symbol(".")) {
      const Token token = current();
      next();
      if (token.kind == TokenKind::name) {
        NodePtr attribute = make_of(Node::Kind::attribute, position, std::move(node));
        attribute->text = token.text;
        return attribute;
      }
      if (token.kind == TokenKind::integer)
        return make_of(Node::Kind::subscript, position, std::move(node), constant(token.number, token.position));
      fail("expected a name or number after `.`, got " + described(token), token.position);
      return nullptr;
    }
    next();  // [
    std::vector<NodePtr> items;
    while (!failed() && !is_symbol("]")) {
      if (!items.empty()) expect_symbol(",");
      items.push_back(subscribed());
    }
    expect_symbol("]");
    NodePtr index = items.size() == 1 ? std::move(items[0]) : make(Node::Kind::tuple, position, std::move(items));
    return make_of(Node::Kind::subscript, position, std::move(node), std::move(index));
  }

  NodePtr subscribed() {
    const Position position = current().position;
    NodePtr begin, end, step;
    if (!is_symbol(":")) {
      begin = expression();
      if (!is_symbol(":")) return begin;
    }
    next();
    if (!is_symbol(":") && !is_symbol("]") && !is_symbol(",")) end = expression();
    if (skip_symbol(":") && !is_symbol("]") && !is_symbol(",")) step = expression();
    return make_of(Node::Kind::slice, position, std::move(begin), std::move(end), std::move(step));
  }

  void arguments(std::vector<NodePtr>& positional, std::vector<std::string>& keywords) {
    Nesting nesting(*this);
    next();  // (
    std::vector<NodePtr> named;
    bool is_first = true;
    while (!failed() && !is_symbol(")")) {
      if (!is_first) {
        expect_symbol(",");
        if (is_symbol(")")) break;
      }
      is_first = false;
      const Position position = current().position;
      if (is_symbol("*") || is_symbol("**")) {
        fail("arguments by `" + current().text + "` have no place in a DAG file's templates", position);
      } else if (current().kind == TokenKind::name && look().kind == TokenKind::symbol && look().text == "=") {
        if (std::find(keywords.begin(), keywords.end(), current().text) != keywords.end())
          fail("the argument `" + current().text + "` stands twice", position);
        keywords.push_back(current().text);
        next();
        next();
        named.push_back(expression());
      } else {
        if (!named.empty()) fail("an argument without a name follows one with a name", position);
        positional.push_back(expression());
      }
    }
    expect_symbol(")");
    for (NodePtr& node : named) positional.push_back(std::move(node));
  }

  NodePtr call(NodePtr node) {
    const Position position = current().position;
    std::vector<NodePtr> children;
    children.push_back(std::move(node));
    std::vector<std::string> keywords;
    arguments(children, keywords);
    NodePtr call = make(Node::Kind::call, position, std::move(children));
    call->keywords = std::move(keywords);
    return call;
  }

  NodePtr filters(NodePtr node) {
    while (!failed() && skip_symbol("|")) node = one_filter(std::move(node));
    return node;
  }

  NodePtr one_filter(NodePtr node) {
    return named(Node::Kind::filter, std::move(node), "filter", filter_names(), [this](auto& children, auto& keywords) {
      if (is_symbol("(")) arguments(children, keywords);
    });
  }

  NodePtr test(NodePtr node) {
    next();  // is
    const Position position = current().position;
    const bool is_negated = skip_name("not");
    NodePtr result =
        named(Node::Kind::test, std::move(node), "test", test_names(), [this](auto& children, auto& keywords) {
          if (is_symbol("(")) {
            arguments(children, keywords);
            return;
          }
          const Token& token = current();
          const bool starts_operand = token.kind == TokenKind::name || token.kind == TokenKind::text ||
                                      token.kind == TokenKind::integer || token.kind == TokenKind::real ||
                                      is_symbol("[") || is_symbol("{");
          if (!starts_operand || is_name("else") || is_name("or") || is_name("and")) return;
          if (is_name("is")) return fail("tests cannot be chained with `is`", token.position);
          children.push_back(postfix(primary()));
        });
    return is_negated ? make_of(Node::Kind::not_, position, std::move(result)) : std::move(result);
  }

  // What filters and tests share: a dotted name that must be known, then arguments as `read` takes them.
  template <class Read>
  NodePtr named(Node::Kind kind, NodePtr operand, const std::string& what, const Names& known, Read read) {
    const Position position = current().position;
    if (current().kind != TokenKind::name) {
      fail_expected("the name of a " + what);
      return nullptr;
    }
    std::string name = current().text;
    next();
    while (!failed() && skip_symbol(".")) {
      name += "." + current().text;
      next();
    }
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail("unknown " + what + " `" + name + "`" + did_you_mean(name, known), position);
    std::vector<NodePtr> children;
    children.push_back(std::move(operand));
    std::vector<std::string> keywords;
    if (!failed()) read(children, keywords);
    NodePtr node = make(kind, position, std::move(children));
    node->text = std::move(name);
    node->keywords = std::move(keywords);
    return node;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  std::optional<TemplateProblem> problem_;
};

}  // namespace

Parsed parse(std::string_view source) {
  const auto refused = [](std::string message) { return Parsed{{}, TemplateProblem{1, 1, std::move(message)}}; };
  if (!is_valid_utf8(source)) return refused("the text is no valid UTF-8");
  if (static_cast<int64_t>(source.size()) > limits::template_output_bytes_max)
    return refused("the template is too long");
  Tokens tokens = tokenize(source);
  if (tokens.problem) return {{}, std::move(tokens.problem)};
  return Parser(std::move(tokens.tokens)).run();
}

}  // namespace udon::templates
