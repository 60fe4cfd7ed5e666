#pragma once
// The log of one try on disk. The file itself holds its beginning. What follows goes to parts beside it,
// <file>.part-0 to -3, used in turn, so that of a log of any length the beginning and the newest parts are there at any
// time, also after kill -9 of its writer. Each part begins with a line that says where in the whole log it stands.
// Offsets are those of the whole log, as if nothing had been removed, and without those lines: one that was given to a
// reader stays right however much the log grows.
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"

namespace udon {

struct LogPart {
  Path path;
  FileDescriptor file;
  int64_t begin = 0;         // its first byte's offset in the whole log
  int64_t header_bytes = 0;  // before its first byte; 0: the log's beginning
  int64_t size = 0;          // without them
  int64_t lines_before = 0;  // between the log's beginning and it
  int slot = -1;             // -1: the log's beginning
  int64_t end() const { return begin + size; }
};

// In order, the log's beginning first; none if there is no log. A part that was cut off while it was made is left out.
Result<std::vector<LogPart>> open_log_parts(const Path& log);
Path log_part_path(const Path& log, int slot);
std::string log_part_header(TimePoint at, int64_t begin, int64_t lines_before);

struct LogPiece {
  std::string text;      // whole lines
  int64_t end = 0;       // offset after it
  bool is_last = false;  // nothing follows, now
};
// From `offset` on, at most about `bytes_max`, cut after a line's end: what is after the last one may still be being
// written, unless the try has ended. Where parts were removed, one line says how much. No log yet: nothing, for now.
Result<LogPiece> read_log(const Path& log, int64_t offset, int64_t bytes_max, bool has_ended);

}  // namespace udon
