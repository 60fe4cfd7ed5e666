#include "plugins/sql_check/compare.h"

namespace udon {
namespace {

constexpr size_t shown_bytes_max = 100;

std::string shortened(std::string text) {
  if (text.size() <= shown_bytes_max) return text;
  size_t end = shown_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace

std::string CheckCell::shown() const {
  if (is_null) return "NULL";
  return number ? text : "'" + shortened(text) + "'";
}

Result<Tolerance> Tolerance::parse(const Value& value) {
  Tolerance tolerance;
  if (value.is_null()) return tolerance;
  std::string text = value.is_string() ? value.as_string() : value.is_number() ? to_json(value) : "";
  tolerance.text_ = " (tolerance " + text + ")";
  tolerance.is_relative_ = text.ends_with('%');
  if (tolerance.is_relative_) text.pop_back();
  const auto bound = Number::parse(text);
  if (!bound || *bound < Number())
    return Error{ErrorKind::invalid,
                 "tolerance: expected a number, such as 0.01, or a part of the expected value, such as "
                 "\"1%\"; neither may be negative"};
  tolerance.bound_ = *bound;
  return tolerance;
}

bool Tolerance::allows(const Number& found, const Number& expected) const {
  const Number apart = (found - expected).absolute();
  if (!is_relative_) return apart <= bound_;
  return apart * *Number::parse("100") <= bound_ * expected.absolute();
}

bool is_same(const CheckCell& found, const CheckCell& expected, const Tolerance& tolerance) {
  if (found.is_null || expected.is_null) return found.is_null == expected.is_null;
  if (found.number && expected.number) return tolerance.allows(*found.number, *expected.number);
  // A number that a template gives is a text, and so is one in a column of texts.
  if (found.number || expected.number) {
    const auto other = Number::parse(found.number ? expected.text : found.text);
    if (other) return tolerance.allows(found.number ? *found.number : *other, found.number ? *other : *expected.number);
  }
  return found.text == expected.text;
}

std::optional<CheckCell> expected_cell(const Value& value) {
  if (value.is_list() || value.is_map()) return std::nullopt;
  CheckCell cell;
  if (value.is_null()) return cell;
  cell.is_null = false;
  cell.text = value.is_string() ? value.as_string() : to_json(value);
  if (value.is_number()) cell.number = Number::parse(cell.text);
  if (value.is_bool()) cell.number = Number::parse(value.as_bool() ? "1" : "0");
  return cell;
}

}  // namespace udon
