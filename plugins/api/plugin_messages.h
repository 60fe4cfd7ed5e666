#pragma once
// What a program says while it runs for a try: a JSON object a line, with one of the keys below. Everything else that
// it prints is for the log.
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/value.h"

namespace udon {

struct PluginMessage {
  enum class Kind { log, xcom, result, poke, error };
  Kind kind = Kind::log;
  Value content;
};

// Nothing: the line is none.
std::optional<PluginMessage> parse_plugin_message(std::string_view line);
// {"kind": "data", "message": "…"}; a kind that is none of ours is `invalid`.
Error parse_plugin_error(const Value& content);

// Makes lines of what comes in pieces.
class LineReader {
 public:
  LineReader(size_t bytes_max, std::function<void(std::string_view line)> on_line)
      : bytes_max_(bytes_max), on_line_(std::move(on_line)) {}
  void feed(std::string_view bytes);
  void finish();                             // the last line may have no end
  bool has_cut() const { return has_cut_; }  // a line was longer than bytes_max, and is given in pieces

 private:
  const size_t bytes_max_;
  const std::function<void(std::string_view)> on_line_;
  std::string line_;
  bool has_cut_ = false;
};

}  // namespace udon
