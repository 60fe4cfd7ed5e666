#pragma once
// What a filter, test or function is called with, and Python's rules for matching it to parameters.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dagfile/templates/datum.h"

namespace udon::templates {

struct Arguments {
  std::vector<Datum> positional;
  std::vector<std::pair<std::string, Datum>> named;
};

// The parameters of one call, by their order. Nothing where none was given.
class Parameters {
 public:
  // `names`: all that may be given; the first `required` must be. `callee` is for messages.
  static Result<Parameters> bind(std::string callee, const Arguments& arguments, std::vector<std::string_view> names,
                                 size_t required = 0);
  bool has(size_t i) const { return values_[i].has_value(); }
  const Datum& at(size_t i) const { return *values_[i]; }
  // An error names the parameter and what it takes.
  Result<int64_t> integer(size_t i, int64_t otherwise) const;
  Result<bool> flag(size_t i, bool otherwise) const;
  Result<std::string> text(size_t i, std::string otherwise) const;  // any value as a text, as str() does

 private:
  std::string callee_;
  std::vector<std::string_view> names_;
  std::vector<std::optional<Datum>> values_;
};

}  // namespace udon::templates
