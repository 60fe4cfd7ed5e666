#include "plugins/data/schema_inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "base/text.h"
#include "base/value.h"
#include "plugins/data/csv_tokenizer.h"
#include "plugins/data/exact_number.h"
#include "plugins/data/json_object.h"
#include "plugins/data/json_text.h"
#include "plugins/data/parsed_column.h"

namespace udon::data {
namespace {

enum Kind : unsigned { boolean = 1, number = 2, date = 4, timestamp = 8, timestamptz = 16 };
constexpr size_t columns_max = 10'000;

bool is_plain_key(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_inner = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  if (name.empty() || !is_letter(name[0]) || !std::ranges::all_of(name, is_inner)) return false;
  for (const std::string_view word : {"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
    if (lower_ascii(name) == word) return false;
  return true;
}

unsigned time_kind(std::string_view text) {
  if (text.size() < 10 || text[0] < '0' || text[0] > '9') return 0;
  if (is_date_text(text)) return date;
  if (text.size() == 10) return 0;
  if (is_timestamp_text(text, false)) return timestamp;
  return is_timestamp_text(text, true) ? unsigned{timestamptz} : 0U;
}

Result<InferredSchema> finish(const std::vector<std::string>& names, const std::vector<TypeGuess>& guesses,
                              int64_t rows, const std::string& display) {
  if (names.empty())
    return Error{ErrorKind::data, fmt::format("{} has no columns from which a schema could be inferred", display)};
  InferredSchema inferred;
  inferred.rows = rows;
  for (size_t c = 0; c < names.size(); ++c) {
    inferred.schema.emplace_back(names[c], guesses[c].type());
    inferred.notes.push_back(fmt::format("`{}`: {}", names[c], guesses[c].note()));
  }
  return inferred;
}

class CsvInference {
 public:
  CsvInference(const CsvOptions& options, CsvTokenizer tokenizer, TextDecoder decoder)
      : options_(options), tokenizer_(std::move(tokenizer)), decoder_(std::move(decoder)) {}

  Result<InferredSchema> run(const std::stop_token& stop) {
    if (options_.header) TRY(read_names());
    int64_t rows = 0;
    for (int64_t records = 0;; ++records) {
      if ((records & 4095) == 0 && stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
      const auto fields = tokenizer_.next();
      if (!fields) {
        if (options_.rejects == nullptr) return fields.error();
        TRY_ASSIGN(const bool is_passed, tokenizer_.recover());
        if (!is_passed) return fields.error();
        continue;
      }
      if (fields->empty()) break;
      if (!options_.header && names_.empty())
        for (size_t c = 0; c < fields->size(); ++c) names_.push_back(fmt::format("column_{}", c + 1));
      guesses_.resize(names_.size());
      if (fields->size() == 1 && names_.size() != 1 && fields->front().text.empty() && !fields->front().quoted)
        continue;
      if (fields->size() != names_.size()) {
        if (options_.rejects != nullptr) continue;
        return Error{ErrorKind::data, fmt::format("{}:{}: {} fields where there are {} columns", options_.display,
                                                  tokenizer_.line(), fields->size(), names_.size())};
      }
      ++rows;
      for (size_t c = 0; c < fields->size(); ++c) add((*fields)[c], guesses_[c]);
    }
    guesses_.resize(names_.size());
    return finish(names_, guesses_, rows, options_.display);
  }

 private:
  Result<void> read_names() {
    TRY_ASSIGN(const auto fields, tokenizer_.next());
    for (const CsvField& field : fields) {
      const auto name = decoder_.decode(field.text, scratch_);
      if (!name || name->empty())
        return Error{ErrorKind::data,
                     fmt::format("{}:1: the header's field {} is {}; state the schema", options_.display,
                                 names_.size() + 1, name ? "empty" : "no text in its encoding")};
      if (std::find(names_.begin(), names_.end(), *name) != names_.end())
        return Error{ErrorKind::data, fmt::format("{}:1: the header has `{}` twice", options_.display, *name)};
      names_.emplace_back(*name);
    }
    return {};
  }

  void add(const CsvField& field, TypeGuess& guess) {
    const auto text = decoder_.decode(field.text, scratch_);
    const std::string_view shown = text ? *text : std::string_view(scratch_);
    if (!field.quoted && shown == options_.null_text)
      guess.add_null();
    else
      guess.add_text(shown, tokenizer_.line());
  }

  const CsvOptions& options_;
  CsvTokenizer tokenizer_;
  TextDecoder decoder_;
  std::string scratch_;
  std::vector<std::string> names_;
  std::vector<TypeGuess> guesses_;
};

class Nobody final : public JsonMembers {
  bool take(const JsonMember&) override { return true; }
};

class JsonInference final : private JsonMembers {
 public:
  JsonInference(const JsonOptions& options, JsonRecords records, TextDecoder decoder)
      : options_(options), records_(std::move(records)), decoder_(std::move(decoder)) {}

  Result<InferredSchema> run(const std::stop_token& stop) {
    int64_t rows = 0;
    for (;; ++rows) {
      if ((rows & 4095) == 0 && stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
      TRY_ASSIGN(const std::optional<JsonRecord> record, records_.next());
      if (!record) break;
      line_ = record->line;
      std::string_view text = record->text;
      if (options_.encoding != Encoding::utf8) {
        const auto decoded = decoder_.decode(text, scratch_);
        text = decoded ? *decoded : std::string_view(scratch_);
      }
      // Nothing is learnt from a row that will be rejected.
      if (options_.rejects != nullptr && parser_.parse(text, nobody_) != JsonObjectParser::Problem::none) continue;
      switch (parser_.parse(text, *this)) {
        case JsonObjectParser::Problem::none: break;
        case JsonObjectParser::Problem::given_up:
          return Error{ErrorKind::data, fmt::format("{}:{}: more than {} different keys; state the schema",
                                                    options_.display, line_, columns_max)};
        case JsonObjectParser::Problem::no_object:
          return Error{ErrorKind::data, fmt::format("{}:{}: {} {}{}", options_.display, line_, shown_text(text),
                                                    parser_.problem(), hint_at_form(text, options_.form))};
      }
    }
    return finish(names_, guesses_, rows, options_.display);
  }

 private:
  bool take(const JsonMember& member) override {
    const auto [found, is_new] = column_of_.try_emplace(std::string(member.key), names_.size());
    if (is_new) {
      if (names_.size() == columns_max) return false;
      names_.emplace_back(member.key);
      guesses_.emplace_back();
    }
    TypeGuess& guess = guesses_[found->second];
    if (member.kind == JsonMember::Kind::null)
      guess.add_null();
    else
      guess.add_json(member, line_);
    return true;
  }

  const JsonOptions& options_;
  JsonRecords records_;
  JsonObjectParser parser_;
  Nobody nobody_;
  TextDecoder decoder_;
  std::string scratch_;
  int64_t line_ = 0;
  std::unordered_map<std::string, size_t> column_of_;
  std::vector<std::string> names_;
  std::vector<TypeGuess> guesses_;
};

}  // namespace

// Noughts before a number and a plus say something beside its value (a code, a telephone), so such a text is none.
unsigned TypeGuess::number_kind(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  const size_t point = digits.find('.');
  const std::string_view before = digits.substr(0, point);
  const std::string_view behind = point == digits.npos ? std::string_view() : digits.substr(point + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (before.empty() || !std::ranges::all_of(before, is_digit) || !std::ranges::all_of(behind, is_digit)) return 0;
  if (before.size() > 1 && before[0] == '0') return 0;
  if (point != digits.npos && behind.empty()) return 0;
  digits_before_ =
      std::max(digits_before_, before == "0" ? 0 : static_cast<int>(std::min<size_t>(before.size(), 1000)));
  digits_behind_ = std::max(digits_behind_, static_cast<int>(std::min<size_t>(behind.size(), 1000)));
  if (fits_int64_) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    fits_int64_ = error == std::errc() && end == text.data() + text.size();
  }
  return number;
}

void TypeGuess::narrow(unsigned kinds, std::string_view text, int64_t line) {
  ++values_;
  if (kinds_ == 0) return;
  kinds_ &= kinds;
  if (kinds_ != 0) return;
  spoiled_line_ = line;
  spoiled_by_ = shown_text(text);
}

void TypeGuess::add_text(std::string_view text, int64_t line) {
  unsigned kinds = 0;
  if (kinds_ != 0) {
    if ((kinds_ & number) != 0) kinds |= number_kind(text);
    if (kinds == 0) kinds |= time_kind(text);
    if (kinds == 0) {
      const std::string lower = text.size() <= 5 ? lower_ascii(text) : "";
      if (lower == "true" || lower == "false") kinds = boolean;
    }
  }
  narrow(kinds, text, line);
}

void TypeGuess::add_json(const JsonMember& member, int64_t line) {
  switch (member.kind) {
    case JsonMember::Kind::null: ++nulls_; return;
    case JsonMember::Kind::boolean: return narrow(boolean, member.text, line);
    case JsonMember::Kind::number: {
      const auto plain = without_exponent(member.text);
      return narrow(plain ? number_kind(*plain) : 0U, member.text, line);
    }
    case JsonMember::Kind::text: return narrow(kinds_ == 0 ? 0U : time_kind(member.text), member.text, line);
    case JsonMember::Kind::nested: return narrow(0, member.text, line);
  }
}

std::string TypeGuess::type() const {
  if (values_ == 0) return "string";
  if ((kinds_ & boolean) != 0) return "boolean";
  if ((kinds_ & number) != 0) {
    if (fits_int64_) return "int64";
    const int digits = digits_before_ + digits_behind_;
    return digits > decimal_digits_max ? "string" : fmt::format("decimal({},{})", std::max(digits, 1), digits_behind_);
  }
  if ((kinds_ & date) != 0) return "date";
  if ((kinds_ & timestamp) != 0) return "timestamp";
  return (kinds_ & timestamptz) != 0 ? "timestamptz" : "string";
}

std::string TypeGuess::note() const {
  std::string note = fmt::format("{}, {} values, {} NULL", type(), values_, nulls_);
  if (values_ == 0)
    note += "; nothing tells its type";
  else if (kinds_ == 0)
    note += fmt::format("; no other type holds {} on line {} and what was before it", spoiled_by_, spoiled_line_);
  else if ((kinds_ & number) != 0 && type() == "string")
    note += fmt::format("; its numbers have more than {} digits", decimal_digits_max);
  return note;
}

std::string InferredSchema::yaml() const {
  std::string text = "schema:\n";
  for (const auto& [name, type] : schema)
    text += fmt::format("  {}: {}\n", is_plain_key(name) ? name : to_json(Value(name)), type);
  return text;
}

Result<InferredSchema> infer_schema(const Path& file, const CsvOptions& options, int64_t record_bytes_max,
                                    const std::stop_token& stop) {
  TRY_ASSIGN(auto bytes, open_bytes(file, options.compression, options.display));
  TRY_ASSIGN(auto tokenizer,
             CsvTokenizer::make(std::move(bytes), options.display, options.delimiter, record_bytes_max));
  TRY_ASSIGN(auto decoder, TextDecoder::make(options.encoding));
  return CsvInference(options, std::move(tokenizer), std::move(decoder)).run(stop);
}

Result<InferredSchema> infer_schema(const Path& file, const JsonOptions& options, int64_t record_bytes_max,
                                    const std::stop_token& stop) {
  TRY_ASSIGN(auto bytes, open_bytes(file, options.compression, options.display));
  TRY_ASSIGN(auto decoder, TextDecoder::make(options.encoding));
  JsonRecords records(std::move(bytes), options.form, options.display, record_bytes_max);
  return JsonInference(options, std::move(records), std::move(decoder)).run(stop);
}

}  // namespace udon::data
