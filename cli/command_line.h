#pragma once
// Arguments to a verb and what it was given. CLI11 is inside.
#include <iosfwd>
#include <string>
#include <variant>
#include <vector>

#include "cli/command.h"

namespace udon::cli {

struct Parsed {
  const Command* command = nullptr;
  Arguments arguments;
  Format format = Format::table;
};

// An int: the program ends with it; help or the mistake has been printed.
std::variant<Parsed, int> parse_command_line(const std::vector<std::string>& arguments,
                                             const std::vector<Command>& commands, std::ostream& out,
                                             std::ostream& err);

}  // namespace udon::cli
