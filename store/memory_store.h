#pragma once
// The store in memory: for tests and for the simulation, which needs millions of commits. Behaves as the
// durable ones do (tests/store runs one suite over all), except that it forgets everything with its object.
#include <memory>

#include "store/outbox.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/writer.h"

namespace udon {

class MemoryStore final : public Store {
 public:
  MemoryStore();
  ~MemoryStore() override;
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  StoreReader& reader() override;
  StoreSettings& settings() override;
  StoreWriter& writer() override;
  StoreOutbox& outbox() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace udon
