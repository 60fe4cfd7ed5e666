#include <fcntl.h>
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "plugins/api/aws_default.h"
#include "plugins/api/operator.h"
#include "plugins/api/plugin.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/csv_reader.h"
#include "plugins/data/export.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"

namespace udon {

extern const char parquet_convert_description[];
extern const char parquet_convert_help[];

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

class ParquetConvert final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(data::CsvOptions options, read_options(parameters));
    const std::string from = parameters.text("from");
    options.display = from;
    TRY_ASSIGN(const Path file, local_file(context, from));
    const auto reader = data::make_csv_reader(file, std::move(options));
    data::TableRequest request;
    request.all_columns = true;
    return data::export_table(context, *reader, std::move(request), from);
  }

 private:
  static Result<data::CsvOptions> read_options(const Value& parameters) {
    data::CsvOptions options;
    const std::string delimiter = parameters.text("delimiter", ",");
    if (delimiter.size() != 1)
      return Error{ErrorKind::invalid, fmt::format("delimiter: `{}` is not one ASCII character", delimiter)};
    options.delimiter = delimiter[0];
    options.header = parameters.flag("header", true);
    options.null_text = parameters.text("null_text");
    const Value& schema = parameters.get("schema");
    if (!schema.is_map() || schema.size() == 0)
      return Error{ErrorKind::invalid,
                   "schema: expected the columns and their types, {id: int64, price: \"decimal(12,2)\"}"};
    for (const auto& [name, type] : schema.as_map()) {
      if (!type.is_string())
        return Error{ErrorKind::invalid, fmt::format("schema: the type of `{}` is {}, expected text such as int64",
                                                     name, type.type_name())};
      options.schema.emplace_back(name, type.as_string());
    }
    return options;
  }

  static Result<Path> local_file(TaskContext& context, const std::string& from) {
    if (!needs_connection(from)) {
      if (from.starts_with("file://")) return Path(from.substr(7));
      const Path path(from);
      return path.is_absolute() ? path : context.dags_folder() / path;
    }
    TRY_ASSIGN(const std::optional<Connection> connection, aws_connection(context, "from_connection"));
    TRY_ASSIGN(const std::unique_ptr<FileSystem> file_system,
               make_file_system(from, connection, io_context_of(context)));
    TRY_ASSIGN(const Path staging, context.staging());
    return fetch(*file_system, from, staging, context.stop_token());
  }
};

const PluginOperator operators[] = {
    {.description = parquet_convert_description,
     .help = parquet_convert_help,
     .make_operator = []() -> std::unique_ptr<Operator> { return std::make_unique<ParquetConvert>(); },
     .make_sensor = nullptr,
     .make_external_job = nullptr}};
const Plugin plugin = {.arrow_version = data::arrow_version, .operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1();
extern "C" const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
