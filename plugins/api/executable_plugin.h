#pragma once
// Operators that are programs of their own, in any language: `PROGRAM describe` tells what they are, `PROGRAM run NAME`
// and `PROGRAM poke NAME` take one JSON request on standard input and answer with JSON lines on standard output. The
// protocol is taught in docs/plugins.md; version 1 stays as it is.
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "plugins/api/operator.h"
#include "plugins/spec/spec.h"

namespace udon {

inline constexpr int plugin_protocol_version = 1;

// timeout; data: it printed no description, or ended badly: the message holds what it said on standard error;
// unsupported: it speaks another protocol.
Result<std::vector<OperatorSpec>> describe_executable(const Path& file, std::vector<std::string> environment,
                                                      std::chrono::milliseconds timeout);
// What `describe` printed, as operators; also of shared objects, which a child of ours describes in the same words.
Result<std::vector<OperatorSpec>> parse_description(std::string_view json);
Value to_description(const std::vector<OperatorSpec>& operators);

// The context must be able to start processes.
std::unique_ptr<Operator> make_executable_operator(Path file, OperatorSpec spec);
std::unique_ptr<Sensor> make_executable_sensor(Path file, OperatorSpec spec);

}  // namespace udon
