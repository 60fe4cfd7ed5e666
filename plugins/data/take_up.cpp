#include "plugins/data/take_up.h"

#include <arrow/util/config.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "plugins/data/certifier.h"

namespace udon::data {
namespace {

std::string described(const ColumnRequest& column) {
  return column.source_name + "\n" + column.name + "\n" + column.mask + "\n" + column.type;
}

// What decides which rows there are, and how they are written.
Conditions asked_of(const CopyRequest& request) {
  const TableRequest& table = request.table;
  std::string columns = table.all_columns ? "*" : "";
  for (const ColumnRequest& column : table.columns) columns += described(column) + "\n\n";
  const Policies& policies = table.policies;
  return {{"source", request.source},
          {"connection", request.connection},
          {"table", table.table},
          {"columns", columns},
          {"where", table.where + "\n" + to_json(table.where_parameters)},
          {"timezone", table.timezone},
          {"zero_dates", policies.zero_dates},
          {"infinity", policies.infinity},
          {"nan", policies.nan},
          {"invalid_text", policies.invalid_text},
          {"ancient_dates", policies.ancient_dates},
          {"consistency", table.consistency},
          {"split: by", join(table.split.by, "\n")},
          {"certify", std::string(to_string(table.certify))},
          {"compression", request.parquet.compression},
          {"compat", std::to_string(static_cast<int>(request.parquet.compat))},
          {"target_file_bytes", std::to_string(request.target_file_bytes)},
          {"mask_key", request.mask_key != nullptr ? request.mask_key->fingerprint() : ""},
          {"program", ARROW_VERSION_STRING}};
}

Conditions found_of(const std::vector<ColumnInfo>& columns, const arrow::Schema& schema) {
  Conditions found;
  for (size_t c = 0; c < columns.size(); ++c)
    found.emplace_back(fmt::format("column {}: {}", c + 1, columns[c].request.name),
                       described(columns[c].request) + "\n" + columns[c].source_type + "\n" +
                           schema.field(static_cast<int>(c))->ToString());
  return found;
}

// A range's condition quotes values of its columns.
bool quotes_masked(const std::vector<std::string>& ranges, const std::vector<ColumnInfo>& columns) {
  const std::string all = lower_ascii(join(ranges, "\n"));
  return std::ranges::any_of(columns, [&](const ColumnInfo& column) {
    return !column.request.mask.empty() && all.find(lower_ascii(column.request.source_name)) != all.npos;
  });
}

}  // namespace

TakeUp::TakeUp(const CopyRequest& request)
    : request_(request), kept_(request.layout == nullptr && !request.text ? request.kept : nullptr) {}

void TakeUp::note(const std::string& text) const {
  if (request_.on_note) request_.on_note(text);
}

void TakeUp::start_over(const std::string& why) {
  kept_->drop_all();
  note("nothing that was read before is taken up: " + why + "; all is read from the beginning");
}

void TakeUp::propose_ranges(TableRequest& table) {
  if (kept_ == nullptr) return;
  asked_ = asked_of(request_);
  std::string why;
  ranges_ = kept_->open(asked_, why);
  if (!why.empty()) start_over(why);
  table.split.ranges = ranges_;
}

Result<ReadChunk> TakeUp::take(TableReader& reader, const Encoding& encoding) {
  ReadChunk taken(encoding);
  if (kept_ == nullptr) return taken;
  const std::vector<std::string> ranges = reader.ranges();
  const Conditions found = found_of(encoding.columns, *encoding.schema);
  if (ranges.size() < 2) {
    if (!ranges_.empty()) start_over("one reader reads the whole table now");
    return taken;
  }
  if (quotes_masked(ranges, encoding.columns)) {
    kept_->drop_all();
    note("nothing is kept for a next try: the ranges quote values of a masked column");
    return taken;
  }
  if (!ranges_.empty()) {
    if (const std::string other = kept_->difference(found); !other.empty()) {
      start_over("the table's " + other + " is not what it was");
      return Error{ErrorKind::conflict,
                   "the table was altered since an earlier try cut it into ranges (" + other + ")"};
    }
    TRY_ASSIGN(const std::vector<KeptChunk> chunks, choose(reader));
    std::vector<std::string> positions;
    for (const KeptChunk& chunk : chunks) {
      ReadChunk rows(encoding);
      if (!is_whole(chunk, encoding, rows)) {
        note(fmt::format(
            "a chunk that was read before is not what it was when it was kept ({}): its {} rows are read again",
            chunk.path.filename().string(), chunk.certificate.rows));
        kept_->drop(chunk);
        continue;
      }
      taken.add(std::move(rows));
      if (std::ranges::find(positions, chunk.certificate.position) == positions.end())
        positions.push_back(chunk.certificate.position);
    }
    if (!taken.ranges.empty()) {
      std::erase(positions, "");
      const std::string what =
          fmt::format("{} of {} ranges ({} rows) were read before{}, and {}", taken.ranges.size(), ranges.size(),
                      taken.rows, positions.empty() ? "" : " at " + join(positions, "; at "),
                      is_proven_ ? "the source is proven to be where it was"
                                 : "are taken as unchanged (`split: stable`): the server counts as many rows in them");
      note(what);
      mechanism_ = "; " + what;
    }
    reader.leave_out(taken.ranges);
  }
  TRY(kept_->start(asked_, found, ranges, reader.state(), reader.position()));
  return taken;
}

// Those of the same rows as are there now.
Result<std::vector<KeptChunk>> TakeUp::choose(TableReader& reader) {
  std::vector<KeptChunk> chosen;
  std::set<size_t> ranges;
  const std::string state = reader.state();
  for (KeptChunk& chunk : kept_->chunks()) {
    // Two tries were at it at once: one of them counts.
    if (std::ranges::any_of(chunk.ranges, [&](size_t range) { return ranges.contains(range); })) continue;
    if (state.empty() || chunk.state != state) {
      is_proven_ = false;
      if (!request_.table.split.is_stable) {
        start_over(
            fmt::format("nothing proves that the source is where it was (then: {}; now: {}), and `split` does not "
                        "say `stable: true`",
                        chunk.state.empty() ? "not known" : chunk.state, state.empty() ? "not known" : state));
        return std::vector<KeptChunk>();
      }
      uint64_t rows = 0;
      for (const size_t range : chunk.ranges) {
        TRY_ASSIGN(const uint64_t counted, reader.count_rows(range));
        rows += counted;
      }
      const bool has_end = std::ranges::find(chunk.ranges, ranges_.size() - 1) != chunk.ranges.end();
      if (rows > chunk.certificate.rows && has_end) {
        note(fmt::format(
            "rows have come behind those that were read before: the last range is read again ({} rows, were {})", rows,
            chunk.certificate.rows));
        kept_->drop(chunk);
        continue;
      }
      if (rows != chunk.certificate.rows) {
        start_over(
            fmt::format("`split` says `stable: true`, but in ranges of which {} rows were read the server counts {}",
                        chunk.certificate.rows, rows));
        return std::vector<KeptChunk>();
      }
    }
    ranges.insert(chunk.ranges.begin(), chunk.ranges.end());
    chosen.push_back(std::move(chunk));
  }
  return chosen;
}

// The files hold what the chunk's sums say.
bool TakeUp::is_whole(const KeptChunk& chunk, const Encoding& encoding, ReadChunk& rows) const {
  const Certificate& certificate = chunk.certificate;
  const CertifyLevel level = request_.table.certify;
  const bool has_figures = level == CertifyLevel::source;
  for (size_t i = 0; i < chunk.files.size(); ++i) {
    const auto sha256 = sha256_of_file(chunk.files[i]);
    if (!sha256 || *sha256 != certificate.files[i].sha256) return false;
    const auto counted = count_parquet(chunk.files[i], level, encoding.columns.size(),
                                       has_figures ? &rows.figures : nullptr, encoding.buffered_bytes_max);
    if (!counted) return false;
    rows.in_all.add(*counted);
    rows.files.push_back({.path = chunk.files[i], .place = 0, .certificate = certificate.files[i]});
    rows.files.back().certificate.uri.clear();
  }
  if (certificate.columns.size() != encoding.columns.size()) return false;
  Certificate sums = certificate;
  rows.in_all.fill(sums);
  rows.ranges = chunk.ranges;
  rows.uses = certificate.policies;
  rows.rows = certificate.rows;
  return sums == certificate;
}

}  // namespace udon::data
