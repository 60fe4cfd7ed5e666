#include "dagfile/diagnostic.h"

namespace udon {

std::string to_string(const Diagnostic& diagnostic) {
  std::string text = diagnostic.file;
  if (diagnostic.line > 0) {
    text += ":" + std::to_string(diagnostic.line);
    if (diagnostic.column > 0) text += ":" + std::to_string(diagnostic.column);
  }
  if (!text.empty()) text += ": ";
  text += diagnostic.severity == Diagnostic::Severity::error ? "error: " : "warning: ";
  return text + diagnostic.message;
}

}  // namespace udon
