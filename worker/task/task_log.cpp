#include "worker/task/task_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "base/unicode.h"
#include "spool/log_parts.h"
#include "spool/spool.h"

namespace udon {
namespace {

constexpr size_t buffer_bytes = 64 << 10;
constexpr int flags = O_WRONLY | O_CREAT | O_APPEND;

// Readers get valid UTF-8 without zero bytes, whatever a program printed.
void append_clean(std::string& out, std::string_view text) {
  if (text.find('\0') == text.npos && is_valid_utf8(text)) {
    out += text;
    return;
  }
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    const auto bytes = static_cast<size_t>(point.bytes);
    if (point.is_valid && point.value != 0) {
      out += text.substr(0, bytes);
    } else {
      out += "\xEF\xBF\xBD";
    }
    text.remove_prefix(bytes);
  }
}

// Without the half of a character at its end.
std::string_view cut_utf8(std::string_view text, size_t size) {
  text = text.substr(0, size);
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const size_t expected = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    if (expected > back) text.remove_suffix(back);
    break;
  }
  return text;
}

}  // namespace

TaskLog::TaskLog(FileDescriptor file, Path path, const Clock& clock, Limits limits)
    : file_(std::move(file)), path_(std::move(path)), clock_(clock), limits_(limits) {}

Result<std::unique_ptr<TaskLog>> TaskLog::open(const Path& path, const Clock& clock, Limits limits) {
  // People's data stand in logs: they are their owner's, whatever the rights of a home that was there before.
  auto file = open_file(path, flags, 0600);
  if (!file && file.error().kind == ErrorKind::not_found) {
    // Only the first try of a run finds no folder.
    TRY(make_directories(path.parent_path(), 0700));
    file = open_file(path, flags, 0600);
  }
  if (!file) return file.error();
  std::unique_ptr<TaskLog> log(new TaskLog(std::move(*file), path, clock, limits));
  TRY(log->find_newest());
  return log;
}

Result<void> TaskLog::find_newest() {
  struct stat status {};
  if (fstat(file_.get(), &status) != 0) return io_error("stat", path_, errno);
  size_ = status.st_size;
  if (size_ < limits_.beginning_bytes) return {};
  TRY_ASSIGN(const std::vector<LogPart> parts, open_log_parts(path_));
  if (parts.size() < 2) return {};
  const LogPart& newest = parts.back();
  TRY_ASSIGN(const FileDescriptor file, open_file(newest.path, flags));
  TRY_ASSIGN(const std::string text, read_file(newest.path));
  if (dup3(file.get(), file_.get(), O_CLOEXEC) < 0) return io_error("open", newest.path, errno);
  slot_ = newest.slot;
  begin_ = newest.begin;
  header_bytes_ = newest.header_bytes;
  size_ = newest.header_bytes + newest.size;
  lines_ = newest.lines_before + std::ranges::count(text, '\n') - 1;
  return {};
}

// Made beside and renamed, so that a reader never meets a part without its header.
Result<void> TaskLog::begin_part() {
  const int slot = (slot_ + 1) % limits::log_parts;
  const int64_t begin = begin_ + size_ - header_bytes_;
  const Path path = log_part_path(path_, slot);
  const std::string header = log_part_header(clock_.now(), begin, lines_);
  TRY(write_file_atomically(path, header, Durability::survives_kill, 0600));
  TRY_ASSIGN(const FileDescriptor file, open_file(path, O_WRONLY | O_APPEND));
  if (dup3(file.get(), file_.get(), O_CLOEXEC) < 0) return io_error("open", path, errno);
  slot_ = slot;
  begin_ = begin;
  size_ = header_bytes_ = static_cast<int64_t>(header.size());
  return {};
}

void TaskLog::add_secret(std::string_view secret) {
  const std::lock_guard lock(mutex_);
  redactor_.add(secret);
  for (Stream& stream : streams_) stream.redactor.add(secret);
}

void TaskLog::add_secrets_of(const Connection& connection) {
  const std::lock_guard lock(mutex_);
  redactor_.add_secrets_of(connection);
  for (Stream& stream : streams_) stream.redactor.add_secrets_of(connection);
}

std::string TaskLog::redact(std::string_view text) const {
  const std::lock_guard lock(mutex_);
  return redactor_.redact(text);
}

void TaskLog::line(std::string_view text) {
  const std::lock_guard lock(mutex_);
  for (const std::string& line : split(redactor_.redact(text), '\n')) {
    emit(line, static_cast<int64_t>(line.size()));
  }
  write_out();
}

void TaskLog::runner_line(std::string_view text) {
  const std::lock_guard lock(mutex_);
  // Its own words are not masked, whatever word somebody chose as a password.
  for (const std::string& line : split(text, '\n')) {
    emit(line, static_cast<int64_t>(line.size()));
  }
  write_out();
}

void TaskLog::output(int stream, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  Stream& source = streams_[static_cast<size_t>(std::clamp(stream, 0, stream_count - 1))];
  append(source, source.redactor.feed(bytes));
  write_out();
}

void TaskLog::append(Stream& stream, std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view part = text.substr(0, end);
    stream.line_bytes += static_cast<int64_t>(part.size());
    const size_t room =
        static_cast<size_t>(limits_.line_bytes) - std::min(stream.line.size(), static_cast<size_t>(limits_.line_bytes));
    stream.line += part.substr(0, room);
    if (end == text.npos) return;
    end_line(stream);
    text.remove_prefix(end + 1);
  }
}

void TaskLog::end_line(Stream& stream) {
  emit(stream.line, stream.line_bytes);
  stream.line.clear();
  stream.line_bytes = 0;
}

void TaskLog::emit(std::string_view line, int64_t line_bytes) {
  const int64_t full = slot_ < 0 ? limits_.beginning_bytes : header_bytes_ + limits_.part_bytes;
  if (size_ + static_cast<int64_t>(buffer_.size()) >= full) {
    write_out();
    if (size_ >= full && !begin_part()) return drop(1, line_bytes + 1);
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  buffer_ += log_stamp(clock_.now());
  if (line_bytes > limits_.line_bytes) {
    append_clean(buffer_, cut_utf8(line, static_cast<size_t>(limits_.line_bytes)));
    buffer_ += " … [cut: the line has " + std::to_string(line_bytes) + " bytes]";
  } else {
    append_clean(buffer_, line);
  }
  buffer_ += '\n';
  if (buffer_.size() >= buffer_bytes) write_out();
}

void TaskLog::drop(int64_t lines, int64_t bytes) {
  dropped_lines_ += lines;
  dropped_bytes_ += bytes;
}

void TaskLog::write_out() {
  if (buffer_.empty()) return;
  const int64_t lines = std::ranges::count(buffer_, '\n');
  if (write_all(file_.get(), buffer_, path_)) {
    size_ += static_cast<int64_t>(buffer_.size());
    if (slot_ >= 0) lines_ += lines;
  } else {
    drop(lines, static_cast<int64_t>(buffer_.size()));
    // What of it did fit would make one line with the next.
    static_cast<void>(ftruncate(file_.get(), size_));
  }
  buffer_.clear();
}

void TaskLog::flush() {
  const std::lock_guard lock(mutex_);
  write_out();
}

void TaskLog::finish() {
  const std::lock_guard lock(mutex_);
  for (Stream& stream : streams_) {
    append(stream, stream.redactor.flush());
    if (stream.line_bytes > 0) end_line(stream);
  }
  if (dropped_bytes_ > 0) {
    emit("udon: " + std::to_string(dropped_lines_) + " lines (" + std::to_string(dropped_bytes_) +
             " bytes) could not be written; is the disk full?",
         0);
    dropped_lines_ = dropped_bytes_ = 0;
  }
  write_out();
}

}  // namespace udon
