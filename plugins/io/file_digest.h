#pragma once
#include <cstdint>
#include <stop_token>

#include "base/file.h"
#include "base/net/digest.h"
#include "base/net/http_client.h"

namespace udon {

Result<int64_t> size_of_file(const FileDescriptor& file, const Path& path);  // invalid: no regular file
// Reads 256 KiB at a time. data: the file is shorter than the range.
Result<Sha256Digest> sha256_of(const FileRange& range, const std::stop_token& stop);

}  // namespace udon
