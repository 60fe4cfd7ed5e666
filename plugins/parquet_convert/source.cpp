#include "plugins/parquet_convert/source.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "plugins/api/aws_default.h"
#include "plugins/data/csv_reader.h"
#include "plugins/data/json_reader.h"
#include "plugins/data/parquet_reader.h"
#include "plugins/data/recast_reader.h"
#include "plugins/data/schema_inference.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"

namespace udon {
namespace {

constexpr int64_t fetch_bytes = 8 << 20;

// An object of a store as a local file: read piece by piece, and only if it stays the same while we read.
Result<Path> fetch(FileSystem& file_system, const std::string& uri, const Path& staging, const std::stop_token& stop) {
  TRY_ASSIGN(const std::optional<ObjectInfo> before, file_system.stat(uri));
  if (!before) return Error{ErrorKind::not_found, fmt::format("there is no {}", uri)};
  const Path file = staging / "source";
  TRY_ASSIGN(const FileDescriptor out, open_file(file, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  for (int64_t offset = 0; offset < before->bytes;) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
    TRY_ASSIGN(const std::string piece, file_system.read_range(uri, offset, fetch_bytes));
    if (piece.empty()) return Error{ErrorKind::unavailable, fmt::format("{} became shorter while it was read", uri)};
    TRY(write_all(out.get(), piece, file));
    offset += static_cast<int64_t>(piece.size());
  }
  TRY_ASSIGN(const std::optional<ObjectInfo> after, file_system.stat(uri));
  if (!after || after->etag != before->etag)
    return Error{ErrorKind::unavailable, fmt::format("{} was replaced while it was read", uri)};
  return file;
}

bool is_inferred(const Value& parameters) {
  const Value& schema = parameters.get("schema");
  return schema.is_string() && schema.as_string() == "infer";
}

Result<data::StatedSchema> stated_schema(const Value& parameters) {
  const Value& schema = parameters.get("schema");
  if (is_inferred(parameters)) return data::StatedSchema();
  if (!schema.is_map() || schema.size() == 0)
    return Error{ErrorKind::invalid,
                 "schema: expected the columns and their types, {id: int64, price: \"decimal(12,2)\"}, or `infer`"};
  data::StatedSchema stated;
  for (const auto& [name, type] : schema.as_map()) {
    if (!type.is_string())
      return Error{ErrorKind::invalid,
                   fmt::format("schema: the type of `{}` is {}, expected text such as int64", name, type.type_name())};
    stated.emplace_back(name, type.as_string());
  }
  return stated;
}

Result<char> delimiter_of(const Value& parameters, std::string_view otherwise) {
  const std::string delimiter = parameters.text("delimiter", otherwise);
  if (delimiter.size() != 1)
    return Error{ErrorKind::invalid, fmt::format("delimiter: `{}` is not one ASCII character", delimiter)};
  return delimiter[0];
}

// What all formats of text have.
template <class Options>
Result<Options> text_options(const Value& parameters, data::RejectLog* rejects) {
  Options options;
  options.rejects = rejects;
  options.display = parameters.text("from");
  TRY_ASSIGN(options.schema, stated_schema(parameters));
  const std::string encoding = parameters.text("encoding", "utf-8");
  const auto known = data::parse_encoding(encoding);
  if (!known)
    return Error{ErrorKind::invalid, fmt::format("encoding: `{}`; there are utf-8, euc-kr and cp949", encoding)};
  options.encoding = *known;
  options.compression = data::parse_compression(parameters.text("from_compression"))
                            .value_or(data::compression_by_name(parameters.text("from")));
  const std::string binary = parameters.text("binary");
  options.binary = binary == "base64" ? data::BinaryText::base64
                   : binary == "hex"  ? data::BinaryText::hex
                                      : data::BinaryText::as_it_is;
  return options;
}

// Fills the schema in, and tells of it.
template <class Options>
Result<void> infer_if_asked(TaskContext& context, const Path& file, Options& options) {
  const Value& parameters = context.parameters();
  if (!is_inferred(parameters)) return {};
  TRY_ASSIGN(data::InferredSchema inferred,
             data::infer_schema(file, options, parameters.integer("memory", 256 << 20) / 8, context.stop_token()));
  context.log(fmt::format("schema inferred of all {} rows; as it can be pasted:\n{}", inferred.rows, inferred.yaml()));
  for (const std::string& note : inferred.notes) context.log(note);
  options.schema = std::move(inferred.schema);
  return {};
}

}  // namespace

Result<Path> local_file(TaskContext& context, const std::string& from) {
  if (!needs_connection(from)) {
    if (from.starts_with("file://")) return Path(from.substr(7));
    const Path path(from);
    return path.is_absolute() ? path : context.dags_folder() / path;
  }
  TRY_ASSIGN(const std::optional<Connection> connection, aws_connection(context, "from_connection"));
  TRY_ASSIGN(const std::unique_ptr<FileSystem> file_system,
             make_file_system(from, connection, io_context_of(context, "from_connection")));
  TRY_ASSIGN(const Path staging, context.staging());
  return fetch(*file_system, from, staging, context.stop_token());
}

Result<std::unique_ptr<data::TableReader>> make_source(TaskContext& context, const Path& file,
                                                       data::RejectLog* rejects) {
  const Value& parameters = context.parameters();
  const std::string format = parameters.text("format", "csv");
  if (format == "csv" || format == "tsv") {
    TRY_ASSIGN(auto options, text_options<data::CsvOptions>(parameters, rejects));
    TRY_ASSIGN(options.delimiter, delimiter_of(parameters, format == "csv" ? "," : "\t"));
    options.header = parameters.flag("header", true);
    options.null_text = parameters.text("null_text");
    TRY(infer_if_asked(context, file, options));
    return data::make_csv_reader(file, std::move(options));
  }
  if (format == "ndjson" || format == "json") {
    TRY_ASSIGN(auto options, text_options<data::JsonOptions>(parameters, rejects));
    options.form = format == "ndjson" ? data::JsonForm::lines : data::JsonForm::array;
    options.on_unknown_key =
        parameters.text("on_unknown_key") == "ignore" ? data::UnknownKey::ignore : data::UnknownKey::error;
    TRY(infer_if_asked(context, file, options));
    return data::make_json_reader(file, std::move(options));
  }
  if (format == "parquet") {
    data::ParquetSource source{.schema = {}, .display = parameters.text("from")};
    TRY_ASSIGN(source.schema, stated_schema(parameters));
    const std::string to_format = parameters.text("to_format", "parquet");
    if (to_format == "ndjson" || to_format == "json") source.not_finite = data::NotFinite::by_policy;
    return data::make_recast_reader(data::make_parquet_reader(file, std::move(source)));
  }
  return Error{ErrorKind::invalid, fmt::format("format: `{}`; there are csv, tsv, ndjson, json and parquet", format)};
}

}  // namespace udon
