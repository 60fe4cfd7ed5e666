#pragma once
// Hashes of the values of Arrow arrays over the canonical bytes of canonical.h: what is read back from a file, and what
// a transform has made, is compared with what came over the wire by these.
#include <arrow/api.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace udon::data {

// One hash a value, in order; NULLs are null_hash. Dictionary arrays hash as their values. unsupported: a type that has
// no canonical bytes.
Result<std::vector<uint64_t>> hash_array(const arrow::Array& array);

// The canonical bytes themselves, one text a value (empty for NULL): what masks are made from.
Result<std::vector<std::string>> canonical_bytes(const arrow::Array& array);

// True if hash_array takes this type.
bool has_canonical_bytes(const arrow::DataType& type);

}  // namespace udon::data
