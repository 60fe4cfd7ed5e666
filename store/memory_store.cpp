#include "store/memory_store.h"

#include "store/memory_state.h"

namespace udon {

struct MemoryStore::Impl {
  memory::State state;
  std::unique_ptr<StoreReader> reader = memory::make_reader(state);
  std::unique_ptr<StoreSettings> settings = memory::make_settings(state);
  std::unique_ptr<StoreWriter> writer = memory::make_writer(state);
  std::unique_ptr<StoreOutbox> outbox = memory::make_outbox(state);
};

MemoryStore::MemoryStore() : impl_(std::make_unique<Impl>()) {}
MemoryStore::~MemoryStore() = default;

StoreReader& MemoryStore::reader() { return *impl_->reader; }
StoreSettings& MemoryStore::settings() { return *impl_->settings; }
StoreWriter& MemoryStore::writer() { return *impl_->writer; }
StoreOutbox& MemoryStore::outbox() { return *impl_->outbox; }

}  // namespace udon
