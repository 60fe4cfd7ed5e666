#pragma once
// What an operator is called and takes, as data: from it come validation, messages, the editor's schema, help
// pages and forms. Each operator's stands in plugins/<operator>/operator.json, which is its one home.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace udon {

enum class ParamType {
  string,
  integer,
  number,
  boolean,
  duration,
  bytes,
  list,
  map,
  any,
  sql,         // text with :name parameters, never spliced
  connection,  // the id of a connection
  uri,         // file path or s3://bucket/key
  command,     // for /bin/bash -c
  timezone,    // by IANA name
  condition,   // {sql: a condition with :name parameters, name: value, …}
  data_type,   // of a column: int64, decimal(12,2) (data_type.h)
};

struct ParamSpec {
  std::string name;
  ParamType type = ParamType::string;
  std::string unit;                    // "seconds", "rows"; empty if the type says it
  std::optional<Value> default_value;  // null or nothing: the parameter may be left out
  bool required = false;
  // Of a text: the only texts allowed. Of a list, map or any other type: words that may stand in its place
  // ('*'). Of a data type: the names of the types allowed.
  std::vector<std::string> choices;
  std::vector<std::string> connection_types;  // type connection: those it works with
  std::vector<std::string> schemes;           // type uri: its schemes; `file` allows paths too; empty: any
  bool is_absolute = false;                   // type uri: a path must begin with /
  std::vector<ParamSpec> items;               // type list: what each item may be, told apart by type; empty: anything
                                              // type sql: not empty where a list of texts may stand for the text
  std::vector<ParamSpec> members;             // type map: the keys that it may have; empty: any
  // Type map without members: what each value must be; no more than one. Nothing: anything.
  std::vector<ParamSpec> values;
  // Type list: its items have different names, upper and lower case folded: an item that is a text is one, of a map it
  // is the first of these members that it has. Type map: its keys (what stands here is of no matter).
  std::vector<std::string> distinct;
  // Of numbers; of a duration or bytes as written ("5MiB"); of a string its characters.
  std::optional<Value> min, max;
  std::string needs;  // a parameter of the operator that must be given where this one is
  std::string help;
};

struct OperatorSpec {
  std::string name;
  std::string kind = "process";  // process, sensor, external_job
  // It does nothing at all: the scheduler takes its tasks as succeeded once they may start, without a try.
  bool needs_no_try = false;
  // Its end decides which of the tasks after it are skipped: "branch" by the ids that it returns, "short_circuit" by
  // returning false; empty: it does not.
  std::string chooses;
  std::string summary;  // one sentence
  std::vector<ParamSpec> params;
  std::vector<std::string> connections;  // opened by default, without being named: ["aws_default"]
  std::string outputs;                   // what its XCom holds
  std::string object;                    // file name of the shared object that implements it; empty: built in
  std::string help;                      // README.md, as text
  const ParamSpec* find(std::string_view param) const;
};

// The operators there are: built-ins, and what `udon plugins scan` found. Thread-safe; copies are one and the same.
class OperatorCatalog {
 public:
  OperatorCatalog();
  void add(OperatorSpec spec);  // in place of one of that name
  // Those of plugins from outside, in place of the ones of the call before; a built-in of the same name stays.
  void set_foreign(std::vector<OperatorSpec> specs);
  // Valid as long as the catalog is, also once another has taken its place.
  const OperatorSpec* find(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted
  uint64_t generation() const;             // another one after each set_foreign that changed anything

 private:
  struct State;
  std::shared_ptr<State> state_;
};

Result<OperatorSpec> parse_operator_spec(const Value& value);  // refuses unknown keys and reserved parameter names
Value to_value(const OperatorSpec& spec);                      // as parse_operator_spec reads it
// Names that a DAG file uses for the task itself (operator, after, retries, pool, …): no parameter may bear
// one.
bool is_reserved_task_key(std::string_view key);
const std::vector<std::string>& reserved_task_keys();

struct ParamProblem {
  std::string param;    // where; may be unknown to the operator
  std::string message;  // what was expected, and the nearest name
  // Where inside its value: keys of maps, and numbers of items of lists (from 0) as texts. The last may be a key that
  // is not known.
  std::vector<std::string> path = {};
};
// `parameters` as in the DAG file: a string that holds a template ("{{", "{%") is accepted for every type and
// checked again when it is rendered.
std::vector<ParamProblem> check_parameters(const OperatorSpec& spec, const Value& parameters);
bool holds_template(const Value& value);
// What an operator is given: `rendered` checked once more (no template may be left to it), defaults filled
// in, durations and bytes as integers (microseconds, bytes). Parameters without value or default are null.
Result<Value> complete_parameters(const OperatorSpec& spec, const Value& rendered);

std::string_view to_string(ParamType type);
std::optional<ParamType> parse_param_type(std::string_view text);
// What a value of the type looks like, for people: "a duration such as 30s, 5m or 1h30m".
std::string_view describe(ParamType type);
// The parameters as a Markdown table; the READMEs of operators hold it, and a test keeps them true.
std::string parameters_as_markdown(const OperatorSpec& spec);

}  // namespace udon
