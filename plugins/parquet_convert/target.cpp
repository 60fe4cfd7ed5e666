#include "plugins/parquet_convert/target.h"

#include <fmt/format.h>

#include <string>

#include "plugins/data/csv_writer.h"
#include "plugins/data/json_writer.h"

namespace udon {
namespace {

Result<data::TextFormat> csv_target(const Value& parameters, char delimiter, data::Compression compression) {
  data::CsvWriteOptions options;
  options.delimiter = delimiter;
  if (const std::string own = parameters.text("to_delimiter"); !own.empty()) {
    if (own.size() != 1)
      return Error{ErrorKind::invalid, fmt::format("to_delimiter: `{}` is not one ASCII character", own)};
    options.delimiter = own[0];
  }
  options.header = parameters.flag("to_header", true) ? data::CsvHeader::written : data::CsvHeader::left_out;
  options.null_text = parameters.text("to_null_text");
  options.line_end = parameters.text("line_end") == "crlf" ? data::CsvLineEnd::crlf : data::CsvLineEnd::lf;
  options.binary = parameters.text("binary") == "hex" ? data::BinaryText::hex : data::BinaryText::base64;
  options.compression = compression;
  data::TextFormat format = data::csv_format(options);
  const std::string extension = parameters.text("to_format") == "tsv" ? ".tsv" : ".csv";  // whatever the delimiter
  format.extension = extension + (compression == data::Compression::gzip ? ".gz" : "");
  return format;
}

}  // namespace

Result<std::optional<data::TextFormat>> target_format(const Value& parameters) {
  const std::string format = parameters.text("to_format", "parquet");
  if (format == "parquet") return std::optional<data::TextFormat>();
  const std::string packed = parameters.text("compression", "none");
  if (packed != "none" && packed != "gzip")
    return Error{ErrorKind::invalid,
                 fmt::format("compression: `{}` is for Parquet; a text file may have gzip or none", packed)};
  if (!parameters.text("compat").empty())
    return Error{ErrorKind::invalid, "compat: is for Parquet files, `to_format` is " + format};
  const auto compression = packed == "gzip" ? data::Compression::gzip : data::Compression::none;
  if (format == "csv" || format == "tsv") {
    TRY_ASSIGN(auto csv, csv_target(parameters, format == "csv" ? ',' : '\t', compression));
    return std::optional(std::move(csv));
  }
  if (format != "ndjson" && format != "json")
    return Error{ErrorKind::invalid,
                 fmt::format("to_format: `{}`; there are parquet, csv, tsv, ndjson and json", format)};
  data::JsonWriteOptions options;
  options.form = format == "ndjson" ? data::JsonForm::lines : data::JsonForm::array;
  options.decimals = parameters.text("decimals") == "text" ? data::DecimalText::text : data::DecimalText::number;
  options.binary = parameters.text("binary") == "hex" ? data::BinaryText::hex : data::BinaryText::base64;
  options.compression = compression;
  return std::optional(data::json_format(options));
}

}  // namespace udon
