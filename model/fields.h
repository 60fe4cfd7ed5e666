#pragma once
// Reading a map member by member, as every JSON form of ours is read. The first thing that is wrong is kept
// and names its key; after it every read gives a default, so that a reader is a plain list of fields with one
// check at its end:
//   FieldReader fields(value, "try request");
//   request.run = fields.integer("run");
//   TRY(fields.status());
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"

namespace udon {

class FieldReader {
 public:
  // `value` outlives the reader. `what` names the form in messages: "try request: `run` is missing".
  FieldReader(const Value& value, std::string_view what);

  bool has(std::string_view key) const;  // there, and not null

  // Required: missing or null is an error.
  std::string text(std::string_view key);
  bool flag(std::string_view key);
  int64_t integer(std::string_view key);
  int64_t integer_at_least(std::string_view key, int64_t least);
  int small_integer(std::string_view key);  // within int
  TimePoint time(std::string_view key);     // RFC 3339
  Duration duration(std::string_view key);  // an integer of microseconds; `key` ends in "_us"
  const Value& any(std::string_view key);   // present; null is a value
  const Value& map(std::string_view key);
  const Value::List& list(std::string_view key);
  std::vector<std::string> texts(std::string_view key);

  // Missing or null is nothing; a wrong type is still an error.
  std::optional<std::string> optional_text(std::string_view key);
  std::optional<int64_t> optional_integer(std::string_view key);
  std::optional<bool> optional_flag(std::string_view key);
  std::optional<TimePoint> optional_time(std::string_view key);
  std::optional<Duration> optional_duration(std::string_view key);

  // A word of an enum: `parse` is its parse_x.
  template <class E>
  E word(std::string_view key, std::optional<E> (*parse)(std::string_view)) {
    const std::string found = text(key);
    if (error_) return E{};
    const std::optional<E> parsed = parse(found);
    if (!parsed) fail(key, "is `" + found + "`, which is none of its words");
    return parsed.value_or(E{});
  }
  template <class E>
  std::optional<E> optional_word(std::string_view key, std::optional<E> (*parse)(std::string_view)) {
    if (!has(key)) return std::nullopt;
    return word(key, parse);
  }

  // What a caller found wrong by itself; kept if nothing was wrong before.
  void fail(std::string_view key, std::string_view problem);
  void fail(Error error);
  Result<void> status() const;

 private:
  // The member at `key` if it is there, of the type and nothing was wrong before; else nullptr, and what is
  // wrong is kept.
  const Value* required(std::string_view key, bool (Value::*is_type)() const, std::string_view expected);

  const Value& value_;
  std::string what_;
  std::optional<Error> error_;
};

}  // namespace udon
