#include "plugins/data/memory_pool.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

namespace udon::data {
namespace {

// Arrow's own buffers come from malloc, too. Of the allocators in its library the default, mimalloc, takes memory in
// pages of 2 MB, gives it back soon and takes it again: on a table of a million rows a third of a try's CPU went into
// the kernel clearing them, and the peak was a fifth higher. Before Arrow first asks which it is to take; a person's
// own choice stays.
__attribute__((constructor)) void choose_memory_pool() { ::setenv("ARROW_DEFAULT_MEMORY_POOL", "system", 0); }

// From this size on a block is a mapping: below, the kernel's part would cost more than the bytes are worth.
constexpr int64_t mapped_bytes_min = 256 << 10;
// Threads of a try share these: each arena keeps what it was given.
constexpr int arenas_max = 2;

int64_t whole_pages(int64_t bytes) {
  static const int64_t page = ::sysconf(_SC_PAGESIZE);
  return (bytes + page - 1) / page * page;
}

// Mappings in whole pages. Those that were given back are kept for the next who asks while there is room: a page that
// is new costs a fault and is cleared by the kernel, which took a fifth of a try's CPU.
class Mappings {
 public:
  // Room for those in use and those kept, together.
  void keep(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    bytes_max_ = bytes;
    shrink(bytes_max_ - used_bytes_);
  }

  // Null: there is no memory left.
  uint8_t* take(int64_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (uint8_t* const block = take_kept(bytes)) return block;
      used_bytes_ += bytes;
      shrink(bytes_max_ - used_bytes_);
    }
    void* const mapped =
        ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped != MAP_FAILED) return static_cast<uint8_t*>(mapped);
    const std::lock_guard lock(mutex_);
    used_bytes_ -= bytes;
    return nullptr;
  }

  // Null: there is no memory left, and the block stays as it was.
  uint8_t* resize(uint8_t* block, int64_t old_bytes, int64_t new_bytes) {
    uint8_t* larger = nullptr;
    int64_t room = 0;
    {
      const std::lock_guard lock(mutex_);
      room = room_of(block, old_bytes);
      if (new_bytes <= room && room > old_bytes) {
        set_room(block, new_bytes, room);
        return block;
      }
      // To copy what there is costs less than new pages.
      if (new_bytes > room) larger = take_kept(new_bytes);
    }
    if (larger != nullptr) {
      std::memcpy(larger, block, static_cast<size_t>(old_bytes));
      give_back(block, old_bytes);
      return larger;
    }
    void* const moved = ::mremap(block, static_cast<size_t>(room), static_cast<size_t>(new_bytes), MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) return nullptr;
    const std::lock_guard lock(mutex_);
    larger_.erase(block);
    used_bytes_ += new_bytes - room;
    shrink(bytes_max_ - used_bytes_);
    return static_cast<uint8_t*>(moved);
  }

  void give_back(uint8_t* block, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    const int64_t room = room_of(block, bytes);
    larger_.erase(block);
    used_bytes_ -= room;
    kept_.emplace(room, block);
    kept_bytes_ += room;
    shrink(bytes_max_ - used_bytes_);
  }

 private:
  // A block for so much less would be held for nothing.
  static constexpr int64_t larger_times_max = 2;

  // All of these with the lock held.
  uint8_t* take_kept(int64_t bytes) {
    const auto found = kept_.lower_bound(bytes);
    if (found == kept_.end() || found->first / larger_times_max > bytes) return nullptr;
    const auto [size, block] = *found;
    kept_.erase(found);
    kept_bytes_ -= size;
    used_bytes_ += size;
    set_room(block, bytes, size);
    return block;
  }
  int64_t room_of(uint8_t* block, int64_t bytes) const {
    const auto found = larger_.find(block);
    return found == larger_.end() ? bytes : found->second;
  }
  void set_room(uint8_t* block, int64_t bytes, int64_t room) {
    if (room > bytes)
      larger_.insert_or_assign(block, room);
    else
      larger_.erase(block);
  }

  void shrink(int64_t bytes_max) {
    while (!kept_.empty() && kept_bytes_ > bytes_max) {
      const auto smallest = kept_.begin();
      ::munmap(smallest->second, static_cast<size_t>(smallest->first));
      kept_bytes_ -= smallest->first;
      kept_.erase(smallest);
    }
  }

  std::mutex mutex_;
  std::multimap<int64_t, uint8_t*> kept_;  // by size
  int64_t kept_bytes_ = 0;
  int64_t used_bytes_ = 0;  // with what their users do not know of
  int64_t bytes_max_ = 0;
  std::unordered_map<uint8_t*, int64_t> larger_;  // those in use that are larger than their user knows
};

class MappingPool final : public arrow::MemoryPool {
 public:
  using arrow::MemoryPool::Allocate;
  using arrow::MemoryPool::Free;
  using arrow::MemoryPool::Reallocate;

  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    if (size < mapped_bytes_min)
      ARROW_RETURN_NOT_OK(small_->Allocate(size, alignment, out));
    else if (*out = mappings_.take(whole_pages(size)); *out == nullptr)
      return none_left(size);
    count(size);
    return arrow::Status::OK();
  }

  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** block) override {
    const bool was_mapped = old_size >= mapped_bytes_min;
    const bool is_mapped = new_size >= mapped_bytes_min;
    if (!was_mapped && !is_mapped) {
      ARROW_RETURN_NOT_OK(small_->Reallocate(old_size, new_size, alignment, block));
    } else if (was_mapped && is_mapped) {
      uint8_t* const moved = mappings_.resize(*block, whole_pages(old_size), whole_pages(new_size));
      if (moved == nullptr) return none_left(new_size);
      *block = moved;
    } else {
      uint8_t* other = nullptr;
      ARROW_RETURN_NOT_OK(Allocate(new_size, alignment, &other));
      std::memcpy(other, *block, static_cast<size_t>(std::min(old_size, new_size)));
      Free(*block, old_size, alignment);
      *block = other;
      return arrow::Status::OK();
    }
    count(new_size - old_size);
    return arrow::Status::OK();
  }

  void Free(uint8_t* block, int64_t size, int64_t alignment) override {
    if (size < mapped_bytes_min)
      small_->Free(block, size, alignment);
    else
      mappings_.give_back(block, whole_pages(size));
    held_.fetch_sub(size, std::memory_order_relaxed);
  }

  void keep(int64_t bytes) { mappings_.keep(bytes); }

  int64_t bytes_allocated() const override { return held_.load(); }
  int64_t max_memory() const override { return peak_.load(); }
  int64_t total_bytes_allocated() const override { return total_.load(); }
  int64_t num_allocations() const override { return allocations_.load(); }
  std::string backend_name() const override { return "udon"; }

 private:
  static arrow::Status none_left(int64_t size) {
    return arrow::Status::OutOfMemory("the system has no ", size, " bytes of memory left");
  }
  void count(int64_t more) {
    const int64_t held = held_.fetch_add(more, std::memory_order_relaxed) + more;
    if (more <= 0) return;
    total_.fetch_add(more, std::memory_order_relaxed);
    allocations_.fetch_add(1, std::memory_order_relaxed);
    int64_t peak = peak_.load(std::memory_order_relaxed);
    while (held > peak && !peak_.compare_exchange_weak(peak, held, std::memory_order_relaxed)) {
    }
  }

  arrow::MemoryPool* const small_ = arrow::system_memory_pool();
  Mappings mappings_;
  std::atomic<int64_t> held_ = 0, peak_ = 0, total_ = 0, allocations_ = 0;
};

MappingPool* mapping_pool() {
  static MappingPool* const pool = new MappingPool;
  return pool;
}

}  // namespace

arrow::MemoryPool* memory_pool() { return mapping_pool(); }

void return_freed_memory(int64_t bytes_max) {
  mapping_pool()->keep(bytes_max);
  static std::once_flag once;
  std::call_once(once, [] {
    // Said so, it stays: by itself it grows with each block that is freed, to 32 MB, and such blocks are then kept.
    mallopt(M_MMAP_THRESHOLD, static_cast<int>(mapped_bytes_min));
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    mallopt(M_ARENA_MAX, arenas_max);
    // Small blocks that were freed join their neighbours at once. Else one at an arena's end, of which the kernel could
    // have what is behind, keeps it from being noticed; malloc_trim joins them, but trims the end of the first arena
    // alone: 20 of 60 MB stayed with an arena whose thread had ended, in some runs.
    mallopt(M_MXFAST, 0);
  });
}

void trim_memory() { malloc_trim(0); }

}  // namespace udon::data
