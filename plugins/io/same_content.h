#pragma once
// Is what a store holds what a file holds? By the store's checksum, without reading the object.
#include <stop_token>

#include "base/file.h"
#include "plugins/io/file_system.h"

namespace udon {

// Metadata of ours: the size of the parts, without which a checksum of parts cannot be compared with a file's.
inline constexpr const char* part_bytes_key = "udon-part-bytes";

// False also where the store gives no checksum, or one of parts whose size is not known.
Result<bool> has_same_content(const ObjectInfo& object, const Path& file, const std::stop_token& stop);

}  // namespace udon
