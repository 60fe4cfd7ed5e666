#pragma once
// The log of one try: lines "2026-01-31T00:00:00.123456Z text", UTF-8, with secrets masked before they reach the disk.
// Bounded: its beginning and its newest lines are kept (spool/log_parts.h).
#include <array>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "connections/redaction.h"

namespace udon {

// Thread-safe. A full disk loses lines, never the try.
class TaskLog {
 public:
  struct Limits {
    int64_t beginning_bytes = limits::log_beginning_bytes;
    int64_t part_bytes = limits::log_part_bytes;
    int64_t line_bytes = limits::log_line_bytes_max;
  };
  // Appends to the file, and makes it and its folder if they are not there.
  static Result<std::unique_ptr<TaskLog>> open(const Path& path, const Clock& clock, Limits limits);

  // Masked from now on.
  void add_secret(std::string_view secret);
  void add_secrets_of(const Connection& connection);
  std::string redact(std::string_view text) const;

  void line(std::string_view text);         // of the operator; may hold several
  void runner_line(std::string_view text);  // of the runner: as it is
  // A child's output, cut anywhere; `stream` keeps the lines of several sources apart. 0 is for the descriptor that
  // operators write to.
  static constexpr int stream_count = 3;
  void output(int stream, std::string_view bytes);
  // Of the newest part, always the same number.
  int descriptor() const { return file_.get(); }
  void flush();   // writes what is complete
  void finish();  // and the last lines without an end, and how much could not be written

 private:
  struct Stream {
    Redactor redactor;
    std::string line;
    int64_t line_bytes = 0;  // with those that were cut
  };

  TaskLog(FileDescriptor file, Path path, const Clock& clock, Limits limits);
  Result<void> find_newest();
  Result<void> begin_part();
  void append(Stream& stream, std::string_view text);
  void end_line(Stream& stream);
  void emit(std::string_view line, int64_t line_bytes);
  void drop(int64_t lines, int64_t bytes);
  void write_out();

  mutable std::mutex mutex_;
  const FileDescriptor file_;
  const Path path_;
  const Clock& clock_;
  const Limits limits_;
  Redactor redactor_;  // of whole texts
  std::array<Stream, stream_count> streams_;
  // Where the next line goes.
  int slot_ = -1;      // -1: the log's beginning
  int64_t begin_ = 0;  // of the part, in the whole log
  int64_t size_ = 0;   // of the part, with the line that it begins with
  int64_t header_bytes_ = 0;
  int64_t lines_ = 0;  // after the log's beginning
  int64_t dropped_lines_ = 0;
  int64_t dropped_bytes_ = 0;
  std::string buffer_;
};

}  // namespace udon
