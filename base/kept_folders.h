#pragma once
// What tries leave below $UDON_HOME/staging for later tries, which may never come.
#include <chrono>

#include "base/clock.h"
#include "base/file.h"

namespace udon {

// Of exports in ranges, a folder for each task instance (plugins/data/kept_chunks.h).
inline constexpr const char* resume_folder = "resume";
// A task's retries are over by then; a person who clears it later has it read anew.
inline constexpr std::chrono::hours resume_kept_for{72};

// Removes what is in `parent` and was not added to since `now - for_so_long`, but for `own`. How many went.
int remove_untouched(const Path& parent, TimePoint now, Duration for_so_long, const Path& own = {});

}  // namespace udon
