#pragma once
// A process that is held by a descriptor: its number can't become another's under our hands, and a poll on the
// descriptor tells when it ends (POLLIN), also for one that is no child of ours.
#include "base/file.h"
#include "base/subprocess.h"

namespace udon {

// not_found: there is no such process. For a child that was not yet waited for, or of which only the number matters.
Result<FileDescriptor> open_process(pid_t pid);
// not_found also if the number is another process's by now.
Result<FileDescriptor> open_process(const ProcessIdentity& identity);
// A process that has ended takes signals without effect, or is not_found.
Result<void> send_signal(const FileDescriptor& process, int signal);

}  // namespace udon
