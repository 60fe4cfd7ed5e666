#pragma once
// The store as the simulated scheduler sees it: crashes where it is told to, fails where it is told to, and betrays
// where a planted fault says so. Behind it stands a real memory store, which the auditor reads.
#include <functional>
#include <memory>

#include "base/random.h"
#include "store/memory_store.h"
#include "tests/simulation/outside.h"

namespace udon::simulation {

class PlantedStore final : public Store {
 public:
  PlantedStore(Store& behind, Outside& outside);
  ~PlantedStore() override;

  enum class CommitFault { none, before_effect, after_effect };
  std::function<CommitFault()> commit_fault = [] { return CommitFault::none; };
  std::function<bool()> read_fault = [] { return false; };

  StoreReader& reader() override;
  StoreSettings& settings() override;
  StoreWriter& writer() override;
  StoreOutbox& outbox() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon::simulation
