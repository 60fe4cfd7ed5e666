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
#include "plugins/data/kept_chunks.h"
#include "plugins/data/memory_pool.h"
#include "plugins/data/memory_shares.h"
#include "plugins/data/take_up.h"

namespace udon::data {
namespace {

constexpr int losses_max = 3;  // of one reader's sessions, while no chunk is finished between

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
    if (rows == 0 && !(*batch)->range_end) continue;
    if (!queue.push(std::move(**batch))) return {};  // the encoder has failed, and says why
  }
}

// A source of which nothing more is to be had is an error of its own, or the encoder's.
struct Reading {
  Result<void> encoded;
  Result<void> was_read;
};

Reading read_on(BatchSource& source, Encoder& encoder, int64_t queued_bytes, Pace* pace, const std::stop_token& stop) {
  Reading reading;
  BatchQueue queue(queued_bytes);
  std::jthread encoding([&] {
    while (auto batch = queue.pop()) {
      reading.encoded = encoder.take(std::move(*batch));
      if (!reading.encoded) {
        queue.give_up();
        return;
      }
    }
  });
  reading.was_read = read_into(source, queue, pace, stop);
  // What came before an error may be the end of a chunk; but who is asked to stop stops.
  if (reading.was_read || reading.was_read.error().kind != ErrorKind::cancelled)
    queue.end();
  else
    queue.give_up();
  encoding.join();
  return reading;
}

// One source to its end, with as many sessions as that takes, while each brings it further.
Result<void> copy(BatchSource& source, Encoder& encoder, const CopyRequest& request, int64_t queued_bytes, Pace* pace,
                  const std::stop_token& stop) {
  int losses = 0;
  size_t kept_before = encoder.kept().ranges.size();
  while (true) {
    const Reading reading = read_on(source, encoder, queued_bytes, pace, stop);
    TRY(reading.encoded);
    if (reading.was_read) return encoder.finish();
    Error error = reading.was_read.error();
    if (error.kind != ErrorKind::unavailable || stop.stop_requested()) return error;
    const std::vector<size_t>& kept = encoder.kept().ranges;
    losses = kept.size() > kept_before ? 1 : losses + 1;
    kept_before = kept.size();
    if (losses > losses_max) {
      error.message += fmt::format("; the same reader was lost {} times in a row", losses);
      return error;
    }
    encoder.forget();
    if (const auto rejoined = source.rejoin(kept); !rejoined) {
      if (rejoined.error().kind == ErrorKind::cancelled) return rejoined;
      if (rejoined.error().kind != ErrorKind::unsupported) error.message += "; " + rejoined.error().message;
      return error;
    }
    if (request.on_note)
      request.on_note(error.message +
                      ": its reader has rejoined the snapshot, and reads what was not finished once more");
  }
}

// All sources at once. One that fails stops the others; its error is told, not theirs.
Result<void> copy_all(const std::vector<BatchSource*>& sources, std::vector<std::unique_ptr<Encoder>>& encoders,
                      const CopyRequest& request, int64_t queued_bytes, Pace* pace, std::stop_source& stop) {
  std::mutex mutex;
  std::optional<Error> failure;
  const auto run = [&](size_t i) {
    const Result<void> copied = copy(*sources[i], *encoders[i], request, queued_bytes, pace, stop.get_token());
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
    for (const StagedFile& file : encoder->kept().files) {
      if (file.certificate.rows > 0 || (!has_rows && kept.empty()))
        kept.push_back(file);
      else
        std::filesystem::remove(file.path, ignored);
    }
  }
  return kept;
}

// Of rows that were kept: a table in ranges may have been read twice in places.
std::vector<PolicyUse> uses_of(const TableReader& reader, const std::vector<std::unique_ptr<Encoder>>& encoders) {
  if (reader.ranges().size() < 2) return reader.policy_uses();
  std::vector<PolicyUse> uses;
  for (const auto& encoder : encoders) add_uses(uses, encoder->kept().uses);
  return uses;
}

// Level source: the database's own figures of each column, which are those of the files.
Result<std::vector<DatabaseFigures>> compared_figures(TableReader& reader, const Encoding& encoding,
                                                      const std::vector<std::unique_ptr<Encoder>>& encoders) {
  FileFigures files = encoders.front()->kept().figures;
  for (size_t i = 1; i < encoders.size(); ++i) files.add(encoders[i]->kept().figures);
  TRY_ASSIGN(std::vector<DatabaseFigures> database, reader.figures());
  ENSURE(database.size() == encoding.columns.size(), "the database has figures of each column");
  const std::vector<ColumnInfo>& columns = encoding.columns;
  const arrow::Schema& schema = *encoding.schema;
  for (size_t c = 0; c < columns.size(); ++c)
    if (!columns[c].request.mask.empty()) keep_counts_only(database[c], "all but counts: masked");
  account_for_policies(database, schema, uses_of(reader, encoders));
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
      const std::map<uint32_t, Certifier>& places = encoder->kept().in_places;
      const auto it = places.find(place);
      if (it == places.end()) continue;
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
  request.row_bytes_max = shares.row_bytes_max;
  request.memory = {.memory_bytes = copy.memory_bytes,
                    .readers = request.split.into,
                    .large = copy.large_values,
                    .may_stream = copy.may_stream_large};
}

Result<CopyResult> copy_at_once(TableReader& reader, CopyRequest request, std::stop_source& stop_all) {
  if (request.on_start) request.on_start();
  const int readers_asked = request.table.split.into;
  int readers_max = readers_asked;
  share_memory(request.table, request, 0);
  if (request.target_file_bytes > 0) request.chunk_bytes = std::min(request.chunk_bytes, request.target_file_bytes);
  if (request.text) request.table.certify = CertifyLevel::rows;

  const auto on_catalog = request.table.on_catalog;
  request.table.on_catalog = [&](const auto& catalog, TableRequest& asked) -> Result<void> {
    if (on_catalog) TRY(on_catalog(catalog, asked));
    const size_t columns = asked.all_columns ? catalog.size() : asked.columns.size();
    share_memory(asked, request, columns);
    if (request.destination == Destination::files && request.memory_bytes < memory_needed(columns))
      return Error{ErrorKind::invalid,
                   fmt::format("`memory` is too little for {} columns: it needs `memory: {}MB`, or leave columns out",
                               columns, memory_needed(columns) / 1'000'000 + 1)};
    readers_max = asked.split.into;
    // What the catalog makes of the condition is what the certificate tells.
    request.table.where = asked.where;
    request.table.where_parameters = asked.where_parameters;
    return {};
  };
  TakeUp take_up(request);
  take_up.propose_ranges(request.table);
  auto opened = reader.open(TableRequest(request.table), stop_all.get_token());
  if (!opened) {
    // Ranges that do not fit the table any more must not fail the next try, too.
    const ErrorKind kind = opened.error().kind;
    if (!request.table.split.ranges.empty() && kind != ErrorKind::unavailable && kind != ErrorKind::cancelled)
      request.kept->drop_all();
    return opened.error();
  }
  const std::vector<ColumnInfo> columns = std::move(*opened);
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
  // Open files take of what else there is room for: their rows have less. Measured with 64 partitions, 4 readers and 64
  // MB.
  const int64_t buffered_bytes = request.layout != nullptr ? shares.row_group_bytes / 3 * 2 : shares.row_group_bytes;
  const Encoding encoding{.columns = columns,
                          .request = request,
                          .progress = progress,
                          .schema = schema,
                          .buffered_bytes_max = buffered_bytes,
                          .open_files_max = shares.open_files};
  std::vector<std::unique_ptr<Encoder>> encoders;
  for (size_t i = 0; i < sources.size(); ++i) encoders.push_back(std::make_unique<Encoder>(i, encoding));
  std::vector<DatabaseFigures> figures;
  const auto copied = [&]() -> Result<void> {
    TRY_ASSIGN(ReadChunk taken, take_up.take(reader, encoding));
    encoders.front()->add(std::move(taken));
    for (const auto& encoder : encoders) TRY(encoder->open());
    TRY(copy_all(sources, encoders, request, shares.queued_bytes, request.pace, stop_all));
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
  for (const auto& encoder : encoders) all.add(encoder->kept().in_all);
  all.fill(certificate);
  certificate.where = described_condition(request.table, columns);
  certificate.mechanism = reader.mechanism() + take_up.mechanism();
  if (readers_max < readers_asked)
    certificate.mechanism +=
        fmt::format("; `memory` is enough for {} of {} readers of so many columns", readers_max, readers_asked);
  certificate.position = reader.position();
  certificate.policies = uses_of(reader, encoders);
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
  if (!pace.has_begun()) {
    TRY_ASSIGN(request.table.split.into, pace.begin(asked, stop, [&stop_all] { stop_all.request_stop(); }));
  }
  request.table.batch_rows = pace.batch_rows(request.table.batch_rows);
  auto copied = copy_at_once(reader, std::move(request), stop_all);
  pace.end();
  if (!copied)
    if (const auto failure = pace.failure()) return *failure;
  return copied;
}

}  // namespace

Result<CopyResult> copy_table(TableReader& reader, CopyRequest request, std::stop_token stop) {
  return_freed_memory(kept_memory(request.memory_bytes));
  std::stop_source stop_all;
  const std::stop_callback passed_on(stop, [&stop_all] { stop_all.request_stop(); });
  return request.pace != nullptr ? copy_at_pace(reader, std::move(request), stop, stop_all)
                                 : copy_at_once(reader, std::move(request), stop_all);
}

}  // namespace udon::data
