#pragma once
// Takes secrets out of text, also when a secret is cut by the boundary between two chunks.
#include <string>
#include <string_view>
#include <vector>

#include "connections/connection.h"

namespace udon {

class Redactor {
 public:
  // Values shorter than 4 bytes are not masked: they would mask half of every log. Each is masked as it is, and
  // percent-encoded, base64 and JSON-escaped.
  void add(std::string_view secret);
  void add_secrets_of(const Connection& connection);

  std::string redact(std::string_view text) const;  // secrets become "***"

  // For a stream: what can be printed now; keeps back what may be the start of a secret until the next chunk or flush.
  std::string feed(std::string_view chunk);
  std::string flush();

 private:
  std::vector<std::string> secrets_;  // longest first
  std::string held_;
};

}  // namespace udon
