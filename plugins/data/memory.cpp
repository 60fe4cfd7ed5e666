// Arrow's buffers come from malloc. Of the allocators in its library the default, mimalloc, takes memory in pages of
// 2 MB, gives it back soon and takes it again: on a table of a million rows a third of a try's CPU went into the kernel
// clearing them, and the peak was a fifth higher.
#include <cstdlib>

namespace {

// Before Arrow first asks which it is to take; a person's own choice stays.
__attribute__((constructor)) void choose_memory_pool() { ::setenv("ARROW_DEFAULT_MEMORY_POOL", "system", 0); }

}  // namespace
