#include "plugins/io/s3_metadata.h"

#include <algorithm>

#include "base/text.h"

namespace udon {
namespace {

constexpr size_t metadata_bytes_max = 2048;  // S3's limit, over keys and values
constexpr std::string_view word_begin = "=?UTF-8?B?";
constexpr std::string_view word_end = "?=";

bool is_plain(std::string_view value) {
  if (value.starts_with("=?") || value.starts_with(' ') || value.ends_with(' ')) return false;
  return std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; }) && value.find("  ") == value.npos;
}

}  // namespace

Result<void> check_s3_metadata(const std::vector<std::pair<std::string, std::string>>& metadata) {
  size_t bytes = 0;
  for (const auto& [key, value] : metadata) {
    if (key.empty() || key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") != key.npos) {
      return Error{ErrorKind::invalid,
                   "metadata key `" + key + "`: expected lower-case letters, digits, `-`, `_` and `.`"};
    }
    bytes += key.size() + encode_s3_metadata(value).size();
  }
  if (bytes > metadata_bytes_max) {
    return Error{ErrorKind::invalid, "metadata of " + std::to_string(bytes) + " bytes: S3 keeps 2048 at most"};
  }
  return {};
}

std::string encode_s3_metadata(std::string_view value) {
  if (is_plain(value)) return std::string(value);
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
  return std::string(word_begin) + to_base64({bytes, value.size()}) + std::string(word_end);
}

std::string decode_s3_metadata(std::string_view value) {
  if (!value.starts_with(word_begin) || !value.ends_with(word_end)) return std::string(value);
  const std::string_view inside =
      value.substr(word_begin.size(), value.size() - std::min(value.size(), word_begin.size() + word_end.size()));
  const auto bytes = from_base64(inside);
  return bytes ? std::string(bytes->begin(), bytes->end()) : std::string(value);
}

}  // namespace udon
