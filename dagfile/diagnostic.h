#pragma once
#include <string>

namespace udon {

// A user's mistake: where, what was expected, and the nearest name.
struct Diagnostic {
  enum class Severity { error, warning };
  Severity severity = Severity::error;
  std::string file;  // relative to the DAGs folder
  int line = 0;      // from 1; 0: the file as a whole
  int column = 0;
  std::string message;
  std::string dag_id;  // if known by then
  bool operator==(const Diagnostic&) const = default;
};
// "orders.yaml:14:7: error: unknown operator `replica_exprot`; did you mean `replica_export`?"
std::string to_string(const Diagnostic& diagnostic);

}  // namespace udon
