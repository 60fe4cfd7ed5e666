#include "spool/log_parts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/limits.h"
#include "base/text.h"
#include "spool/spool.h"

namespace udon {
namespace {

constexpr std::string_view from_byte = "udon: this part of the log begins at byte ";
constexpr std::string_view after_lines = "; lines between the log's beginning and it: ";
constexpr int64_t header_bytes_max = 256;
// A writer that replaced parts while they were opened leaves a hole between them; it is slower than three looks.
constexpr int looks_max = 3;

Result<std::string> read_range(const LogPart& part, int64_t position, int64_t bytes_max) {
  std::string text(static_cast<size_t>(bytes_max), '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got =
        ::pread(part.file.get(), text.data() + filled, text.size() - filled, position + static_cast<int64_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("read", part.path, errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  text.resize(filled);
  return text;
}

std::optional<int64_t> take_number(std::string_view& text, std::string_view before) {
  if (!text.starts_with(before)) return std::nullopt;
  text.remove_prefix(before.size());
  int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

size_t stamp_bytes() {
  static const size_t bytes = log_stamp(TimePoint{}).size();
  return bytes;
}

// False: the file was never completed.
Result<bool> read_header(LogPart& part) {
  TRY_ASSIGN(const std::string text, read_range(part, 0, header_bytes_max));
  const size_t end = text.find('\n');
  if (end == std::string::npos || end < stamp_bytes()) return false;
  std::string_view line = std::string_view(text).substr(stamp_bytes(), end - stamp_bytes());
  const auto begin = take_number(line, from_byte);
  const auto lines = begin ? take_number(line, after_lines) : std::nullopt;
  if (!lines) return false;
  part.begin = *begin;
  part.lines_before = *lines;
  part.header_bytes = static_cast<int64_t>(end) + 1;
  return true;
}

// Nothing: it is not there.
Result<std::optional<LogPart>> open_part(const Path& path, int slot) {
  auto file = open_file(path, O_RDONLY | O_NOFOLLOW);
  if (!file && file.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!file) return file.error();
  LogPart part{.path = path, .file = std::move(*file), .slot = slot};
  if (slot >= 0) {
    TRY_ASSIGN(const bool is_whole, read_header(part));
    if (!is_whole) return std::nullopt;
  }
  return part;
}

Result<std::vector<LogPart>> open_once(const Path& log) {
  std::vector<LogPart> parts;
  TRY_ASSIGN(std::optional<LogPart> beginning, open_part(log, -1));
  if (!beginning) return parts;
  parts.push_back(std::move(*beginning));
  for (int slot = 0; slot < limits::log_parts; ++slot) {
    TRY_ASSIGN(std::optional<LogPart> part, open_part(log_part_path(log, slot), slot));
    if (part) parts.push_back(std::move(*part));
  }
  std::sort(parts.begin() + 1, parts.end(), [](const LogPart& a, const LogPart& b) { return a.begin < b.begin; });
  // After all were opened: one that another follows does not grow any more, so their ends are their ends.
  for (LogPart& part : parts) {
    struct stat status {};
    if (::fstat(part.file.get(), &status) != 0) return io_error("stat", part.path, errno);
    part.size = status.st_size - part.header_bytes;
  }
  return parts;
}

bool has_hole(const std::vector<LogPart>& parts) {
  for (size_t i = 2; i < parts.size(); ++i)
    if (parts[i].begin != parts[i - 1].end()) return true;
  return false;
}

// Of what is missing before `next`, for a reader that has read up to `offset`.
Result<std::string> gap_line(const LogPart& beginning, const LogPart& next, int64_t offset) {
  TRY_ASSIGN(const std::string stamp, read_range(next, 0, static_cast<int64_t>(stamp_bytes())));
  std::string text = stamp + "udon: ";
  // Of parts that are gone nobody knows the lines any more, only how many there were in all.
  if (offset == beginning.end()) text += std::to_string(next.lines_before) + " lines (";
  text += std::to_string(next.begin - offset) + " bytes";
  if (offset == beginning.end()) text += ")";
  constexpr int64_t mebibyte = 1 << 20;
  return text + " were left out here: a log keeps its first " + std::to_string(limits::log_beginning_bytes / mebibyte) +
         " MiB and the newest " + std::to_string(limits::log_part_bytes * (limits::log_parts - 1) / mebibyte) + " to " +
         std::to_string(limits::log_part_bytes * limits::log_parts / mebibyte) + " MiB\n";
}

Result<std::string> read_lines(const LogPart& part, int64_t offset, int64_t bytes_max, bool is_complete) {
  const int64_t left = part.end() - offset;
  TRY_ASSIGN(std::string text, read_range(part, part.header_bytes + (offset - part.begin), std::min(bytes_max, left)));
  const bool reaches_end = static_cast<int64_t>(text.size()) >= left;
  if (reaches_end && is_complete) return text;
  // A line that fills the whole page is cut where it is.
  const size_t last_line_end = text.rfind('\n');
  if (last_line_end != std::string::npos)
    text.resize(last_line_end + 1);
  else if (reaches_end)
    text.clear();
  return text;
}

}  // namespace

Path log_part_path(const Path& log, int slot) { return log.string() + ".part-" + std::to_string(slot); }

std::string log_part_header(TimePoint at, int64_t begin, int64_t lines_before) {
  return log_stamp(at) + std::string(from_byte) + std::to_string(begin) + std::string(after_lines) +
         std::to_string(lines_before) + "\n";
}

Result<std::vector<LogPart>> open_log_parts(const Path& log) {
  for (int look = 1;; ++look) {
    TRY_ASSIGN(std::vector<LogPart> parts, open_once(log));
    if (look == looks_max || !has_hole(parts)) return parts;
  }
}

Result<LogPiece> read_log(const Path& log, int64_t offset, int64_t bytes_max, bool has_ended) {
  TRY_ASSIGN(const std::vector<LogPart> parts, open_log_parts(log));
  LogPiece piece{.text = "", .end = offset, .is_last = true};
  for (size_t i = 0; i < parts.size(); ++i) {
    const LogPart& part = parts[i];
    const bool is_newest = i + 1 == parts.size();
    if (piece.end >= part.end()) continue;
    if (piece.end < part.begin) {
      TRY_ASSIGN(const std::string gap, gap_line(parts.front(), part, piece.end));
      piece.text += gap;
      piece.end = part.begin;
    }
    const int64_t room = bytes_max - static_cast<int64_t>(piece.text.size());
    if (room <= 0) {
      piece.is_last = false;
      break;
    }
    // Of a beginning that a kill cut off within a line, the part after it is the proof that nothing more comes.
    TRY_ASSIGN(const std::string text, read_lines(part, piece.end, room, !is_newest || has_ended));
    const bool reaches_end = room >= part.end() - piece.end;
    piece.text += text;
    piece.end += static_cast<int64_t>(text.size());
    piece.is_last = is_newest && reaches_end;
    if (!reaches_end) break;
  }
  return piece;
}

}  // namespace udon
