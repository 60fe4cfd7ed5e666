#pragma once
// What the parser makes of a template and the evaluator and the checks walk over.
#include <memory>
#include <string>
#include <vector>

#include "dagfile/templates/datum.h"

namespace udon::templates {

struct Position {
  int line = 1;
  int column = 1;  // in bytes
};

// Beyond this an expression is no longer read: evaluating and destroying recurse.
inline constexpr int node_depth_max = 200;

enum class Operation { add, sub, mul, div, floordiv, mod, pow };
enum class Comparison { eq, ne, lt, le, gt, ge, in, not_in };

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Node {
  enum class Kind {
    constant,   // value
    name,       // text
    attribute,  // children[0].text
    subscript,  // children[0][children[1]]
    slice,      // [children[0]:children[1]:children[2]], each may be null; only as a subscript
    call,       // children[0](children[1…]); the last keywords.size() of them are named
    filter,     // children[0] | text(children[1…]); children[0] is null at the head of a filter block
    test,       // children[0] is text(children[1…])
    negative,
    positive,
    not_,
    binary,   // operation
    concat,   // ~
    compare,  // children[0] comparisons[0] children[1] comparisons[1] children[2] …
    and_,
    or_,
    conditional,  // children[1] if children[0] else children[2]; the latter may be null
    tuple,
    list,
    dict,  // key, value, key, value, …
  };
  Kind kind = Kind::constant;
  Position position;
  int depth = 1;
  std::string text;
  Datum value;
  Operation operation = Operation::add;
  std::vector<Comparison> comparisons;
  std::vector<NodePtr> children;
  std::vector<std::string> keywords;
};

// Where a value goes: a name, an attribute of a namespace, or several of them.
struct Target {
  std::string name;
  std::string attribute;  // of the namespace `name`
  std::vector<Target> parts;
  bool is_tuple = false;
};

struct Statement;
using Body = std::vector<Statement>;

struct Statement {
  enum class Kind {
    text,       // text
    output,     // expressions[0]
    if_,        // expressions[i] → bodies[i]; one more body is the else
    for_,       // targets[0] in expressions[0] if expressions[1] (may be null): bodies[0], else bodies[1]
    set,        // targets[0] = expressions[0]
    set_block,  // targets[0] = bodies[0], through the filters of expressions[0] (may be null)
    with,       // targets[i] = expressions[i]: bodies[0]
    filter,     // bodies[0] through expressions[0]
    do_,        // expressions[0], its value dropped
  };
  Kind kind = Kind::text;
  Position position;
  std::string text;
  std::vector<NodePtr> expressions;
  std::vector<Target> targets;
  std::vector<Body> bodies;
};

struct Template {
  Body body;
  // The text is one {{ … }} and nothing else.
  const Node* whole() const {
    return body.size() == 1 && body[0].kind == Statement::Kind::output ? body[0].expressions[0].get() : nullptr;
  }
};

}  // namespace udon::templates
