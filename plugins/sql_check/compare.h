#pragma once
// When two values are the same, and how far they may differ.
#include <optional>
#include <string>

#include "base/result.h"
#include "base/value.h"
#include "plugins/sql_check/number.h"

namespace udon {

// A value of an answer.
struct CheckCell {
  bool is_null = true;
  std::optional<Number> number;  // of numeric columns, and of booleans as 1 and 0
  std::string text;

  // As in Python: neither NULL, 0, false nor an empty text.
  bool is_truthy() const { return !is_null && (number ? !number->is_zero() : !text.empty()); }
  std::string shown() const;  // for messages, shortened
  bool operator==(const CheckCell&) const = default;
};

// The parameter `tolerance`: a number, how far apart two numbers may be, or "1%" of the expected one.
class Tolerance {
 public:
  static Result<Tolerance> parse(const Value& value);
  bool allows(const Number& found, const Number& expected) const;
  std::string text() const { return text_; }  // " (tolerance 1%)", or nothing

 private:
  Number bound_;
  bool is_relative_ = false;
  std::string text_;
};

// Numbers within the tolerance; anything else as its text; NULL is NULL.
bool is_same(const CheckCell& found, const CheckCell& expected, const Tolerance& tolerance);

// What a DAG file expects, as a cell: numbers, booleans, texts, null. Nothing: a list or map.
std::optional<CheckCell> expected_cell(const Value& value);

}  // namespace udon
