#pragma once
// Where the data plane's bytes come from: so that what is freed is the system's again, and a try's peak is what it
// holds and not what its allocators keep. Measured with values of 1 MB and a budget of 64 MB: 108 MB by Arrow's own
// pool (mimalloc) with one reader, 65 MB by the system's functions with a fixed threshold.
#include <arrow/memory_pool.h>

namespace udon::data {

// For builders, writers and readers of ours. Large blocks are mappings of their own: they grow without being copied,
// what was not written to yet costs nothing, and freed they are gone but for a few. Never destroyed; any thread may use
// it.
arrow::MemoryPool* memory_pool();

// The same for what libraries take by malloc (a client's buffer of a row, for example), and for small blocks. Of large
// ones that were freed those are kept for the next who asks that have room beside those in use, in `bytes_max`. For a
// process, before it copies.
void return_freed_memory(int64_t bytes_max);

// Of many small blocks what was freed between others, too: after a row group, whose thousands of column buffers go at
// once.
void trim_memory();

}  // namespace udon::data
