// Header-only although it costs seconds: udon-task links this room, and must start on a machine that has
// nothing but the C and C++ run-time libraries.
#define SPDLOG_HEADER_ONLY
#define FMT_HEADER_ONLY
#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <string>

namespace udon {
namespace {

// Never destroyed: a thread may still log while the process ends.
spdlog::logger& logger() {
  static spdlog::logger& the_logger = [&]() -> spdlog::logger& {
    auto& made = *new spdlog::logger("udon", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc));
    return made;
  }();
  return the_logger;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

// One event is one line, also when the text came from outside and has lines of its own: otherwise it could
// forge an event, or move the terminal's cursor.
void append_on_one_line(std::string& line, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      line.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    } else {
      line += c;
    }
  }
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(spdlog_level(level)); }

void log(LogLevel level, std::string_view component, std::string_view text) {
  if (!logger().should_log(spdlog_level(level))) return;
  std::string line;
  line.reserve(component.size() + 2 + text.size());
  append_on_one_line(line, component);
  line += ": ";
  append_on_one_line(line, text);
  logger().log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace udon
