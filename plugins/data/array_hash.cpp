#include "plugins/data/array_hash.h"

#include <arrow/array.h>
#include <arrow/type.h>

#include <cstring>
#include <string>

#include "plugins/data/canonical.h"

namespace udon::data {
namespace {

template <class ArrayType, class HashValue>
void hash_each(const arrow::Array& array, std::vector<uint64_t>& out, HashValue hash_value) {
  const auto& typed = static_cast<const ArrayType&>(array);
  const int64_t length = typed.length();
  // Room for all at once: push_back is a call of its own for each value here.
  const size_t before = out.size();
  out.resize(before + static_cast<size_t>(length));
  uint64_t* hash = out.data() + before;
  if (typed.null_count() == 0) {
    for (int64_t i = 0; i < length; ++i) *hash++ = hash_value(typed, i);
    return;
  }
  for (int64_t i = 0; i < length; ++i) *hash++ = typed.IsNull(i) ? null_hash : hash_value(typed, i);
}

template <class ArrayType>
void hash_numbers(const arrow::Array& array, std::vector<uint64_t>& out) {
  hash_each<ArrayType>(array, out,
                       [](const ArrayType& a, int64_t i) { return hash_int(static_cast<int64_t>(a.Value(i))); });
}

template <class ArrayType>
void hash_texts(const arrow::Array& array, std::vector<uint64_t>& out) {
  hash_each<ArrayType>(array, out, [](const ArrayType& a, int64_t i) { return hash_text(a.GetView(i)); });
}

int64_t microseconds_per_tick_numerator(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 1'000'000;
    case arrow::TimeUnit::MILLI: return 1'000;
    case arrow::TimeUnit::MICRO: return 1;
    case arrow::TimeUnit::NANO: return 0;
  }
  return 0;
}

void append_canonical(const arrow::Array& array, int64_t i, std::string& out);

template <class Number>
void append_raw(Number value, std::string& out) {
  char bytes[sizeof(Number)];
  std::memcpy(bytes, &value, sizeof(Number));
  out.append(bytes, sizeof(Number));
}

// The bytes themselves, needed only inside lists; scalars are hashed without making them.
void append_list(const arrow::Array& values, int64_t begin, int64_t end, std::string& out) {
  for (int64_t i = begin; i < end; ++i) {
    if (values.IsNull(i)) {
      out.push_back('\0');
      append_raw<int64_t>(0, out);
      continue;
    }
    std::string element;
    append_canonical(values, i, element);
    out.push_back('\1');
    append_raw<int64_t>(static_cast<int64_t>(element.size()), out);
    out += element;
  }
}

double canonical_double(double value) {
  if (value != value) {
    const uint64_t bits = 0x7ff8000000000000ULL;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  return value == 0.0 ? 0.0 : value;
}

void append_canonical(const arrow::Array& array, int64_t i, std::string& out) {
  using arrow::Type;
  switch (array.type_id()) {
    case Type::BOOL: out.push_back(static_cast<const arrow::BooleanArray&>(array).Value(i) ? '\1' : '\0'); return;
    case Type::INT8: append_raw<int64_t>(static_cast<const arrow::Int8Array&>(array).Value(i), out); return;
    case Type::INT16: append_raw<int64_t>(static_cast<const arrow::Int16Array&>(array).Value(i), out); return;
    case Type::INT32: append_raw<int64_t>(static_cast<const arrow::Int32Array&>(array).Value(i), out); return;
    case Type::INT64: append_raw<int64_t>(static_cast<const arrow::Int64Array&>(array).Value(i), out); return;
    case Type::FLOAT:
      append_raw<double>(canonical_double(static_cast<const arrow::FloatArray&>(array).Value(i)), out);
      return;
    case Type::DOUBLE:
      append_raw<double>(canonical_double(static_cast<const arrow::DoubleArray&>(array).Value(i)), out);
      return;
    case Type::DATE32: append_raw<int64_t>(static_cast<const arrow::Date32Array&>(array).Value(i), out); return;
    case Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
      const int64_t ticks = static_cast<const arrow::TimestampArray&>(array).Value(i);
      const int64_t scale = microseconds_per_tick_numerator(type.unit());
      append_raw<int64_t>(scale == 0 ? ticks / 1000 : ticks * scale, out);
      return;
    }
    case Type::TIME64: append_raw<int64_t>(static_cast<const arrow::Time64Array&>(array).Value(i), out); return;
    case Type::DECIMAL128: {
      const auto& typed = static_cast<const arrow::Decimal128Array&>(array);
      out.append(reinterpret_cast<const char*>(typed.GetValue(i)), 16);
      return;
    }
    case Type::STRING: out += static_cast<const arrow::StringArray&>(array).GetView(i); return;
    case Type::LARGE_STRING: out += static_cast<const arrow::LargeStringArray&>(array).GetView(i); return;
    case Type::BINARY: out += static_cast<const arrow::BinaryArray&>(array).GetView(i); return;
    case Type::LARGE_BINARY: out += static_cast<const arrow::LargeBinaryArray&>(array).GetView(i); return;
    case Type::FIXED_SIZE_BINARY: out += static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(i); return;
    case Type::EXTENSION: append_canonical(*static_cast<const arrow::ExtensionArray&>(array).storage(), i, out); return;
    case Type::LIST: {
      const auto& typed = static_cast<const arrow::ListArray&>(array);
      append_list(*typed.values(), typed.value_offset(i), typed.value_offset(i + 1), out);
      return;
    }
    case Type::DICTIONARY: {
      const auto& typed = static_cast<const arrow::DictionaryArray&>(array);
      append_canonical(*typed.dictionary(), typed.GetValueIndex(i), out);
      return;
    }
    default: return;  // has_canonical_bytes was asked first
  }
}

}  // namespace

bool has_canonical_bytes(const arrow::DataType& type) {
  using arrow::Type;
  switch (type.id()) {
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::DATE32:
    case Type::DECIMAL128:
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::FIXED_SIZE_BINARY: return true;
    case Type::EXTENSION: return has_canonical_bytes(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    case Type::TIMESTAMP: return static_cast<const arrow::TimestampType&>(type).unit() != arrow::TimeUnit::NANO;
    case Type::TIME64: return static_cast<const arrow::Time64Type&>(type).unit() == arrow::TimeUnit::MICRO;
    case Type::LIST: return has_canonical_bytes(*static_cast<const arrow::ListType&>(type).value_type());
    case Type::DICTIONARY: return has_canonical_bytes(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default: return false;
  }
}

Result<std::vector<std::string>> canonical_bytes(const arrow::Array& array) {
  if (!has_canonical_bytes(*array.type()))
    return Error{ErrorKind::unsupported, "no canonical bytes for type " + array.type()->ToString()};
  std::vector<std::string> out(static_cast<size_t>(array.length()));
  for (int64_t i = 0; i < array.length(); ++i)
    if (array.IsValid(i)) append_canonical(array, i, out[static_cast<size_t>(i)]);
  return out;
}

Result<std::vector<uint64_t>> hash_array(const arrow::Array& array) {
  using arrow::Type;
  if (!has_canonical_bytes(*array.type()))
    return Error{ErrorKind::unsupported, "no canonical bytes for type " + array.type()->ToString()};
  std::vector<uint64_t> out;
  out.reserve(static_cast<size_t>(array.length()));
  switch (array.type_id()) {
    case Type::BOOL:
      hash_each<arrow::BooleanArray>(array, out, [](const auto& a, int64_t i) { return hash_bool(a.Value(i)); });
      break;
    case Type::INT8: hash_numbers<arrow::Int8Array>(array, out); break;
    case Type::INT16: hash_numbers<arrow::Int16Array>(array, out); break;
    case Type::INT32: hash_numbers<arrow::Int32Array>(array, out); break;
    case Type::INT64: hash_numbers<arrow::Int64Array>(array, out); break;
    case Type::DATE32: hash_numbers<arrow::Date32Array>(array, out); break;
    case Type::TIME64: hash_numbers<arrow::Time64Array>(array, out); break;
    case Type::FLOAT:
      hash_each<arrow::FloatArray>(array, out, [](const auto& a, int64_t i) { return hash_double(a.Value(i)); });
      break;
    case Type::DOUBLE:
      hash_each<arrow::DoubleArray>(array, out, [](const auto& a, int64_t i) { return hash_double(a.Value(i)); });
      break;
    case Type::TIMESTAMP: {
      const int64_t scale =
          microseconds_per_tick_numerator(static_cast<const arrow::TimestampType&>(*array.type()).unit());
      hash_each<arrow::TimestampArray>(array, out,
                                       [scale](const auto& a, int64_t i) { return hash_int(a.Value(i) * scale); });
      break;
    }
    case Type::DECIMAL128:
      hash_each<arrow::Decimal128Array>(array, out,
                                        [](const auto& a, int64_t i) { return hash_bytes(a.GetValue(i), 16); });
      break;
    case Type::STRING: hash_texts<arrow::StringArray>(array, out); break;
    case Type::LARGE_STRING: hash_texts<arrow::LargeStringArray>(array, out); break;
    case Type::BINARY: hash_texts<arrow::BinaryArray>(array, out); break;
    case Type::LARGE_BINARY: hash_texts<arrow::LargeBinaryArray>(array, out); break;
    case Type::FIXED_SIZE_BINARY: hash_texts<arrow::FixedSizeBinaryArray>(array, out); break;
    case Type::EXTENSION: return hash_array(*static_cast<const arrow::ExtensionArray&>(array).storage());
    case Type::LIST:
      hash_each<arrow::ListArray>(array, out, [](const arrow::ListArray& a, int64_t i) {
        std::string bytes;
        append_list(*a.values(), a.value_offset(i), a.value_offset(i + 1), bytes);
        return hash_text(bytes);
      });
      break;
    case Type::DICTIONARY: {
      const auto& typed = static_cast<const arrow::DictionaryArray&>(array);
      TRY_ASSIGN(const std::vector<uint64_t> values, hash_array(*typed.dictionary()));
      hash_each<arrow::DictionaryArray>(
          array, out, [&values](const auto& a, int64_t i) { return values[static_cast<size_t>(a.GetValueIndex(i))]; });
      break;
    }
    default: break;
  }
  return out;
}

}  // namespace udon::data
