#pragma once
#include <memory>

#include "plugins/data/reader.h"

namespace udon::data {

// A reader whose columns have the types that `type:` asks for (recast.h): what another reader delivers is first held
// against the hashes of its wire values, then recast, then hashed anew, each source on its own thread. Where no
// column asks, the sources are the other reader's own.
std::unique_ptr<TableReader> make_recast_reader(std::unique_ptr<TableReader> reader);

}  // namespace udon::data
