#pragma once
// Texts of a file as UTF-8, one at a time: so that an error can name the row and the column. What separates fields and
// records (quotes, commas, line ends, braces, backslashes) is never part of a character of the encodings that there
// are, so a file can be cut before it is converted.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace udon::data {

enum class Encoding {
  utf8,
  euc_kr,  // KS X 1001
  cp949,   // the same and all other Hangul: what Windows calls ANSI in Korean
};
std::optional<Encoding> parse_encoding(std::string_view text);  // "utf-8", "euc-kr", "cp949"
std::string_view to_string(Encoding encoding);

// Used by one thread.
class TextDecoder {
 public:
  static Result<TextDecoder> make(Encoding encoding);

  // The text in UTF-8: `bytes` themselves where they are that, else in `scratch`. Nothing: some bytes are no text; then
  // `scratch` holds U+FFFD for each of them.
  std::optional<std::string_view> decode(std::string_view bytes, std::string& scratch);

 private:
  struct Converter;
  struct Close {
    void operator()(Converter* converter) const;
  };
  Encoding encoding_ = Encoding::utf8;
  std::unique_ptr<Converter, Close> converter_;  // none for UTF-8
};

bool is_ascii(std::string_view bytes);

}  // namespace udon::data
