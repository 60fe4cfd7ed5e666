#pragma once
// The log of one try: lines "2026-01-31T00:00:00.123456Z text", UTF-8, with secrets masked before they reach the disk.
// Bounded: past the limit lines are dropped and counted, while the runner's own lines are still written.
#include <array>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "connections/redaction.h"

namespace udon {

// Thread-safe. A full disk loses lines, never the try.
class TaskLog {
 public:
  struct Limits {
    int64_t log_bytes;
    int64_t line_bytes;
  };
  // Appends to the file, and makes it and its folder if they are not there.
  static Result<std::unique_ptr<TaskLog>> open(const Path& path, const Clock& clock, Limits limits);

  // Masked from now on.
  void add_secret(std::string_view secret);
  void add_secrets_of(const Connection& connection);
  std::string redact(std::string_view text) const;

  void line(std::string_view text);         // of the operator; may hold several
  void runner_line(std::string_view text);  // of the runner: written past the limit too
  // A child's output, cut anywhere; `stream` keeps the lines of several sources apart. 0 is for the descriptor that
  // operators write to.
  static constexpr int stream_count = 3;
  void output(int stream, std::string_view bytes);
  int descriptor() const { return file_.get(); }
  void flush();   // writes what is complete
  void finish();  // and the last lines without an end, and how much was dropped

 private:
  struct Stream {
    Redactor redactor;
    std::string line;
    int64_t line_bytes = 0;  // with those that were cut
  };
  enum class Source { others, runner };

  TaskLog(FileDescriptor file, Path path, int64_t size, const Clock& clock, Limits limits);
  void append(Stream& stream, std::string_view text);
  void end_line(Stream& stream);
  void emit(std::string_view line, int64_t line_bytes, Source source);
  void drop(int64_t lines, int64_t bytes);
  void write_out();

  mutable std::mutex mutex_;
  const FileDescriptor file_;
  const Path path_;
  const Clock& clock_;
  const Limits limits_;
  Redactor redactor_;  // of whole texts
  std::array<Stream, stream_count> streams_;
  int64_t size_;
  int64_t dropped_lines_ = 0;
  int64_t dropped_bytes_ = 0;
  std::string buffer_;
};

}  // namespace udon
