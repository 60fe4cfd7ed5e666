#include <algorithm>
#include <map>
#include <mutex>

#include "plugins/spec/spec.h"

namespace udon {

struct OperatorCatalog::State {
  using Specs = std::map<std::string, std::shared_ptr<const OperatorSpec>, std::less<>>;

  mutable std::mutex mutex;
  Specs own, foreign;
  std::vector<std::shared_ptr<const OperatorSpec>> all;  // also those that others took the place of
  uint64_t generation = 0;
};

OperatorCatalog::OperatorCatalog() : state_(std::make_shared<State>()) {}

void OperatorCatalog::add(OperatorSpec spec) {
  const std::lock_guard lock(state_->mutex);
  auto kept = std::make_shared<const OperatorSpec>(std::move(spec));
  state_->all.push_back(kept);
  state_->own[kept->name] = std::move(kept);
}

void OperatorCatalog::set_foreign(std::vector<OperatorSpec> specs) {
  const std::lock_guard lock(state_->mutex);
  State::Specs now;
  bool is_same = true;
  for (OperatorSpec& spec : specs) {
    if (state_->own.contains(spec.name)) continue;
    const auto before = state_->foreign.find(spec.name);
    if (before != state_->foreign.end() && to_value(*before->second) == to_value(spec)) {
      now.insert(*before);
      continue;
    }
    is_same = false;
    auto kept = std::make_shared<const OperatorSpec>(std::move(spec));
    state_->all.push_back(kept);
    now[kept->name] = std::move(kept);
  }
  if (is_same && now.size() == state_->foreign.size()) return;
  state_->foreign = std::move(now);
  state_->generation += 1;
}

const OperatorSpec* OperatorCatalog::find(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  for (const State::Specs* specs : {&state_->own, &state_->foreign})
    if (const auto found = specs->find(name); found != specs->end()) return found->second.get();
  return nullptr;
}

std::vector<std::string> OperatorCatalog::names() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> names;
  for (const State::Specs* specs : {&state_->own, &state_->foreign})
    for (const auto& [name, spec] : *specs) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t OperatorCatalog::generation() const {
  const std::lock_guard lock(state_->mutex);
  return state_->generation;
}

}  // namespace udon
