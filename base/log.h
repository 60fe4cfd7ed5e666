#pragma once
// The program's own log (not a try's log): one line an event, "time level component: text", to standard
// error. Log where the error ends, never log and go on with the error too. Secrets are redacted by whoever
// formats the text.
#include <string_view>

namespace udon {

enum class LogLevel { debug, info, warning, error };

void set_log_level(LogLevel level);
void log(LogLevel level, std::string_view component, std::string_view text);
inline void log_info(std::string_view component, std::string_view text) { log(LogLevel::info, component, text); }
inline void log_warning(std::string_view component, std::string_view text) { log(LogLevel::warning, component, text); }
inline void log_error(std::string_view component, std::string_view text) { log(LogLevel::error, component, text); }
inline void log_debug(std::string_view component, std::string_view text) { log(LogLevel::debug, component, text); }

}  // namespace udon
