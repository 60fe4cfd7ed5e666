#pragma once
// Record batches into one file of JSON: an object a line (NDJSON), or one array of objects. Each object has all columns
// in their order, NULL as null. Integers, decimals and finite floating numbers are JSON numbers with all their digits,
// dates and times texts (2026-01-31, 2026-01-31T09:00:00, an instant with Z), binary base64 or hex, lists arrays.
#include "plugins/data/byte_source.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/json_records.h"
#include "plugins/data/text_writer.h"

namespace udon::data {

enum class DecimalText { number, text };

struct JsonWriteOptions {
  JsonForm form = JsonForm::lines;
  DecimalText decimals = DecimalText::number;
  BinaryText binary = BinaryText::base64;
  Compression compression = Compression::none;
};

// The writer's errors: data for NaN and infinities, for which JSON has no form; naming the column.
TextFormat json_format(const JsonWriteOptions& options);

}  // namespace udon::data
