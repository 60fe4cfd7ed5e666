#include "plugins/data/text_repair.h"

#include "base/unicode.h"

namespace udon::data {

std::string replace_invalid_utf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    if (point.is_valid)
      repaired += text.substr(0, static_cast<size_t>(point.bytes));
    else
      repaired += "\xEF\xBF\xBD";
    text.remove_prefix(static_cast<size_t>(point.bytes));
  }
  return repaired;
}

}  // namespace udon::data
