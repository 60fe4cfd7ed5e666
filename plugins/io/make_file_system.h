#pragma once
// The file system that a URI names.
#include <memory>
#include <optional>
#include <string>

#include "plugins/io/file_system.h"
#include "plugins/io/io_context.h"

namespace udon {

class S3FileSystem;

// "s3://bucket/key" (options of the connection: s3_settings.h, aws_credentials.h; without one AWS's own chain is used),
// "/path" or "file:///path". invalid: another scheme, a relative path, a wrong option. Nothing is asked of a store yet.
Result<std::unique_ptr<FileSystem>> make_file_system(const std::string& uri,
                                                     const std::optional<Connection>& connection, IoContext context);
// The same for s3:// only, where more is asked of S3 than of any file system.
Result<std::unique_ptr<S3FileSystem>> make_s3_file_system(const std::string& uri,
                                                          const std::optional<Connection>& connection,
                                                          IoContext context);

// True if reading or writing there takes a connection (s3://).
bool needs_connection(const std::string& uri);

}  // namespace udon
