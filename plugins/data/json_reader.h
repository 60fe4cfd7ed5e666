#pragma once
// A file of JSON objects (NDJSON: one a line; or one array of them) as a table, with stated types. Numbers are read
// from their text, never through a double.
#include <memory>
#include <string>

#include "base/file.h"
#include "plugins/data/byte_source.h"
#include "plugins/data/json_records.h"
#include "plugins/data/reader.h"
#include "plugins/data/reject_log.h"
#include "plugins/data/text_encoding.h"
#include "plugins/data/text_rows.h"

namespace udon::data {

enum class UnknownKey { error, ignore };

struct JsonOptions {
  JsonForm form = JsonForm::lines;
  StatedSchema schema;  // the keys; one that an object has not is NULL
  UnknownKey on_unknown_key = UnknownKey::error;
  Encoding encoding = Encoding::utf8;
  Compression compression = Compression::none;
  BinaryText binary = BinaryText::as_it_is;
  RejectLog* rejects = nullptr;  // where rows go that do not fit; null: such a row is an error
  std::string display;           // the file's name in messages
};

std::unique_ptr<TableReader> make_json_reader(const Path& file, JsonOptions options);

}  // namespace udon::data
