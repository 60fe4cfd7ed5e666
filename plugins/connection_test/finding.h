#pragma once
// What a look at a connection has found: facts, and of each feature whether it would work.
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "plugins/db/sql_text.h"

namespace udon {

// unknown: it was not looked at, and `found` says why; that is no fault.
enum class CheckState { ok, missing, unknown };

struct Check {
  std::string feature;  // "export", "split", …
  CheckState state = CheckState::ok;
  std::string found;   // one sentence
  std::string remedy;  // what to paste; empty: nothing can be pasted
};

struct Finding {
  Value facts = Value::map();  // address, server, user, tls, …: texts, in the order in which they are shown
  std::vector<Check> checks;

  void ok(std::string feature, std::string found);
  void missing(std::string feature, std::string found, std::string remedy);
  void unknown(std::string feature, std::string found);
  bool has_missing() const;
};

std::string_view to_string(CheckState state);
Value to_value(const Finding& finding);

// What the caller asks for.
struct TestQuestion {
  std::optional<TableName> table;
  std::vector<std::string> features;  // empty: all that the type knows but archive
  std::string uri;                    // of aws
  std::string probe_name;             // of the object that is written below it

  bool wants(std::string_view feature) const;
};

// invalid: a feature that this type does not know, with those that it does.
Result<void> check_features(const TestQuestion& question, const std::string& type,
                            const std::vector<std::string>& known);

// The same error with what to do next, by its kind.
Error with_next_step(const Error& error, const std::string& connection_id);

// "yes, verified", "yes, not verified …", "no …".
std::string tls_text(bool is_encrypted, bool is_verified);

}  // namespace udon
