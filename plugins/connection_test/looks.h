#pragma once
// One look at each type of connection. An error: it could not be opened, or was cut while we looked.
#include <filesystem>

#include "connections/connection.h"
#include "plugins/connection_test/finding.h"
#include "plugins/io/io_context.h"

namespace udon {

// Nothing is locked, written or deleted: rights are asked for by statements that stop at the right.
Result<Finding> look_at_mysql(const Connection& connection, const TestQuestion& question, std::stop_token stop);
Result<Finding> look_at_postgres(const Connection& connection, const TestQuestion& question, std::stop_token stop);
Result<Finding> look_at_sqlite(const Connection& connection, const TestQuestion& question, std::stop_token stop);
// For write: one object is written below the prefix, read and removed. `staging` holds its bytes.
Result<Finding> look_at_s3(const Connection& connection, const TestQuestion& question,
                           const std::filesystem::path& staging, IoContext io);
// Only whether the server answers: neither credentials nor the connection's path are sent.
Result<Finding> look_at_http(const Connection& connection, const TestQuestion& question, std::stop_token stop);

}  // namespace udon
