#include "plugins/data/type_name.h"

#include <arrow/extension/uuid.h>
#include <fmt/format.h>

#include "base/ensure.h"

namespace udon::data {

std::shared_ptr<arrow::DataType> arrow_type_of(const DataType& type) {
  using enum DataType::Kind;
  switch (type.kind) {
    case string: return arrow::utf8();
    case binary: return arrow::binary();
    case boolean: return arrow::boolean();
    case int8: return arrow::int8();
    case int16: return arrow::int16();
    case int32: return arrow::int32();
    case int64:
    case interval_us: return arrow::int64();
    case float32: return arrow::float32();
    case float64: return arrow::float64();
    case decimal: return arrow::decimal128(type.precision, type.scale);
    case date: return arrow::date32();
    case timestamp: return arrow::timestamp(arrow::TimeUnit::MICRO);
    case timestamptz: return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case time: return arrow::time64(arrow::TimeUnit::MICRO);
    case uuid: return arrow::extension::uuid();
  }
  ENSURE(false, "a type of a column outside its enum");
}

Result<std::shared_ptr<arrow::DataType>> parse_type_name(std::string_view text) {
  TRY_ASSIGN(const DataType type, parse_data_type(text));
  using enum DataType::Kind;
  if (type.kind == time || type.kind == interval_us || type.kind == uuid)
    return Error{ErrorKind::invalid, fmt::format("`{}` is not read from text files; take string", to_string(type))};
  return arrow_type_of(type);
}

}  // namespace udon::data
