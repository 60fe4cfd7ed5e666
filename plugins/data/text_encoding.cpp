#include "plugins/data/text_encoding.h"

#include <fmt/format.h>
#include <iconv.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/text.h"
#include "plugins/data/text_repair.h"

namespace udon::data {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

}  // namespace

struct TextDecoder::Converter {
  iconv_t handle;
};

void TextDecoder::Close::operator()(Converter* converter) const {
  ::iconv_close(converter->handle);
  delete converter;
}

std::optional<Encoding> parse_encoding(std::string_view text) {
  const std::string name = lower_ascii(text);
  for (const Encoding encoding : {Encoding::utf8, Encoding::euc_kr, Encoding::cp949})
    if (name == to_string(encoding)) return encoding;
  return std::nullopt;
}

std::string_view to_string(Encoding encoding) {
  switch (encoding) {
    case Encoding::utf8: return "utf-8";
    case Encoding::euc_kr: return "euc-kr";
    case Encoding::cp949: return "cp949";
  }
  return {};
}

bool is_ascii(std::string_view bytes) {
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) return false;
  }
  for (; i < bytes.size(); ++i)
    if (static_cast<unsigned char>(bytes[i]) >= 0x80) return false;
  return true;
}

Result<TextDecoder> TextDecoder::make(Encoding encoding) {
  TextDecoder decoder;
  decoder.encoding_ = encoding;
  if (encoding == Encoding::utf8) return decoder;
  const iconv_t handle = ::iconv_open("UTF-8", encoding == Encoding::euc_kr ? "EUC-KR" : "CP949");
  if (handle == reinterpret_cast<iconv_t>(-1))  // NOLINT: so says POSIX
    return Error{
        ErrorKind::unsupported,
        fmt::format("this machine's C library does not know {} (its gconv modules are missing)", to_string(encoding))};
  decoder.converter_.reset(new Converter{handle});
  return decoder;
}

std::optional<std::string_view> TextDecoder::decode(std::string_view bytes, std::string& scratch) {
  if (is_ascii(bytes)) return bytes;
  if (!converter_) {
    if (is_valid_utf8(bytes)) return bytes;
    scratch = replace_invalid_utf8(bytes);
    return std::nullopt;
  }
  std::string marked;
  if (encoding_ == Encoding::euc_kr) {
    // glibc takes 0x80 to 0xA0 for control characters; they are no part of EUC-KR, but of CP949's other Hangul. 0xFF is
    // none in both.
    const auto is_beyond = [](char c) {
      return static_cast<unsigned char>(c) >= 0x80 && static_cast<unsigned char>(c) <= 0xa0;
    };
    if (std::ranges::any_of(bytes, is_beyond)) {
      marked = bytes;
      std::ranges::replace_if(marked, is_beyond, '\xff');
      bytes = marked;
    }
  }
  // At most three bytes of UTF-8 for a byte: so long is the replacement, and no character of two bytes is longer.
  scratch.resize(bytes.size() * 3);
  char* out = scratch.data();
  size_t out_left = scratch.size();
  char* in = const_cast<char*>(bytes.data());  // NOLINT: iconv does not write there
  size_t in_left = bytes.size();
  bool is_valid = true;
  ::iconv(converter_->handle, nullptr, nullptr, nullptr, nullptr);
  while (in_left > 0) {
    if (::iconv(converter_->handle, &in, &in_left, &out, &out_left) != static_cast<size_t>(-1)) break;
    is_valid = false;  // EILSEQ, or EINVAL: a character that is cut short
    std::memcpy(out, replacement.data(), replacement.size());
    out += replacement.size();
    out_left -= replacement.size();
    ++in;
    --in_left;
  }
  scratch.resize(static_cast<size_t>(out - scratch.data()));
  if (!is_valid) return std::nullopt;
  return scratch;
}

}  // namespace udon::data
