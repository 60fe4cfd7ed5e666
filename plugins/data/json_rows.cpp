#include "plugins/data/json_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "plugins/data/json_object.h"
#include "plugins/data/json_text.h"

namespace udon::data {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

// What a JSON number may become.
enum class NumberUse { integer, decimal, as_it_stands, none };

NumberUse number_use(const arrow::DataType& type) {
  if (arrow::is_integer(type.id())) return NumberUse::integer;
  if (arrow::is_decimal(type.id())) return NumberUse::decimal;
  return type.id() == arrow::Type::BINARY ? NumberUse::none : NumberUse::as_it_stands;
}

}  // namespace

class JsonRows::Impl final : private JsonMembers {
 public:
  Impl(const JsonOptions& options, TextRows rows, TextDecoder decoder)
      : options_(options), rows_(std::move(rows)), decoder_(std::move(decoder)) {
    for (size_t c = 0; c < rows_.width(); ++c) {
      column_of_.emplace(rows_.name(c), c);
      number_use_.push_back(number_use(rows_.type(c)));
    }
  }

  const TextRows& rows() const { return rows_; }
  JsonForm form() const { return options_.form; }

  Result<Read> read_batch(JsonRecords& records, const std::stop_token& stop) {
    Read read;
    for (int64_t taken = 0; !read.at_end && !rows_.is_full(); ++taken) {
      if ((taken & 4095) == 0 && stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
      TRY_ASSIGN(const std::optional<JsonRecord> record, records.next());
      if (!record) {
        read.at_end = true;
      } else if (const auto problem = add_row(record->text); problem) {
        TRY(rows_.bad_row(record->line, *problem, record->text));
      } else {
        rows_.end_row();
      }
    }
    TRY_ASSIGN(auto batch, rows_.finish_batch());
    if (batch) read.rows.batches.push_back(std::move(*batch));
    read.rows.bad_rows = rows_.take_bad_rows();
    return read;
  }

 private:
  using Problem = JsonObjectParser::Problem;

  // What is wrong with it, or nothing.
  std::optional<std::string> add_row(std::string_view text) {
    is_converted_ = options_.encoding != Encoding::utf8;
    is_repaired_ = false;
    next_column_ = 0;
    trouble_.clear();
    switch (is_converted_ ? parse_converted(text) : parser_.parse(text, *this)) {
      case Problem::none: return std::nullopt;
      case Problem::given_up: return trouble_;
      case Problem::no_object: break;
    }
    return shown_text(text) + " " + parser_.problem() + hint_at_form(text, options_.form);
  }

  Problem parse_converted(std::string_view text) {
    const auto decoded = decoder_.decode(text, scratch_);
    is_repaired_ = !decoded;
    return parser_.parse(decoded ? *decoded : std::string_view(scratch_), *this);
  }

  bool give_up(std::string trouble) {
    trouble_ = std::move(trouble);
    return false;
  }

  // Keys come in the order of the schema mostly.
  std::optional<size_t> column_of(std::string_view key) {
    if (next_column_ < rows_.width() && rows_.name(next_column_) == key) return next_column_++;
    const auto found = column_of_.find(key);
    if (found == column_of_.end()) return std::nullopt;
    next_column_ = found->second + 1;
    return found->second;
  }

  bool take(const JsonMember& member) override {
    const auto column = column_of(member.key);
    if (!column) {
      if (options_.on_unknown_key == UnknownKey::ignore) return true;
      std::vector<std::string> names;
      for (const auto& [name, type] : options_.schema) names.push_back(name);
      return give_up(fmt::format("key {} is not in the schema{}; state it, or say `on_unknown_key: ignore`",
                                 shown_text(member.key), did_you_mean(member.key, names)));
    }
    const size_t c = *column;
    if (rows_.has(c)) return give_up(fmt::format("key `{}` comes twice", rows_.name(c)));
    if (take_value(c, member)) return true;
    if (trouble_.empty()) trouble_ = rows_.reason();
    return false;
  }

  bool take_value(size_t c, const JsonMember& member) {
    using Kind = JsonMember::Kind;
    const bool is_string = rows_.type(c).id() == arrow::Type::STRING;
    switch (member.kind) {
      case Kind::null: rows_.append_null(c); return true;
      case Kind::number: return take_number(c, member.text);
      case Kind::boolean: return rows_.append(c, member.text);
      case Kind::text: return is_string ? take_text(c, member.text) : rows_.append(c, member.text);
      case Kind::nested:
        if (is_string) return take_text(c, member.text);
        return give_up(fmt::format("column `{}`: {} is {}, which only a `string` can hold, as its JSON text",
                                   rows_.name(c), shown_text(member.text),
                                   member.text.starts_with('{') ? "an object" : "an array"));
    }
    return true;
  }

  bool take_text(size_t c, std::string_view text) {
    if (is_converted_) {
      if (is_repaired_ && text.find(replacement) != text.npos) return rows_.append_invalid(c, text);
    } else if (!decoder_.decode(text, scratch_)) {
      return rows_.append_invalid(c, scratch_);
    }
    return rows_.append(c, text);
  }

  bool take_number(size_t c, std::string_view number) {
    switch (number_use_[c]) {
      case NumberUse::none:
        return give_up(
            fmt::format("column `{}`: {} is a number, a text was expected", rows_.name(c), shown_text(number)));
      case NumberUse::as_it_stands: return rows_.append(c, number);
      case NumberUse::integer:
        if (number.find_first_of(".eE") == number.npos) return rows_.append(c, number);
        break;
      case NumberUse::decimal:
        if (number.find_first_of("eE") == number.npos) return rows_.append(c, number);
        break;
    }
    // In JSON 1, 1.0 and 1e0 are one number.
    const std::string plain = without_exponent(number).value_or(std::string(number));
    return rows_.append(c, number_use_[c] == NumberUse::integer ? without_zero_fraction(plain) : plain);
  }

  const JsonOptions& options_;
  TextRows rows_;
  JsonObjectParser parser_;
  TextDecoder decoder_;
  std::string scratch_;
  std::unordered_map<std::string, size_t, TextHash, std::equal_to<>> column_of_;
  std::vector<NumberUse> number_use_;
  // Of the object that is being read.
  size_t next_column_ = 0;
  bool is_converted_ = false;
  bool is_repaired_ = false;  // while it was converted: U+FFFD in it stands for bytes that were no text
  std::string trouble_;
};

JsonRows::JsonRows(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonRows::JsonRows(JsonRows&&) noexcept = default;
JsonRows::~JsonRows() = default;

Result<JsonRows> JsonRows::make(const JsonOptions& options, const TableRequest& request) {
  const OnBadRow on_bad_row = options.rejects == nullptr ? OnBadRow::error : OnBadRow::keep;
  TRY_ASSIGN(TextRows rows, TextRows::make(options.schema, request, options.display, options.binary, on_bad_row));
  TRY_ASSIGN(TextDecoder decoder, TextDecoder::make(options.encoding));
  return JsonRows(std::make_unique<Impl>(options, std::move(rows), std::move(decoder)));
}

std::vector<ColumnInfo> JsonRows::columns() const {
  return impl_->rows().columns(impl_->form() == JsonForm::lines ? "ndjson" : "json");
}

Result<JsonRows::Read> JsonRows::read_batch(JsonRecords& records, const std::stop_token& stop) {
  return impl_->read_batch(records, stop);
}

Result<ReadRows> JsonRows::read_all(JsonRecords& records, const std::stop_token& stop) {
  ReadRows all;
  for (bool at_end = false; !at_end;) {
    TRY_ASSIGN(Read read, impl_->read_batch(records, stop));
    std::ranges::move(read.rows.batches, std::back_inserter(all.batches));
    std::ranges::move(read.rows.bad_rows, std::back_inserter(all.bad_rows));
    at_end = read.at_end;
  }
  return all;
}

std::vector<PolicyUse> JsonRows::policy_uses() const { return impl_->rows().policy_uses(); }

}  // namespace udon::data
