#include "plugins/data/export.h"

#include <fmt/format.h>

#include <optional>
#include <set>

#include "base/kept_folders.h"
#include "base/net/digest.h"
#include "base/text.h"
#include "plugins/api/aws_default.h"
#include "plugins/data/drift.h"
#include "plugins/data/increment.h"
#include "plugins/data/kept_chunks.h"
#include "plugins/data/last_result.h"
#include "plugins/data/mask.h"
#include "plugins/data/partition_export.h"
#include "plugins/data/publisher.h"
#include "plugins/data/table_copy.h"
#include "plugins/data/try_pace.h"
#include "plugins/io/file_system.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"
#include "plugins/spec/data_type.h"

namespace udon::data {
namespace {

constexpr int64_t readers_max = 32;
const std::vector<std::string> column_keys = {"name", "as", "mask", "type"};

Result<ColumnRequest> parse_column(const Value& column) {
  ColumnRequest request;
  if (column.is_string()) {
    request.source_name = request.name = column.as_string();
  } else if (column.is_map()) {
    for (const auto& [key, value] : column.as_map()) {
      if (std::find(column_keys.begin(), column_keys.end(), key) == column_keys.end())
        return Error{ErrorKind::invalid, fmt::format("columns: unknown key `{}`; a column has {}{}", key,
                                                     join(column_keys, ", "), did_you_mean(key, column_keys))};
      if (!value.is_string() && !value.is_null())
        return Error{ErrorKind::invalid, fmt::format("columns: `{}` is {}, expected text", key, value.type_name())};
    }
    request.source_name = column.text("name");
    request.name = column.text("as", request.source_name);
    request.mask = column.text("mask");
  } else {
    return Error{ErrorKind::invalid,
                 fmt::format("columns: expected names or maps {{name, as, mask, type}}, found {}", column.type_name())};
  }
  if (request.source_name.empty()) return Error{ErrorKind::invalid, "columns: a column without a name"};
  if (const std::string type = column.is_map() ? column.text("type") : ""; !trim(type).empty()) {
    const auto parsed = parse_data_type(type);
    if (!parsed) return parsed.error().within("columns: `" + request.source_name + "`");
    request.type = to_string(*parsed);
  }
  if (request.name.empty())
    return Error{ErrorKind::invalid, fmt::format("columns: `{}` is renamed to nothing", request.source_name)};
  if (!request.mask.empty() && request.mask != "hmac_sha256")
    return Error{ErrorKind::invalid,
                 fmt::format("columns: `{}` has mask `{}`; there is hmac_sha256", request.source_name, request.mask)};
  return request;
}

// An error that names the table names the server, too.
Error naming(const std::string& source, const Error& error) {
  const size_t begin = source.find("://");
  if (begin == source.npos) return error;
  const std::string host = source.substr(begin + 3, source.find_first_of("/ ", begin + 3) - begin - 3);
  return error.message.find(host) != std::string::npos ? error : error.within(source);
}

std::string described(const std::vector<FileCertificate>& files) {
  uint64_t bytes = 0;
  for (const FileCertificate& file : files) bytes += file.bytes;
  return files.size() == 1 ? fmt::format("a file of {} bytes", bytes)
                           : fmt::format("{} files of {} bytes", files.size(), bytes);
}

// One line of the log for the values that had no exact place, and one for the columns that are not as TYPES says.
void log_exceptions(TaskContext& context, const Certificate& certificate) {
  std::vector<std::string> policies, recast;
  for (const PolicyUse& use : certificate.policies) {
    if (use.column.empty()) continue;  // of whole rows: told below
    policies.push_back(
        fmt::format("{} in column `{}` ({} value{})", use.policy, use.column, use.values, use.values == 1 ? "" : "s"));
  }
  for (const ColumnCertificate& column : certificate.columns)
    if (!column.recast.empty())
      recast.push_back(fmt::format("`{}` ({}) as {}", column.name, column.source_type, column.recast));
  if (!policies.empty()) context.log("policies used: " + join(policies, ", "));
  if (!recast.empty()) context.log("recast: " + join(recast, ", "));
}

// What the last result says of the table's columns, to compare with.
Result<std::optional<Certificate>> certificate_before(TaskContext& context, FileSystem& files, const std::string& to) {
  TRY_ASSIGN(const LastOfTable last, read_last_of_table(files, to));
  if (last.too_many)
    context.log("the folders beside " + to +
                " hold too many files to look through: columns are compared with those of "
                "the last result in that folder itself");
  if (!last.result) return std::optional<Certificate>();
  return std::optional(last.result->certificate);
}

// What an operator that exports tables has beside the copy itself, by its parameters: what becomes of columns that have
// changed, what is read, and where rows go.
struct Ways {
  std::optional<Drift> drift;
  std::unique_ptr<Increment> increment;
  std::unique_ptr<PartitionedExport> partitions;
  std::optional<Certificate> grown_from;  // of the newest piece of what the increment is added to

  Layout* layout() const {
    if (increment) return &increment->layout();
    return partitions ? &partitions->layout() : nullptr;
  }
  Result<void> on_catalog(const std::vector<CatalogColumn>& catalog, TableRequest& request) {
    if (drift) TRY(drift->choose(catalog, request));
    if (increment) TRY(increment->on_catalog(catalog, request));
    return partitions ? partitions->on_catalog(catalog, request) : Result<void>();
  }
};

// "mysql", "/db table orders": without the host, behind which another may stand by now.
std::pair<std::string, std::string> place_of(const std::string& source) {
  const size_t scheme = source.find("://");
  if (scheme == source.npos) return {"", source};
  const size_t path = source.find_first_of("/ ", scheme + 3);
  return {source.substr(0, scheme), path == source.npos ? "" : source.substr(path)};
}

// Chunks that are read as one table must mean one thing. `where`: as the DAG file has it.
Result<void> check_meaning(const Certificate& before, const Certificate& now, const std::string& where) {
  std::vector<std::string> differs;
  const auto compare = [&](const std::string& what, const std::string& was, const std::string& is) {
    if (was != is)
      differs.push_back(fmt::format("{}: {} → {}", what, was.empty() ? "none" : was, is.empty() ? "none" : is));
  };
  if (place_of(before.source) != place_of(now.source)) compare("source", before.source, now.source);
  compare("timezone", before.timezone, now.timezone);
  if (!before.mask_key_fingerprint.empty() && !now.mask_key_fingerprint.empty())
    compare("key of masks", before.mask_key_fingerprint, now.mask_key_fingerprint);
  if (before.increment.find("where")) compare("where", before.increment.text("where"), where);
  for (const ColumnCertificate& was : before.columns)
    for (const ColumnCertificate& is : now.columns) {
      if (was.name != is.name) continue;
      compare(fmt::format("mask of `{}`", is.name), was.mask, is.mask);
      compare(fmt::format("column behind `{}`", is.name), was.source_name, is.source_name);
      compare(fmt::format("type of `{}`", is.name), was.type, is.type);
    }
  if (differs.empty()) return {};
  return Error{
      ErrorKind::invalid,
      fmt::format("mode: the result that stands there means something else, and both would be read as one table: "
                  "{}. Name another folder, or make the whole anew by one run of `mode: full`",
                  join(differs, "; "))};
}

// The condition stands in parentheses of ours, which it must not close.
Result<void> check_condition(const std::string& where, SqlDialect dialect) {
  TRY_ASSIGN(const std::vector<std::string> words, words_of(where, dialect));
  int depth = 0;
  for (const std::string& word : words) {
    if (word == "(") depth += 1;
    if (word == ")") depth -= 1;
    if (depth < 0) break;
  }
  if (depth == 0) return {};
  return Error{ErrorKind::invalid, "where: sql: a parenthesis is closed that was not opened, or stays open"};
}

Result<Ways> ways_of(TaskContext& context, const TableRequest& request, const std::string& source, SqlDialect dialect,
                     FileSystem& files) {
  const Value& parameters = context.parameters();
  const std::string to = parameters.text("to");
  Ways ways;
  if (const auto policy = drift_policy_of(parameters)) {
    TRY_ASSIGN(std::optional<Certificate> before, certificate_before(context, files, to));
    ways.drift.emplace(*policy, std::move(before), source);
  }
  const Value& mode = parameters.get("mode");
  const Value& partition_by = parameters.get("partition_by");
  TRY_ASSIGN(const ModeKind kind, mode_kind_of(mode));
  TRY(check_partitions_around(files, to, partition_by.is_null() ? Partitions::none : Partitions::some));
  if (kind == ModeKind::full && partition_by.is_null()) return ways;
  TRY_ASSIGN(const std::optional<LastResult> last, read_last_result(files, to));
  if (partition_by.is_null()) {
    TRY_ASSIGN(ways.increment, make_increment({.mode = mode,
                                               .dialect = dialect,
                                               .table = request.table,
                                               .timezone = request.timezone,
                                               .run = fmt::format("{} {} {} {}", context.dag_id(), context.run_id(),
                                                                  context.task_id(), context.map_index()),
                                               .now = context.clock().now()},
                                              last));
    context.log(ways.increment->plan());
    if (last) ways.grown_from = last->certificate;
    return ways;
  }
  if (kind == ModeKind::cursor)
    return Error{ErrorKind::invalid,
                 "partition_by: a partition is replaced as a whole, and a cursor reads only what has come; take `mode: "
                 "{window: …}` or full"};
  PartitionedRequest partitioned{
      .has_condition = !request.where.empty(), .zone = request.timezone, .dialect = dialect, .to = to};
  TRY_ASSIGN(partitioned.fields, parse_partition_by(partition_by));
  if (kind == ModeKind::window) {
    TRY_ASSIGN(partitioned.window, parse_window(mode.get("window"), request.timezone));
  }
  TRY_ASSIGN(ways.partitions, PartitionedExport::make(std::move(partitioned), files, last));
  context.log(ways.partitions->plan());
  return ways;
}

}  // namespace

Value outcome_value(const Published& published) {
  Value files = Value::list();
  int64_t bytes = 0;
  for (const FileCertificate& file : published.certificate.files) {
    files.push_back(file.uri);
    bytes += static_cast<int64_t>(file.bytes);
  }
  Value value = Value::map();
  value.set("rows", static_cast<int64_t>(published.certificate.rows));
  value.set("bytes", bytes);
  value.set("files", std::move(files));
  value.set("manifest", published.manifest);
  value.set("certificate", to_value(published.certificate));
  return value;
}

Result<void> parse_columns(const Value& columns, TableRequest& request) {
  if (columns.is_string() && columns.as_string() == "*") {
    request.all_columns = true;
    return {};
  }
  if (!columns.is_list() || columns.size() == 0)
    return Error{ErrorKind::invalid,
                 "columns: expected a list of columns; to export all, also those that will be added later, write '*'"};
  if (columns.size() == 1 && columns.as_list()[0].is_string() && columns.as_list()[0].as_string() == "*") {
    request.all_columns = true;
    return {};
  }
  std::set<std::string> names;
  for (const Value& column : columns.as_list()) {
    TRY_ASSIGN(ColumnRequest parsed, parse_column(column));
    if (!names.insert(parsed.name).second)
      return Error{ErrorKind::invalid, fmt::format("columns: `{}` comes twice; rename one with `as`", parsed.name)};
    request.columns.push_back(std::move(parsed));
  }
  return {};
}

Result<void> parse_where(const Value& where, TableRequest& request) {
  if (where.is_null()) return {};
  if (!where.is_map() || !where.get("sql").is_string())
    return Error{ErrorKind::invalid, "where: expected {sql: \"… :name …\", name: value, …}"};
  request.where = where.get("sql").as_string();
  for (const auto& [key, value] : where.as_map())
    if (key != "sql") request.where_parameters.set(key, value);
  return {};
}

Result<void> parse_split(const Value& split, TableRequest& request) {
  if (split.is_null()) return {};
  const std::string expected = fmt::format(
      "split: expected {{into: a number of readers from 2 to {}, by: a column or a list of them, stable: true or "
      "false}}",
      readers_max);
  if (!split.is_map() || !split.get("into").is_int()) return Error{ErrorKind::invalid, expected};
  const int64_t into = split.integer("into");
  if (into < 2 || into > readers_max)
    return Error{ErrorKind::invalid, fmt::format("{}; found into: {}", expected, into)};
  request.split.into = static_cast<int>(into);
  const Value& by = split.get("by");
  if (by.is_string()) request.split.by = {by.as_string()};
  if (by.is_list()) {
    for (const Value& column : by.as_list()) {
      if (!column.is_string()) return Error{ErrorKind::invalid, expected};
      request.split.by.push_back(column.as_string());
    }
  }
  if (!by.is_null() && request.split.by.empty()) return Error{ErrorKind::invalid, expected};
  const Value& stable = split.get("stable");
  if (!stable.is_null() && !stable.is_bool()) return Error{ErrorKind::invalid, expected};
  request.split.is_stable = stable.is_bool() && stable.as_bool();
  if (request.split.is_stable && request.split.by.size() != 1)
    return Error{ErrorKind::invalid,
                 "split: `stable: true` says that behind the greatest value of a column rows come, and elsewhere none "
                 "changes: name that one column in `by`"};
  return {};
}

Result<CsvWriteOptions> parse_csv_options(const Value& parameters) {
  CsvWriteOptions options;
  const std::string delimiter = parameters.text("delimiter", ",");
  if (delimiter.size() != 1)
    return Error{ErrorKind::invalid, fmt::format("delimiter: `{}` is not one ASCII character", delimiter)};
  options.delimiter = delimiter[0];
  options.header = parameters.flag("header", true) ? CsvHeader::written : CsvHeader::left_out;
  options.null_text = parameters.text("null_text");
  options.line_end = parameters.text("line_end") == "crlf" ? CsvLineEnd::crlf : CsvLineEnd::lf;
  return options;
}

namespace {

using Copy = std::function<Result<CopyResult>(const CopyRequest&)>;

// For a reader of a server that may have bounds; nullptr for any other.
Result<std::unique_ptr<Pace>> own_pace(TaskContext& context, const ExportForm& form) {
  const std::string id = context.parameters().text("connection");
  if (id.empty() || form.pace != nullptr) return std::unique_ptr<Pace>();
  TRY_ASSIGN(const Connection connection, context.connection(id));
  return make_pace(context, id, connection);
}

Result<Outcome> export_by(TaskContext& context, const Copy& copy_all, TableRequest request, const std::string& source,
                          const ExportForm& form, SqlDialect dialect) {
  const Value& parameters = context.parameters();
  const std::string to = parameters.text("to");
  const bool to_s3 = to.starts_with("s3://");
  if (!to_s3 && !to.starts_with("/") && !to.starts_with("file:///"))
    return Error{ErrorKind::invalid, fmt::format("to: `{}` is neither s3://bucket/prefix/ nor an absolute path", to)};

  const auto level = parse_certify_level(parameters.text("certify", "wire"));
  if (!level) return Error{ErrorKind::invalid, fmt::format("certify: `{}` is no level", parameters.text("certify"))};
  request.certify = *level;

  std::optional<MaskKey> mask_key;
  if (const std::string id = parameters.text("mask_key"); !id.empty()) {
    TRY_ASSIGN(const Connection connection, context.connection(id));
    TRY_ASSIGN(MaskKey key, MaskKey::parse(connection.password, id));
    mask_key.emplace(std::move(key));
  }
  std::optional<Connection> to_connection;
  if (to_s3) {
    TRY_ASSIGN(to_connection, aws_connection(context, "to_connection"));
  }
  TRY_ASSIGN(const std::unique_ptr<FileSystem> file_system,
             make_file_system(to, to_connection, io_context_of(context, "to_connection")));
  TRY_ASSIGN(const Path staging, context.staging());
  TRY(check_condition(request.where, dialect));
  TRY_ASSIGN(Ways ways, ways_of(context, request, source, dialect, *file_system));
  request.on_catalog = [&ways](const auto& catalog, TableRequest& asked) { return ways.on_catalog(catalog, asked); };
  if (ways.drift)
    request.on_types = [&ways](std::vector<ColumnInfo>& columns) { return ways.drift->settle_types(columns); };

  CopyRequest copy;
  copy.table = std::move(request);
  copy.source = source;
  copy.connection = parameters.text("connection");
  copy.parquet.compression = parameters.text("compression", "snappy");
  const auto compat = parse_compat(parameters.text("compat"));
  if (!compat) return Error{ErrorKind::invalid, fmt::format("compat: `{}`; there is hive3", parameters.text("compat"))};
  copy.parquet.compat = *compat;
  copy.text = form.text;
  copy.mask_key = mask_key ? &*mask_key : nullptr;
  copy.folder = staging;
  copy.memory_bytes = parameters.integer("memory", 256 << 20);
  // Not every operator has it.
  const std::string large_values = parameters.text("large_values");
  copy.may_stream_large = !large_values.empty();
  if (large_values == "stream") copy.large_values = LargeValues::stream;
  copy.target_file_bytes = parameters.integer("target_file_bytes");
  copy.clock = &context.clock();
  copy.layout = ways.layout();
  TRY_ASSIGN(const std::unique_ptr<Pace> pace, own_pace(context, form));
  copy.pace = form.pace != nullptr ? form.pace : pace.get();
  copy.on_start = form.on_start;
  const ParquetOptions parquet = copy.parquet;
  copy.on_note = [&context](const std::string& note) { context.log(note); };
  copy.on_progress = [&context](uint64_t rows) { context.log(fmt::format("{} rows read", rows)); };
  std::optional<KeptChunks> kept;
  if (copy.table.split.into > 1 && (copy.layout != nullptr || copy.text)) {
    const char* reason = copy.text ? "it is text"
                         : ways.partitions != nullptr
                             ? "with `partition_by` what is read follows from what stands in the target"
                             : "with `mode` what is read follows from what stands in the target";
    context.log(std::string("nothing is kept for a next try, and nothing of an earlier one taken up: ") + reason);
  } else if (copy.table.split.into > 1) {
    const std::string instance =
        fmt::format("{}\n{}\n{}\n{}", context.dag_id(), context.run_id(), context.task_id(), context.map_index());
    kept.emplace(staging.parent_path() / resume_folder / to_hex(sha256(instance)).substr(0, 32), context.try_id());
    kept->remove_old(context.clock().now());
    copy.kept = &*kept;
  }
  const Duration began = context.clock().monotonic();
  auto copy_done = copy_all(copy);
  if (!copy_done && kept && kept->chunks_made() > 0)
    context.log(fmt::format("{} chunks that this try has read are kept for its next one, for {} hours",
                            kept->chunks_made(), resume_kept_for.count()));
  if (!copy_done) return naming(source, copy_done.error());
  CopyResult& copied = *copy_done;
  if (ways.drift) {
    copied.certificate.source_columns = ways.drift->source_columns();
    for (const std::string& note : ways.drift->notes()) context.log(note);
  }
  context.log("read by " + copied.certificate.mechanism);
  context.log(fmt::format("{} rows of {} in {}, verified at level {} in {}", copied.certificate.rows, source,
                          described(copied.certificate.files), to_string(copied.certificate.level),
                          format_duration(context.clock().monotonic() - began)));
  log_exceptions(context, copied.certificate);
  if (context.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop before anything was published"};

  PublishRequest publication;
  if (ways.increment) {
    TRY_ASSIGN(publication.growth, ways.increment->grow(copied, context.try_id()));
    const std::string where = parameters.get("where").text("sql");
    if (ways.grown_from && publication.growth && !publication.growth->keeps.empty())
      TRY(check_meaning(*ways.grown_from, copied.certificate, where));
    copied.certificate.increment.set("where", where);
  }
  publication.staged = copied.files;
  publication.to = to;
  publication.certificate = copied.certificate;
  publication.try_id = context.try_id();
  publication.pending_folder = staging.parent_path().parent_path() / "uploads";
  publication.storage_class = parameters.text("storage_class");
  publication.may_reject = form.may_reject;
  if (form.rejects != nullptr && form.rejects->rows() > 0) {
    if (copied.certificate.rows == 0)
      return Error{ErrorKind::data,
                   fmt::format("none of the {} rows fits, the first: {}. Nothing was published; are the schema and the "
                               "`encoding` the file's?",
                               form.rejects->rows(), form.rejects->first())};
    TRY(form.rejects->finish());
    publication.rejects = form.rejects->file();
  }
  const auto on_partition = [&context](const std::string& what) -> Result<void> {
    if (context.stop_requested())
      return Error{ErrorKind::cancelled,
                   "asked to stop; the partitions published so far stay, and the next try makes them "
                   "anew"};
    context.log("publishing " + what);
    return {};
  };
  TRY_ASSIGN(const Published published,
             ways.partitions ? ways.partitions->publish(publication, copied, staging, parquet, on_partition)
                             : publish(*file_system, publication));
  context.log(fmt::format("published {} (certificate {})", published.manifest, published.certificate.id));
  if (kept) kept->drop_all();

  Outcome outcome;
  outcome.return_value = outcome_value(published);
  const int64_t rejected = form.rejects != nullptr ? form.rejects->rows() : 0;
  if (form.may_reject) {
    outcome.return_value.set("rejected", rejected);
    outcome.return_value.set("rejects", published.rejects.empty() ? Value() : Value(published.rejects));
  }
  outcome.message =
      fmt::format("{} rows, certified at level {}", copied.certificate.rows, to_string(copied.certificate.level));
  if (rejected > 0) {
    outcome.message += fmt::format("; {} rows did not fit: {}", rejected, published.rejects);
    context.log(fmt::format("{} rows did not fit; they are in {}", rejected, published.rejects));
  }
  return outcome;
}

}  // namespace

Result<Outcome> export_table(TaskContext& context, TableReader& reader, TableRequest request, const std::string& source,
                             const ExportForm& form) {
  const Copy copy = [&](const CopyRequest& asked) { return copy_table(reader, asked, context.stop_token()); };
  return export_by(context, copy, std::move(request), source, form, SqlDialect::mysql);
}

Result<Outcome> export_table(TaskContext& context, const MakeReader& make_reader, TableRequest request,
                             const std::string& source, SqlDialect dialect) {
  const auto on_again = [&](const Error& error) {
    context.log(error.message + ": its snapshot is lost; all is read from the beginning, once");
  };
  const Copy copy = [&](const CopyRequest& asked) {
    return copy_table_again(make_reader, asked, context.stop_token(), on_again);
  };
  return export_by(context, copy, std::move(request), source, {}, dialect);
}

}  // namespace udon::data
