#pragma once
#include <optional>
#include <string_view>

#include "dagfile/templates.h"
#include "dagfile/templates/ast.h"

namespace udon::templates {

struct Parsed {
  Template tree;
  std::optional<TemplateProblem> problem;
};
// Jinja2's grammar without what names other templates (include, import, extends, block) or defines code (macro, call).
Parsed parse(std::string_view source);

}  // namespace udon::templates
