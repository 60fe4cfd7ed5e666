#pragma once
// What a child prints into, and we read.
#include "base/file.h"

namespace udon {

struct Pipe {
  FileDescriptor read_end;  // ours: never waits
  FileDescriptor write_end;
};
Result<Pipe> make_pipe();

}  // namespace udon
