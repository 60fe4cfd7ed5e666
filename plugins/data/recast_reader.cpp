#include "plugins/data/recast_reader.h"

#include <fmt/format.h>

#include <utility>

#include "plugins/data/array_hash.h"
#include "plugins/data/certifier.h"
#include "plugins/data/figures.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/recast.h"
#include "plugins/data/type_name.h"

namespace udon::data {
namespace {

using Recasts = std::vector<std::unique_ptr<Recast>>;  // for each column; none: as it comes

// What all sources of a table share.
struct Table {
  std::string name;
  std::vector<ColumnInfo> columns;
  std::shared_ptr<arrow::Schema> schema;
  std::vector<size_t> key;
};

class RecastSource final : public BatchSource {
 public:
  RecastSource(BatchSource& source, const Table& table, Recasts recasts)
      : source_(source), table_(table), recasts_(std::move(recasts)) {}

  Result<std::optional<SourceBatch>> next() override {
    TRY_ASSIGN(std::optional<SourceBatch> batch, source_.next());
    if (!batch) return batch;
    if (batch->range_end) {
      add_uses(batch->range_end->uses, uses_.since_last(policy_uses()));
      return batch;
    }
    const std::shared_ptr<arrow::RecordBatch> rows = batch->rows;
    arrow::ArrayVector arrays = rows->columns();
    for (size_t c = 0; c < recasts_.size(); ++c) {
      if (!recasts_[c]) continue;
      if (!batch->hashes.empty()) TRY(check_decoded(*arrays[c], batch->hashes[c], table_.columns[c].request.name));
      RecastFailure failure;
      auto recast = recasts_[c]->apply(*arrays[c], failure);
      if (!recast && recast.error().kind == ErrorKind::data) return failed(*rows, c, failure);
      TRY_ASSIGN(arrays[c], std::move(recast));
      if (batch->hashes.empty()) continue;
      TRY_ASSIGN(batch->hashes[c], hash_array(*arrays[c]));
    }
    rows_ += rows->num_rows();
    batch->rows = arrow::RecordBatch::Make(table_.schema, rows->num_rows(), std::move(arrays));
    return batch;
  }

  Result<void> rejoin(const std::vector<size_t>& kept) override {
    static_cast<void>(uses_.since_last(policy_uses()));  // of rows that come again
    return source_.rejoin(kept);
  }

  const Recasts& recasts() const { return recasts_; }
  std::vector<PolicyUse> policy_uses() const {
    std::vector<PolicyUse> uses;
    for (const auto& recast : recasts_)
      if (recast) add_uses(uses, recast->policy_uses());
    return uses;
  }

 private:
  Error failed(const arrow::RecordBatch& rows, size_t c, const RecastFailure& failure) const {
    std::string row;
    for (const size_t key : table_.key)
      row += (row.empty() ? "" : ", ") + table_.columns[key].request.source_name + " = " +
             describe_value(*rows.column(static_cast<int>(key)), failure.row);
    if (row.empty()) row = fmt::format("row {} of the answer", rows_ + failure.row + 1);
    const ColumnInfo& column = table_.columns[c];
    const std::string value = column.request.mask.empty()
                                  ? describe_value(*rows.column(static_cast<int>(c)), failure.row)
                                  : std::string("the value");  // never quoted: it is masked
    return {ErrorKind::data, fmt::format("table {}, column `{}` ({}), {}: {} {}", table_.name,
                                         column.request.source_name, column.source_type, row, value, failure.reason)};
  }

  BatchSource& source_;
  const Table& table_;
  Recasts recasts_;
  UsesByRange uses_;
  int64_t rows_ = 0;
};

class RecastReader final : public TableReader {
 public:
  explicit RecastReader(std::unique_ptr<TableReader> reader) : reader_(std::move(reader)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    table_.name = request.table;
    TRY_ASSIGN(std::vector<ColumnInfo> delivered, reader_->open(request, stop));
    if (request.on_types) TRY(request.on_types(delivered));
    table_.columns = delivered;
    sources_ = reader_->sources();
    TRY_ASSIGN(Recasts recasts, make_recasts(delivered, request.policies));
    bool is_changed = false;
    arrow::FieldVector fields;
    for (size_t c = 0; c < recasts.size(); ++c) {
      ColumnInfo& column = table_.columns[c];
      if (recasts[c]) {
        is_changed = true;
        column.type = recasts[c]->type();
        column.is_recast = true;
        column.nullable = column.nullable || recasts[c]->makes_nulls();
        column.dictionary = false;
      }
      fields.push_back(arrow::field(column.request.name, column.type, column.nullable));
    }
    if (!is_changed) return table_.columns;
    table_.schema = arrow::schema(std::move(fields));
    table_.key = reader_->key_columns();
    for (BatchSource*& source : sources_) {
      TRY_ASSIGN(Recasts its_own, make_recasts(delivered, request.policies));
      recast_sources_.push_back(std::make_unique<RecastSource>(*source, table_, std::move(its_own)));
      source = recast_sources_.back().get();
    }
    return table_.columns;
  }

  std::vector<BatchSource*> sources() override { return sources_; }
  std::vector<std::string> ranges() const override { return reader_->ranges(); }
  void leave_out(const std::vector<size_t>& ranges) override { reader_->leave_out(ranges); }
  Result<uint64_t> count_rows(size_t range) override { return reader_->count_rows(range); }
  std::string state() const override { return reader_->state(); }
  std::string mechanism() const override { return reader_->mechanism(); }
  std::string position() const override { return reader_->position(); }
  Result<std::vector<DatabaseFigures>> figures() override {
    TRY_ASSIGN(auto all, reader_->figures());
    for (size_t c = 0; c < all.size() && !recast_sources_.empty(); ++c)
      if (recast_sources_.front()->recasts()[c])
        keep_counts_only(all[c], "all but counts: recast to " + table_.columns[c].request.type);
    return all;
  }
  std::vector<size_t> key_columns() const override { return reader_->key_columns(); }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses = reader_->policy_uses();
    for (const auto& source : recast_sources_) add_uses(uses, source->policy_uses());
    return uses;
  }

 private:
  Result<Recasts> make_recasts(const std::vector<ColumnInfo>& columns, const Policies& policies) const {
    Recasts recasts(columns.size());
    for (size_t c = 0; c < columns.size(); ++c) {
      if (columns[c].request.type.empty()) continue;
      TRY_ASSIGN(const DataType target, parse_data_type(columns[c].request.type));
      if (has_type(columns[c], target)) continue;
      auto recast = make_recast(columns[c], target, policies);
      if (!recast) return recast.error().within("table " + table_.name);
      recasts[c] = std::move(*recast);
    }
    return recasts;
  }

  std::unique_ptr<TableReader> reader_;
  Table table_;
  std::vector<std::unique_ptr<RecastSource>> recast_sources_;
  std::vector<BatchSource*> sources_;
};

}  // namespace

std::unique_ptr<TableReader> make_recast_reader(std::unique_ptr<TableReader> reader) {
  return std::make_unique<RecastReader>(std::move(reader));
}

}  // namespace udon::data
