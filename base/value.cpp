#include "base/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/ensure.h"
#include "base/limits.h"
#include "base/unicode.h"

namespace udon {
namespace {

// Counts what the parser has read, as its callbacks don't say where they are.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, size_t* count) : at_(at), count_(count) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*count_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  size_t* count_;
};

// What the library says without its number, its position (we say it) and the text that it read last, which
// may be a part of a password.
std::string without_quotation(std::string message) {
  if (const size_t end = message.find("] "); message.starts_with('[') && end != message.npos) message.erase(0, end + 2);
  if (const size_t end = message.find(" - "); message.starts_with("parse error") && end != message.npos) {
    message.erase(0, end + 3);
  }
  constexpr std::string_view quotation = "; last read: '";
  if (const size_t begin = message.find(quotation); begin != message.npos) {
    const size_t end = message.rfind('\'');
    message.erase(begin, end >= begin + quotation.size() ? end + 1 - begin : message.npos);
  }
  return message;
}

// Called by the library for every event of the text; builds the value in place. Iterative on both sides, so
// the depth limit is about those who later walk the value.
class Builder {
 public:
  using number_integer_t = int64_t;
  using number_unsigned_t = uint64_t;
  using number_float_t = double;
  using string_t = std::string;
  using binary_t = nlohmann::json::binary_t;

  explicit Builder(std::string_view text) : text_(text) {}

  CountingIterator begin() { return {text_.data(), &read_}; }
  CountingIterator end() { return {text_.data() + text_.size(), &read_}; }
  Result<Value> take() {
    if (error_) return *error_;
    return std::move(root_);
  }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(int64_t value) { return add(value); }
  bool number_unsigned(uint64_t value) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return fail_number();
    return add(static_cast<int64_t>(value));
  }
  bool number_float(double value, const std::string& written) {
    // The library takes an integer beyond 64 bits for a double.
    if (written.find_first_of(".eE") == written.npos) return fail_number();
    return add(value);
  }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(binary_t&) { return false; }  // JSON text has none

  bool start_object(size_t) { return open(Value::map()); }
  bool key(std::string& name) {
    open_.back()->as_map().emplace_back(std::move(name), Value());
    return true;
  }
  bool end_object() {
    // Here and not in key(): sorting once keeps an object of a million keys from taking a million searches.
    std::vector<std::string_view> names;
    for (const auto& [name, value] : open_.back()->as_map()) names.push_back(name);
    std::ranges::sort(names);
    if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) {
      return fail(read_ - 1, "the object that ends here has the key `" + std::string(*twice) + "` twice");
    }
    open_.pop_back();
    return true;
  }
  bool start_array(size_t) { return open(Value::list()); }
  bool end_array() {
    open_.pop_back();
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& exception) {
    return fail(position > 0 ? position - 1 : 0, without_quotation(exception.what()));
  }

 private:
  Value& place(Value value) {
    if (open_.empty()) return root_ = std::move(value);
    Value& parent = *open_.back();
    if (parent.is_list()) return parent.as_list().emplace_back(std::move(value));
    return parent.as_map().back().second = std::move(value);
  }
  bool add(Value value) {
    place(std::move(value));
    return true;
  }
  bool open(Value value) {
    if (open_.size() >= limits::value_depth_max) {
      return fail(read_ - 1, "nested deeper than " + std::to_string(limits::value_depth_max) + " levels");
    }
    // The address holds while it is open: its parent gets no other member before it closes.
    open_.push_back(&place(std::move(value)));
    return true;
  }
  bool fail_number() {
    // The parser has read the number and, unless the text ended, one character after it.
    constexpr std::string_view number_characters = "+-.0123456789eE";
    const auto is_part = [&](size_t at) { return number_characters.find(text_[at]) != number_characters.npos; };
    size_t start = read_;
    while (start > 0 && !is_part(start - 1)) --start;
    while (start > 0 && is_part(start - 1)) --start;
    return fail(start, "the integer is outside the range of 64 bits");
  }
  bool fail(size_t offset, std::string_view what) {
    const std::string_view before = text_.substr(0, std::min(offset, text_.size()));
    const auto line = 1 + std::ranges::count(before, '\n');
    const size_t column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0: the first line
    error_ = Error{ErrorKind::invalid, "JSON at byte " + std::to_string(offset) + " (line " + std::to_string(line) +
                                           ", column " + std::to_string(column) + "): " + std::string(what)};
    return false;
  }

  std::string_view text_;
  size_t read_ = 0;
  Value root_;
  std::vector<Value*> open_;
  std::optional<Error> error_;
};

class Writer {
 public:
  enum class Style { compact, pretty };
  explicit Writer(Style style) : style_(style) {}

  void write(const Value& value) {
    if (value.is_null()) {
      text_ += "null";
    } else if (value.is_bool()) {
      text_ += value.as_bool() ? "true" : "false";
    } else if (value.is_int()) {
      text_ += std::to_string(value.as_int());
    } else if (value.is_double()) {
      write_double(value.as_double());
    } else if (value.is_string()) {
      write_string(value.as_string());
    } else if (value.is_list()) {
      write_members(value.as_list(), '[', ']', [&](const Value& member) { write(member); });
    } else {
      write_members(value.as_map(), '{', '}', [&](const Value::Member& member) {
        write_string(member.first);
        text_ += style_ == Style::pretty ? ": " : ":";
        write(member.second);
      });
    }
  }
  std::string take() { return std::move(text_); }

 private:
  template <class Members, class WriteOne>
  void write_members(const Members& members, char open, char close, WriteOne write_one) {
    text_ += open;
    ++depth_;
    for (size_t i = 0; i < members.size(); ++i) {
      if (i > 0) text_ += ',';
      new_line();
      write_one(members[i]);
    }
    --depth_;
    if (!members.empty()) new_line();
    text_ += close;
  }
  void new_line() {
    if (style_ == Style::pretty) text_.append(1, '\n').append(depth_ * 2, ' ');
  }
  // The shortest digits that read back exactly; exponents only where Python's repr has them, and ".0" as
  // there, so that a double stays one.
  void write_double(double number) {
    if (!std::isfinite(number)) {
      text_ += "null";
      return;
    }
    const double size = std::fabs(number);
    const bool is_plain = size == 0 || (size >= 1e-4 && size < 1e16);
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, number,
                                   is_plain ? std::chars_format::fixed : std::chars_format::scientific)
                         .ptr;
    const std::string_view digits(buffer, static_cast<size_t>(end - buffer));
    text_ += digits;
    if (digits.find_first_of(".e") == digits.npos) text_ += ".0";
  }
  void write_string(std::string_view content) {
    text_ += '"';
    while (!content.empty()) {
      const CodePoint point = decode_utf8(content);
      if (!point.is_valid) {
        text_ += "\xEF\xBF\xBD";
      } else if (point.bytes == 1) {
        write_ascii(content[0]);
      } else {
        text_ += content.substr(0, static_cast<size_t>(point.bytes));
      }
      content.remove_prefix(static_cast<size_t>(point.bytes));
    }
    text_ += '"';
  }
  void write_ascii(char c) {
    constexpr std::string_view special = "\"\\\b\f\n\r\t";
    constexpr std::string_view letters = "\"\\bfnrt";
    constexpr std::string_view digits = "0123456789abcdef";
    if (const size_t at = special.find(c); at != special.npos) {
      text_.append(1, '\\').append(1, letters[at]);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      text_.append("\\u00").append(1, digits[static_cast<size_t>(c) >> 4]).append(1, digits[c & 15]);
    } else {
      text_ += c;
    }
  }

  Style style_;
  size_t depth_ = 0;
  std::string text_;
};

std::string write_json(const Value& value, Writer::Style style) {
  Writer writer(style);
  writer.write(value);
  return writer.take();
}

}  // namespace

std::string_view Value::type_name() const {
  struct Name {
    std::string_view operator()(std::monostate) const { return "null"; }
    std::string_view operator()(bool) const { return "boolean"; }
    std::string_view operator()(int64_t) const { return "integer"; }
    std::string_view operator()(double) const { return "number"; }
    std::string_view operator()(const std::string&) const { return "string"; }
    std::string_view operator()(const List&) const { return "array"; }
    std::string_view operator()(const Map&) const { return "object"; }
  };
  return std::visit(Name{}, data_);
}

bool Value::as_bool() const {
  ENSURE(is_bool(), "the caller asked is_bool first");
  return *std::get_if<bool>(&data_);
}

int64_t Value::as_int() const {
  ENSURE(is_int(), "the caller asked is_int first");
  return *std::get_if<int64_t>(&data_);
}

double Value::as_double() const {
  ENSURE(is_number(), "the caller asked is_number first");
  return is_int() ? static_cast<double>(*std::get_if<int64_t>(&data_)) : *std::get_if<double>(&data_);
}

const std::string& Value::as_string() const {
  ENSURE(is_string(), "the caller asked is_string first");
  return *std::get_if<std::string>(&data_);
}

const Value::List& Value::as_list() const {
  ENSURE(is_list(), "the caller asked is_list first");
  return *std::get_if<List>(&data_);
}

Value::List& Value::as_list() {
  ENSURE(is_list(), "the caller asked is_list first");
  return *std::get_if<List>(&data_);
}

const Value::Map& Value::as_map() const {
  ENSURE(is_map(), "the caller asked is_map first");
  return *std::get_if<Map>(&data_);
}

Value::Map& Value::as_map() {
  ENSURE(is_map(), "the caller asked is_map first");
  return *std::get_if<Map>(&data_);
}

const Value* Value::find(std::string_view key) const {
  if (!is_map()) return nullptr;
  const auto found = std::ranges::find(as_map(), key, &Member::first);
  return found == as_map().end() ? nullptr : &found->second;
}

const Value& Value::get(std::string_view key) const {
  static const Value null;
  const Value* found = find(key);
  return found ? *found : null;
}

Value& Value::set(std::string_view key, Value value) {
  if (is_null()) data_ = Map{};
  const auto found = std::ranges::find(as_map(), key, &Member::first);
  if (found != as_map().end()) return found->second = std::move(value);
  return as_map().emplace_back(std::string(key), std::move(value)).second;
}

bool Value::erase(std::string_view key) {
  return is_map() && std::erase_if(as_map(), [&](const Member& member) { return member.first == key; }) > 0;
}

void Value::push_back(Value value) {
  if (is_null()) data_ = List{};
  as_list().push_back(std::move(value));
}

size_t Value::size() const {
  if (is_list()) return as_list().size();
  return is_map() ? as_map().size() : 0;
}

std::string Value::text(std::string_view key, std::string_view otherwise) const {
  const Value* found = find(key);
  return found && found->is_string() ? found->as_string() : std::string(otherwise);
}

int64_t Value::integer(std::string_view key, int64_t otherwise) const {
  const Value* found = find(key);
  return found && found->is_int() ? found->as_int() : otherwise;
}

bool Value::flag(std::string_view key, bool otherwise) const {
  const Value* found = find(key);
  return found && found->is_bool() ? found->as_bool() : otherwise;
}

Result<Value> parse_json(std::string_view text) {
  Builder builder(text);
  nlohmann::json::sax_parse(builder.begin(), builder.end(), &builder);
  return builder.take();
}

std::string to_json(const Value& value) { return write_json(value, Writer::Style::compact); }

std::string to_json_pretty(const Value& value) { return write_json(value, Writer::Style::pretty); }

}  // namespace udon
