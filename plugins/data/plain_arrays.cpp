#include "plugins/data/plain_arrays.h"

#include <arrow/builder.h>
#include <arrow/extension_type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <limits>
#include <optional>

#include "base/text.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/memory_pool.h"

namespace udon::data {
namespace {

using arrow::Type;
using MadeArray = Result<std::shared_ptr<arrow::Array>>;

// Each value through `convert`, which gives nothing for one that does not fit.
template <class Array, class Builder, class Convert>
MadeArray each(const arrow::Array& values, Builder builder, Convert convert) {
  const auto& from = static_cast<const Array&>(values);
  TRY(from_arrow(builder.Reserve(from.length()), "build a column"));
  for (int64_t i = 0; i < from.length(); ++i) {
    if (from.IsNull(i)) {
      TRY(from_arrow(builder.AppendNull(), "build a column"));
      continue;
    }
    const auto value = convert(from, i);
    if (!value)
      return Error{ErrorKind::data,
                   fmt::format("{} has no exact place in {}", from.GetScalar(i).ValueOrDie()->ToString(),
                               builder.type()->ToString())};
    TRY(from_arrow(builder.Append(*value), "build a column"));
  }
  std::shared_ptr<arrow::Array> array;
  TRY(from_arrow(builder.Finish(&array), "build a column"));
  return array;
}

template <class Array, class Builder>
MadeArray widened(const arrow::Array& values) {
  using To = typename Builder::value_type;
  return each<Array>(values, Builder(), [](const Array& a, int64_t i) { return std::optional<To>(a.Value(i)); });
}

template <class Array, class Builder>
MadeArray as_bytes(const arrow::Array& values) {
  return each<Array>(values, Builder(),
                     [](const Array& a, int64_t i) { return std::optional(std::string_view(a.GetView(i))); });
}

std::optional<int64_t> in_microseconds(int64_t ticks, arrow::TimeUnit::type unit) {
  int64_t result = 0;
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return __builtin_mul_overflow(ticks, 1'000'000, &result) ? std::nullopt : std::optional(result);
    case arrow::TimeUnit::MILLI:
      return __builtin_mul_overflow(ticks, 1'000, &result) ? std::nullopt : std::optional(result);
    case arrow::TimeUnit::MICRO: return ticks;
    case arrow::TimeUnit::NANO: return ticks % 1'000 != 0 ? std::nullopt : std::optional(ticks / 1'000);
  }
  return std::nullopt;
}

template <class Array, class Builder>
MadeArray as_time(const arrow::Array& values, const std::shared_ptr<arrow::DataType>& type,
                  arrow::TimeUnit::type unit) {
  return each<Array>(values, Builder(type, memory_pool()),
                     [unit](const Array& a, int64_t i) { return in_microseconds(a.Value(i), unit); });
}

MadeArray undictionaried(const arrow::Array& values) {
  const auto& from = static_cast<const arrow::DictionaryArray&>(values);
  TRY_ASSIGN(const auto dictionary, plain_array(from.dictionary()));
  std::unique_ptr<arrow::ArrayBuilder> builder;
  TRY(from_arrow(arrow::MakeBuilder(memory_pool(), dictionary->type(), &builder), "build a column"));
  for (int64_t i = 0; i < from.length(); ++i) {
    if (from.IsNull(i)) {
      TRY(from_arrow(builder->AppendNull(), "build a column"));
    } else {
      TRY(from_arrow(builder->AppendArraySlice(arrow::ArraySpan(*dictionary->data()), from.GetValueIndex(i), 1),
                     "build a column"));
    }
  }
  TRY_ASSIGN(auto array, from_arrow(builder->Finish(), "build a column"));
  return array;
}

MadeArray list_of(const arrow::Array& values, const std::shared_ptr<arrow::DataType>& type) {
  const auto& from = static_cast<const arrow::ListArray&>(values);
  TRY_ASSIGN(const auto inner, plain_array(from.values()));
  return std::shared_ptr<arrow::Array>(std::make_shared<arrow::ListArray>(
      type, from.length(), from.value_offsets(), inner, from.null_bitmap(), from.null_count(), from.offset()));
}

bool is_uuid(const arrow::DataType& type) {
  return static_cast<const arrow::ExtensionType&>(type).extension_name() == "arrow.uuid";
}

MadeArray uuid_texts(const arrow::Array& bytes) {
  return each<arrow::FixedSizeBinaryArray>(bytes, arrow::StringBuilder(), [](const auto& a, int64_t i) {
    std::string text = to_hex({a.GetValue(i), 16});
    for (const size_t at : {8U, 13U, 18U, 23U}) text.insert(at, 1, '-');
    return std::optional(std::move(text));
  });
}

}  // namespace

std::shared_ptr<arrow::DataType> plain_type(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case Type::UINT8: return arrow::int16();
    case Type::UINT16: return arrow::int32();
    case Type::UINT32: return arrow::int64();
    case Type::UINT64: return arrow::decimal128(20, 0);
    case Type::LARGE_STRING:
    case Type::DECIMAL256:
    case Type::NA: return arrow::utf8();
    case Type::LARGE_BINARY:
    case Type::FIXED_SIZE_BINARY: return arrow::binary();
    case Type::DATE64: return arrow::date32();
    case Type::TIME32:
    case Type::TIME64: return arrow::time64(arrow::TimeUnit::MICRO);
    case Type::TIMESTAMP:
      return arrow::timestamp(arrow::TimeUnit::MICRO,
                              static_cast<const arrow::TimestampType&>(*type).timezone().empty() ? "" : "UTC");
    case Type::DICTIONARY: return plain_type(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case Type::LIST: {
      const auto inner = plain_type(static_cast<const arrow::ListType&>(*type).value_type());
      return inner && inner->id() != Type::LIST ? arrow::list(inner) : nullptr;
    }
    case Type::EXTENSION:
      return is_uuid(*type) ? arrow::utf8()
                            : plain_type(static_cast<const arrow::ExtensionType&>(*type).storage_type());
    default: return has_canonical_bytes(*type) ? type : nullptr;
  }
}

Result<std::shared_ptr<arrow::Array>> plain_array(const std::shared_ptr<arrow::Array>& values) {
  const auto type = plain_type(values->type());
  if (!type) return Error{ErrorKind::unsupported, "there is no place for " + values->type()->ToString()};
  if (type->Equals(*values->type())) return values;
  switch (values->type_id()) {
    case Type::UINT8: return widened<arrow::UInt8Array, arrow::Int16Builder>(*values);
    case Type::UINT16: return widened<arrow::UInt16Array, arrow::Int32Builder>(*values);
    case Type::UINT32: return widened<arrow::UInt32Array, arrow::Int64Builder>(*values);
    case Type::UINT64:
      return each<arrow::UInt64Array>(*values, arrow::Decimal128Builder(type), [](const auto& a, int64_t i) {
        return std::optional(arrow::Decimal128(0, a.Value(i)));
      });
    case Type::LARGE_STRING: return as_bytes<arrow::LargeStringArray, arrow::StringBuilder>(*values);
    case Type::LARGE_BINARY: return as_bytes<arrow::LargeBinaryArray, arrow::BinaryBuilder>(*values);
    case Type::FIXED_SIZE_BINARY: return as_bytes<arrow::FixedSizeBinaryArray, arrow::BinaryBuilder>(*values);
    case Type::DECIMAL256:
      return each<arrow::Decimal256Array>(*values, arrow::StringBuilder(),
                                          [](const auto& a, int64_t i) { return std::optional(a.FormatValue(i)); });
    case Type::NA: {
      TRY_ASSIGN(auto nulls, from_arrow(arrow::MakeArrayOfNull(type, values->length()), "build a column"));
      return nulls;
    }
    case Type::DATE64:
      return each<arrow::Date64Array>(*values, arrow::Date32Builder(), [](const auto& a, int64_t i) {
        constexpr int64_t day = 86'400'000;
        return a.Value(i) % day == 0 ? std::optional(static_cast<int32_t>(a.Value(i) / day)) : std::nullopt;
      });
    case Type::TIME32:
      return as_time<arrow::Time32Array, arrow::Time64Builder>(
          *values, type, static_cast<const arrow::Time32Type&>(*values->type()).unit());
    case Type::TIME64:
      return as_time<arrow::Time64Array, arrow::Time64Builder>(
          *values, type, static_cast<const arrow::Time64Type&>(*values->type()).unit());
    case Type::TIMESTAMP: {
      const auto unit = static_cast<const arrow::TimestampType&>(*values->type()).unit();
      // The zone is a matter of show: the instants are the same.
      return as_time<arrow::TimestampArray, arrow::TimestampBuilder>(*values, type, unit);
    }
    case Type::DICTIONARY: return undictionaried(*values);
    case Type::LIST: return list_of(*values, type);
    case Type::EXTENSION: {
      const auto& storage = static_cast<const arrow::ExtensionArray&>(*values).storage();
      return is_uuid(*values->type()) ? uuid_texts(*storage) : plain_array(storage);
    }
    default: return Error{ErrorKind::unsupported, "there is no place for " + values->type()->ToString()};
  }
}

}  // namespace udon::data
