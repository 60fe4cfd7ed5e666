#include "plugins/data/recast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "plugins/data/exact_number.h"
#include "plugins/data/recast_each.h"

namespace udon::data {
namespace {

Made make(const Order& order) {
  switch (order.column.type->id()) {
    case arrow::Type::STRING: return recast_text(order);
    case arrow::Type::BINARY: return recast_bytes(order);
    case arrow::Type::DATE32:
    case arrow::Type::TIMESTAMP: return recast_time(order);
    default: return recast_number(order);
  }
}

// The types that the column can have, as they are written.
std::vector<std::string> choices_of(const ColumnInfo& column, const Policies& policies) {
  std::vector<std::string> choices;
  for (const std::string& name : data_type_names()) {
    const bool is_decimal = name.starts_with("decimal");
    const auto type = parse_data_type(is_decimal ? "decimal(38,0)" : name);
    const bool has_it = is_decimal ? column.type->id() == arrow::Type::DECIMAL128 : has_type(column, *type);
    // Readers give their own text of whatever has one.
    const bool has_text = type->kind == DataType::Kind::string && column.type->id() != arrow::Type::BINARY;
    if (has_it || has_text || make({column, *type, policies})) choices.push_back(name);
  }
  return choices;
}

}  // namespace

Result<std::unique_ptr<Recast>> make_recast(const ColumnInfo& column, const DataType& target,
                                            const Policies& policies) {
  if (auto recast = make({column, target, policies})) return recast;
  std::string message = fmt::format(
      "column `{}` ({}): `type: {}` could lose or invent something without a word; it can be {}",
      column.request.source_name, column.source_type, to_string(target), join(choices_of(column, policies), ", "));
  if (target.kind == DataType::Kind::timestamptz && column.type->id() == arrow::Type::TIMESTAMP)
    message += "; to make it an instant, say its zone: `timezone: Asia/Seoul`";
  return Error{ErrorKind::unsupported, std::move(message)};
}

bool has_type(const ColumnInfo& column, const DataType& type) {
  return type.kind != DataType::Kind::interval_us && column.type->Equals(*arrow_type_of(type));
}

std::string describe_value(const arrow::Array& values, int64_t row) {
  constexpr size_t shown_bytes_max = 60;
  using arrow::Type;
  if (values.IsNull(row)) return "NULL";
  const auto quoted = [](std::string_view bytes, std::string_view shown) {
    return "'" + std::string(shown) + (bytes.size() > shown_bytes_max ? "…'" : "'");
  };
  switch (values.type_id()) {
    case Type::STRING: {
      const std::string_view text = load_text(values, row);
      size_t length = std::min(text.size(), shown_bytes_max);
      while (length > 0 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
      return quoted(text, text.substr(0, length));
    }
    case Type::BINARY: {
      const std::string_view bytes = load_text(values, row);
      const size_t length = std::min(bytes.size(), shown_bytes_max / 2);
      return "0x" + to_hex({reinterpret_cast<const unsigned char*>(bytes.data()), length}) +
             (length < bytes.size() ? "…" : "");
    }
    case Type::DECIMAL128: {
      ExactNumber number{0, static_cast<const arrow::Decimal128Type&>(*values.type()).scale()};
      std::memcpy(&number.unscaled, static_cast<const arrow::Decimal128Array&>(values).GetValue(row), 16);
      return to_text(number);
    }
    default: {
      const auto scalar = values.GetScalar(row);
      return scalar.ok() ? (*scalar)->ToString() : "a value";
    }
  }
}

}  // namespace udon::data
