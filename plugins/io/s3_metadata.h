#pragma once
// User metadata of S3 objects: headers, so ASCII. Other text goes as AWS itself gives it back, by RFC 2047.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace udon {

// invalid: a key that is no header name in lower case, or more than 2 KB in all.
Result<void> check_s3_metadata(const std::vector<std::pair<std::string, std::string>>& metadata);
std::string encode_s3_metadata(std::string_view value);  // "한글" → "=?UTF-8?B?7ZWc6riA?="
std::string decode_s3_metadata(std::string_view value);

}  // namespace udon
