#pragma once
// Takes secrets out of text, also when a secret is cut by the boundary between two chunks.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connections/connection.h"

namespace udon {

// Not thread-safe: whoever shares one locks it.
class Redactor {
 public:
  // Values shorter than 4 bytes are not masked: they would mask half of every log. Each is masked as it is,
  // and percent-encoded, base64 (also as part of a longer text that is encoded) and JSON-escaped; of a value
  // of several lines each long line too.
  void add(std::string_view secret);
  void add_secrets_of(const Connection& connection);

  std::string redact(std::string_view text) const;  // secrets become "***"; those that overlap become one

  // For a stream: what can be printed now; keeps back what may be the start of a secret until the next chunk
  // or flush.
  std::string feed(std::string_view chunk);
  std::string flush();

 private:
  struct Scan {
    std::string printable;
    size_t held_from = 0;     // what follows here may be the start of a secret
    size_t masked_until = 0;  // bytes of it that belong to a secret whose *** is printed already
  };
  // The last text of a stream keeps nothing back.
  enum class More { may_follow, is_the_end };
  Scan scan(std::string_view text, size_t masked_until, More more) const;
  void add_form(std::string form);
  void add_base64_forms(std::string_view secret);
  size_t longest_at(std::string_view text) const;
  bool may_begin_secret(std::string_view text) const;

  std::array<std::vector<std::string>, 256> forms_;  // by their first byte; each longest first
  size_t longest_ = 0;
  std::string held_;
  size_t held_masked_ = 0;
};

}  // namespace udon
