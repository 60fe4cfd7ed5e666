#pragma once
// A control group (version 2) of a process tree: no process can leave it by itself, so what is in it is the whole tree.
// We use it for that proof only and switch no controller on.
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/subprocess.h"

namespace udon {

// The folder of the group that we are in, if groups can be made below it: there is a version 2 hierarchy with
// cgroup.kill (Linux 5.14), and we may write there (root, or a part of the hierarchy that was delegated to us).
std::optional<Path> find_cgroup_parent();

Result<void> make_cgroup(const Path& group);  // there already is success
// Nothing is in it, groups below it included; one that is not there is empty.
bool is_cgroup_empty(const Path& group);
// SIGKILL to everything inside, at once; what is being forked is killed too. Not there is success.
Result<void> kill_cgroup(const Path& group);
// Not there is success; conflict: something is still in it.
Result<void> remove_cgroup(const Path& group);

// As spawn, with the child born inside the group. Moving it there later would miss what it starts first, and costs up
// to 20 ms for the kernel's grace period, while this costs about 0.1 ms. For this the process is copied, so only small
// ones may call it (udon-task; not the server). unsupported: this kernel or container doesn't allow it; use spawn.
Result<pid_t> spawn_into_cgroup(const SpawnRequest& request, const Path& group);

}  // namespace udon
