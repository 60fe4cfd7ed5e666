#include "dagfile/templates/arguments.h"

#include <algorithm>

#include "base/text.h"

namespace udon::templates {

Result<Parameters> Parameters::bind(std::string callee, const Arguments& arguments, std::vector<std::string_view> names,
                                    size_t required) {
  Parameters parameters;
  parameters.callee_ = std::move(callee);
  parameters.names_ = std::move(names);
  parameters.values_.resize(parameters.names_.size());
  if (arguments.positional.size() > parameters.names_.size())
    return failure("`" + parameters.callee_ + "` takes at most " + std::to_string(parameters.names_.size()) +
                   " arguments, not " + std::to_string(arguments.positional.size()));
  for (size_t i = 0; i < arguments.positional.size(); ++i) parameters.values_[i] = arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(parameters.names_.begin(), parameters.names_.end(), name);
    if (found == parameters.names_.end()) {
      const std::vector<std::string> known(parameters.names_.begin(), parameters.names_.end());
      return failure("`" + parameters.callee_ + "` has no argument `" + name + "`" + did_you_mean(name, known));
    }
    auto& slot = parameters.values_[static_cast<size_t>(found - parameters.names_.begin())];
    if (slot) return failure("`" + parameters.callee_ + "` got the argument `" + name + "` twice");
    slot = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!parameters.values_[i])
      return failure("`" + parameters.callee_ + "` needs the argument `" + std::string(parameters.names_[i]) + "`");
  }
  return parameters;
}

Result<int64_t> Parameters::integer(size_t i, int64_t otherwise) const {
  if (!has(i)) return otherwise;
  TRY(require_defined(at(i)));
  if (!at(i).is_integral())
    return failure("`" + callee_ + "` takes an integer as `" + std::string(names_[i]) + "`, not " +
                   std::string(type_of(at(i))));
  return at(i).integer();
}

Result<bool> Parameters::flag(size_t i, bool otherwise) const {
  if (!has(i)) return otherwise;
  return is_true(at(i));
}

Result<std::string> Parameters::text(size_t i, std::string otherwise) const {
  if (!has(i)) return otherwise;
  return to_text(at(i));
}

}  // namespace udon::templates
