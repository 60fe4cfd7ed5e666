#include "plugins/data/table_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/ensure.h"
#include "base/id.h"
#include "base/text.h"
#include "plugins/data/batch_queue.h"
#include "plugins/data/certifier.h"
#include "plugins/data/encoder.h"
#include "plugins/data/figures.h"
#include "plugins/data/memory_pool.h"
#include "plugins/data/memory_shares.h"

namespace udon::data {
namespace {

Result<void> read_into(BatchSource& source, BatchQueue& queue, Pace* pace, const std::stop_token& stop) {
  Pace::Turn turn(pace);
  while (true) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
    TRY(turn.before_batch(stop));
    auto batch = source.next();
    if (!batch) return turn.explain(batch.error());
    if (!*batch) return {};
    const int64_t rows = (*batch)->rows->num_rows();
    turn.after_batch(rows);
    if (rows == 0) continue;
    if (!queue.push(std::move(**batch))) return {};  // the encoder has failed, and says why
  }
}

// One source to its end.
Result<void> copy(BatchSource& source, Encoder& encoder, int64_t queued_bytes, Pace* pace,
                  const std::stop_token& stop) {
  BatchQueue queue(queued_bytes);
  Result<void> encoded;
  std::jthread encoding([&] {
    while (auto batch = queue.pop()) {
      encoded = encoder.take(std::move(*batch));
      if (!encoded) {
        queue.give_up();
        return;
      }
    }
  });
  const Result<void> was_read = read_into(source, queue, pace, stop);
  if (was_read)
    queue.end();
  else
    queue.give_up();
  encoding.join();
  TRY(encoded);
  TRY(was_read);
  return encoder.finish();
}

// All sources at once. One that fails stops the others; its error is told, not theirs.
Result<void> copy_all(const std::vector<BatchSource*>& sources, std::vector<std::unique_ptr<Encoder>>& encoders,
                      int64_t queued_bytes, Pace* pace, std::stop_source& stop) {
  std::mutex mutex;
  std::optional<Error> failure;
  const auto run = [&](size_t i) {
    const Result<void> copied = copy(*sources[i], *encoders[i], queued_bytes, pace, stop.get_token());
    if (copied) return;
    {
      const std::lock_guard lock(mutex);
      if (!failure) failure = copied.error();
    }
    stop.request_stop();
  };
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < sources.size(); ++i) others.emplace_back([&run, i] { run(i); });
    run(0);
  }
  if (failure) return *failure;
  return {};
}

// Those with rows; of a table without rows one, for its schema. The others are removed.
std::vector<StagedFile> files_of(const std::vector<std::unique_ptr<Encoder>>& encoders, bool has_rows) {
  std::vector<StagedFile> kept;
  std::error_code ignored;
  for (const auto& encoder : encoders) {
    for (const StagedFile& file : encoder->files()) {
      if (file.certificate.rows > 0 || (!has_rows && kept.empty()))
        kept.push_back(file);
      else
        std::filesystem::remove(file.path, ignored);
    }
  }
  return kept;
}

// Level source: the database's own figures of each column, which are those of the files.
Result<std::vector<DatabaseFigures>> compared_figures(TableReader& reader, const Encoding& encoding,
                                                      const std::vector<std::unique_ptr<Encoder>>& encoders) {
  FileFigures files = encoders.front()->figures();
  for (size_t i = 1; i < encoders.size(); ++i) files.add(encoders[i]->figures());
  TRY_ASSIGN(std::vector<DatabaseFigures> database, reader.figures());
  ENSURE(database.size() == encoding.columns.size(), "the database has figures of each column");
  const std::vector<ColumnInfo>& columns = encoding.columns;
  const arrow::Schema& schema = *encoding.schema;
  for (size_t c = 0; c < columns.size(); ++c)
    if (!columns[c].request.mask.empty()) keep_counts_only(database[c], "all but counts: masked");
  account_for_policies(database, schema, reader.policy_uses());
  if (const std::string difference = figures_difference(schema, database, files.figures()); !difference.empty())
    return Error{ErrorKind::data,
                 "what was written is not what the database itself counts in the same snapshot: " + difference +
                     ". Nothing was published; this is a fault of ours, of the server or of this machine"};
  return database;
}

// For whoever reads the certificate: which rows. A value that is compared with a masked column would tell what the mask
// hides.
Value described_condition(const TableRequest& request, const std::vector<ColumnInfo>& columns) {
  if (request.where.empty()) return {};
  const std::string sql = lower_ascii(request.where);
  const bool is_masked = std::ranges::any_of(columns, [&](const ColumnInfo& column) {
    return !column.request.mask.empty() && sql.find(lower_ascii(column.request.source_name)) != sql.npos;
  });
  Value condition = Value::map();
  condition.set("sql", request.where);
  condition.set("values", is_masked ? Value() : request.where_parameters);
  return condition;
}

// The same certificate for the rows of each place alone. What the database counted is of all places together.
std::vector<CopyPart> parts_of(const CopyResult& all, const std::vector<StagedFile>& files,
                               const std::vector<std::unique_ptr<Encoder>>& encoders) {
  std::map<uint32_t, CopyPart> parts;
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].certificate.rows == 0) continue;
    CopyPart& part = parts[files[i].place];
    part.files.push_back(files[i].path);
    part.certificate.files.push_back(files[i].certificate);
  }
  std::vector<CopyPart> list;
  for (auto& [place, part] : parts) {
    std::vector<FileCertificate> own = std::move(part.certificate.files);
    part.place = place;
    part.certificate = all.certificate;
    part.certificate.files = std::move(own);
    for (ColumnCertificate& column : part.certificate.columns) column.database.reset();
    if (part.certificate.level == CertifyLevel::source) part.certificate.level = CertifyLevel::wire;
    std::optional<Certifier> sum;
    for (const auto& encoder : encoders) {
      const auto it = encoder->places().find(place);
      if (it == encoder->places().end()) continue;
      if (sum)
        sum->add(it->second);
      else
        sum = it->second;
    }
    ENSURE(sum, "a place with files was counted");
    const CertifyLevel level = part.certificate.level;
    sum->fill(part.certificate);
    part.certificate.level = level;
    list.push_back(std::move(part));
  }
  return list;
}

// Of the budget, what a reader of so many columns may hold; fewer readers where there is too little for all of them.
void share_memory(TableRequest& request, const CopyRequest& copy, size_t columns) {
  request.split.into = readers_within(copy.memory_bytes, request.split.into, columns);
  const MemoryShares shares = memory_shares(copy.memory_bytes, request.split.into, columns, copy.large_values);
  request.batch_bytes = shares.batch_bytes;
  request.value_bytes_max = shares.value_bytes_max;
}

Result<CopyResult> copy_at_once(TableReader& reader, CopyRequest request, std::stop_source& stop_all) {
  if (request.on_start) request.on_start();
  const int readers_asked = request.table.split.into;
  int readers_max = readers_asked;
  share_memory(request.table, request, 0);
  if (request.text) request.table.certify = CertifyLevel::rows;

  const auto on_catalog = request.table.on_catalog;
  request.table.on_catalog = [&](const auto& catalog, TableRequest& asked) -> Result<void> {
    if (on_catalog) TRY(on_catalog(catalog, asked));
    share_memory(asked, request, asked.all_columns ? catalog.size() : asked.columns.size());
    readers_max = asked.split.into;
    // What the catalog makes of the condition is what the certificate tells.
    request.table.where = asked.where;
    request.table.where_parameters = asked.where_parameters;
    return {};
  };
  TRY_ASSIGN(const std::vector<ColumnInfo> columns, reader.open(TableRequest(request.table), stop_all.get_token()));
  if (request.layout != nullptr) TRY(request.layout->open(columns));
  CopyResult result;
  Certificate& certificate = result.certificate;
  certificate.id = make_uuid7(request.clock->now(), 0, 0);
  certificate.id = certificate.id.substr(0, 19) + make_secret(2) + "-" + make_secret(6);
  certificate.source = request.source;
  certificate.connection = request.connection;
  certificate.table = request.table.table;
  certificate.timezone = request.table.timezone;
  request.parquet.metadata.emplace_back("udon.certificate", certificate.id);

  const std::vector<BatchSource*> sources = reader.sources();
  if (request.pace != nullptr) request.pace->opened(static_cast<int>(sources.size()));
  const MemoryShares shares =
      memory_shares(request.memory_bytes, static_cast<int>(sources.size()), columns.size(), request.large_values);
  request.parquet.row_group_bytes = shares.row_group_bytes;
  request.parquet.large_bytes = shares.large_bytes;
  request.parquet.has_large_values = request.large_values == LargeValues::stream;
  request.parquet.page_bytes = shares.page_bytes;
  request.parquet.dictionary_bytes = shares.dictionary_bytes;
  Progress progress(request.on_progress);
  TRY_ASSIGN(const std::shared_ptr<arrow::Schema> schema, schema_of_files(columns, request));
  const Encoding encoding{.columns = columns,
                          .request = request,
                          .progress = progress,
                          .schema = schema,
                          .buffered_bytes_max = request.parquet.row_group_bytes};
  std::vector<std::unique_ptr<Encoder>> encoders;
  for (size_t i = 0; i < sources.size(); ++i) encoders.push_back(std::make_unique<Encoder>(i, encoding));
  std::vector<DatabaseFigures> figures;
  const auto copied = [&]() -> Result<void> {
    for (const auto& encoder : encoders) TRY(encoder->open());
    TRY(copy_all(sources, encoders, shares.queued_bytes, request.pace, stop_all));
    if (request.table.certify == CertifyLevel::source) {
      TRY_ASSIGN(figures, compared_figures(reader, encoding, encoders));
    }
    return {};
  }();
  if (!copied) {
    for (const auto& encoder : encoders) encoder->remove_files();
    return Error(copied.error());
  }

  result.schema = schema;
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto& field = result.schema->field(static_cast<int>(c));
    certificate.columns.push_back({.name = field->name(),
                                   .source_name = columns[c].request.source_name,
                                   .source_type = columns[c].source_type,
                                   .type = field->type()->ToString(),
                                   .after_transform = columns[c].is_recast || !columns[c].request.mask.empty(),
                                   .recast = columns[c].is_recast ? columns[c].request.type : "",
                                   .mask = columns[c].request.mask});
    if (!figures.empty()) certificate.columns.back().database = std::move(figures[c]);
  }
  Certifier all(request.table.certify, columns.size());
  for (const auto& encoder : encoders) all.add(encoder->certifier());
  all.fill(certificate);
  certificate.where = described_condition(request.table, columns);
  certificate.mechanism = reader.mechanism();
  if (readers_max < readers_asked)
    certificate.mechanism +=
        fmt::format("; `memory` is enough for {} of {} readers of so many columns", readers_max, readers_asked);
  certificate.position = reader.position();
  certificate.policies = reader.policy_uses();
  if (request.mask_key != nullptr) certificate.mask_key_fingerprint = request.mask_key->fingerprint();
  certificate.made_at = format_time(request.clock->now());
  const std::vector<StagedFile> files = files_of(encoders, all.rows() > 0);
  for (const StagedFile& file : files) {
    certificate.files.push_back(file.certificate);
    result.files.push_back(file.path);
  }
  if (request.layout != nullptr) result.parts = parts_of(result, files, encoders);
  return result;
}

// Within the bounds of the server.
Result<CopyResult> copy_at_pace(TableReader& reader, CopyRequest request, const std::stop_token& stop,
                                std::stop_source& stop_all) {
  Pace& pace = *request.pace;
  const int asked = request.table.split.into;
  TRY_ASSIGN(request.table.split.into, pace.begin(asked, stop, [&stop_all] { stop_all.request_stop(); }));
  request.table.batch_rows = pace.batch_rows(request.table.batch_rows);
  auto copied = copy_at_once(reader, std::move(request), stop_all);
  pace.end();
  if (!copied)
    if (const auto failure = pace.failure()) return *failure;
  return copied;
}

}  // namespace

Result<CopyResult> copy_table(TableReader& reader, CopyRequest request, std::stop_token stop) {
  return_freed_memory();
  std::stop_source stop_all;
  const std::stop_callback passed_on(stop, [&stop_all] { stop_all.request_stop(); });
  return request.pace != nullptr ? copy_at_pace(reader, std::move(request), stop, stop_all)
                                 : copy_at_once(reader, std::move(request), stop_all);
}

}  // namespace udon::data
