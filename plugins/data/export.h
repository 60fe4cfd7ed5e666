#pragma once
// What all operators that publish a table share: their common parameters, and the way from a reader to a certified,
// published result.
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "plugins/api/operator.h"
#include "plugins/data/copy_again.h"
#include "plugins/data/csv_writer.h"
#include "plugins/data/pace.h"
#include "plugins/data/publisher.h"
#include "plugins/data/reader.h"
#include "plugins/data/reject_log.h"
#include "plugins/data/text_writer.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

// `columns` as in the DAG file: '*', or a list of names and of maps {name, as, mask, type}. invalid: names what is
// wrong.
Result<void> parse_columns(const Value& columns, TableRequest& request);
// `where` as in the DAG file: null, or {sql: "… :name …", name: value, …}.
Result<void> parse_where(const Value& where, TableRequest& request);

// `split` as in the DAG file: null, or {into: readers, by: a column or a list of them}.
Result<void> parse_split(const Value& split, TableRequest& request);

// Parameters delimiter, header, null_text and line_end of a CSV file to be written.
Result<CsvWriteOptions> parse_csv_options(const Value& parameters);

struct ExportForm {
  std::optional<TextFormat> text;  // without it the files are Parquet
  // Where the reader keeps rows that do not fit, and whether the operator has such: then the outcome says how many, and
  // where they are.
  RejectLog* rejects = nullptr;
  bool may_reject = false;
  std::function<void()> on_start;  // before the reader is opened, once the bounds of its server let it
  // Has begun, and is ended when all is read. Without it the export keeps to the bounds by itself.
  Pace* pace = nullptr;
};

// Reads the parameters to, to_connection, memory, target_file_bytes, compression, compat, certify, mask_key,
// storage_class of context; copies the table into staging, verifies it, publishes it. The outcome's value: {rows,
// bytes, files, manifest, certificate}.
Result<Outcome> export_table(TaskContext& context, TableReader& reader, TableRequest request, const std::string& source,
                             const ExportForm& form = {});

// The same by a reader made when it is needed, and once more if the snapshot of the first is lost (copy_again.h).
// `dialect`: of the source, for what `mode` asks of it.
Result<Outcome> export_table(TaskContext& context, const MakeReader& make_reader, TableRequest request,
                             const std::string& source, SqlDialect dialect);

// {rows, bytes, files, manifest, certificate}.
Value outcome_value(const Published& published);

}  // namespace udon::data
