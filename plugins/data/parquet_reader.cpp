#include "plugins/data/parquet_reader.h"

#include <arrow/io/file.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/parquet_file.h"
#include "plugins/data/plain_arrays.h"
#include "plugins/data/policy_counter.h"
#include "plugins/spec/data_type.h"

namespace udon::data {
namespace {

class ParquetReader final : public TableReader, public BatchSource {
 public:
  ParquetReader(Path file, ParquetSource source) : file_(std::move(file)), source_(std::move(source)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    request_ = request;
    stop_ = std::move(stop);
    auto opened = open_file_of();
    if (!opened) return opened.error().within(source_.display);
    TRY(choose_columns());
    TRY(start());
    return infos_;
  }

  Result<std::optional<SourceBatch>> next() override {
    while (true) {
      if (stop_.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
      std::shared_ptr<arrow::RecordBatch> batch;
      TRY(from_arrow(batches_->ReadNext(&batch), source_.display));
      if (!batch) return std::optional<SourceBatch>();
      if (batch->num_rows() == 0) continue;
      TRY_ASSIGN(SourceBatch made, make(*batch));
      rows_ += batch->num_rows();
      return std::optional(std::move(made));
    }
  }

  std::vector<BatchSource*> sources() override { return {this}; }
  std::string mechanism() const override { return "one file, read once"; }
  std::string position() const override { return {}; }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (size_t c = 0; c < infos_.size(); ++c) {
      nan_[c].report(infos_[c].request.name, uses);
      infinity_[c].report(infos_[c].request.name, uses);
    }
    return uses;
  }

 private:
  Result<void> open_file_of() {
    // Ours tells a missing file from a refused one.
    TRY(udon::open_file(file_, O_RDONLY));
    TRY_ASSIGN(reader_, open_parquet(file_, request_.batch_bytes / 2, request_.batch_rows));
    TRY(from_arrow(reader_->GetSchema(&in_file_), "read"));
    return {};
  }

  Error unknown(const std::string& name) const {
    const std::vector<std::string> names = in_file_->field_names();
    return {ErrorKind::data, fmt::format("{} has no column `{}`{}; it has {}", source_.display, name,
                                         did_you_mean(name, names), join(names, ", "))};
  }

  Result<void> choose_columns() {
    StatedSchema chosen = source_.schema;
    if (chosen.empty())
      for (const std::string& name : in_file_->field_names()) chosen.emplace_back(name, "");
    if (chosen.empty()) return Error{ErrorKind::data, source_.display + " has no columns"};
    for (const auto& [name, type] : chosen) {
      const std::vector<int> at = in_file_->GetAllFieldIndices(name);
      if (at.empty()) return unknown(name);
      if (at.size() > 1) return Error{ErrorKind::data, fmt::format("{} has column `{}` twice", source_.display, name)};
      const auto& field = in_file_->field(at[0]);
      const auto plain = plain_type(field->type());
      if (!plain)
        return Error{
            ErrorKind::unsupported,
            fmt::format("{}: column `{}` is {}, which has no exact place; leave it out: state the others in `schema`",
                        source_.display, name, field->type()->ToString())};
      infos_.push_back({.request = {.source_name = name, .name = name, .mask = "", .type = type},
                        .source_type = field->type()->ToString(),
                        .type = plain,
                        .nullable = field->nullable(),
                        .text_form = plain->id() == arrow::Type::STRING ? TextForm::characters : TextForm::opaque});
      // Another type into a string is the reader's own: the value's text (cell_text.h).
      as_text_.push_back(plain->id() != arrow::Type::STRING && plain->id() != arrow::Type::BINARY && is_string(type));
      if (as_text_.back()) {
        infos_.back().type = arrow::utf8();
        infos_.back().is_recast = true;
      }
      nan_.emplace_back("nan", request_.policies.nan);
      infinity_.emplace_back("infinity", request_.policies.infinity);
      if (source_.not_finite == NotFinite::by_policy && is_floating(*plain)) infos_.back().nullable = true;
    }
    arrow::FieldVector fields;
    for (const ColumnInfo& info : infos_) fields.push_back(arrow::field(info.request.name, info.type, info.nullable));
    schema_ = arrow::schema(std::move(fields));
    return {};
  }

  static bool is_string(const std::string& type) {
    const auto parsed = parse_data_type(type);
    return parsed && parsed->kind == DataType::Kind::string;
  }

  static bool is_floating(const arrow::DataType& type) {
    return type.id() == arrow::Type::FLOAT || type.id() == arrow::Type::DOUBLE;
  }

  Result<void> start() {
    // Of the file's columns those that are chosen; a list is one leaf too.
    const auto& leaves = *reader_->parquet_reader()->metadata()->schema();
    std::vector<int> columns, groups;
    for (int leaf = 0; leaf < leaves.num_columns(); ++leaf) {
      const std::string name = leaves.GetColumnRoot(leaf)->name();
      if (std::ranges::any_of(infos_, [&](const ColumnInfo& info) { return info.request.source_name == name; }))
        columns.push_back(leaf);
    }
    for (int g = 0; g < reader_->num_row_groups(); ++g) groups.push_back(g);
    TRY_ASSIGN(batches_, from_arrow(reader_->GetRecordBatchReader(groups, columns), source_.display));
    return {};
  }

  Result<SourceBatch> make(const arrow::RecordBatch& batch) {
    SourceBatch made;
    arrow::ArrayVector arrays;
    for (size_t c = 0; c < infos_.size(); ++c) {
      const std::string& name = infos_[c].request.source_name;
      auto array = plain_array(batch.GetColumnByName(name));
      if (!array) return array.error().within(fmt::format("{}: column `{}`", source_.display, name));
      if (as_text_[c]) {
        array = texts_of(**array);
        if (!array) return Error(array.error());
      } else if (source_.not_finite == NotFinite::by_policy && is_floating(*infos_[c].type)) {
        if (infos_[c].type->id() == arrow::Type::FLOAT)
          array = finite<arrow::FloatArray, arrow::FloatBuilder>(*array, c);
        else
          array = finite<arrow::DoubleArray, arrow::DoubleBuilder>(*array, c);
        if (!array) return Error(array.error());
      }
      if (request_.certify != CertifyLevel::rows) {
        TRY_ASSIGN(auto hashes, hash_array(**array));
        made.hashes.push_back(std::move(hashes));
      }
      arrays.push_back(std::move(*array));
    }
    made.rows = arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(arrays));
    return made;
  }

  static Result<std::shared_ptr<arrow::Array>> texts_of(const arrow::Array& values) {
    arrow::StringBuilder builder;
    std::string text;
    for (int64_t i = 0; i < values.length(); ++i) {
      text.clear();
      if (values.IsNull(i)) {
        TRY(from_arrow(builder.AppendNull(), "build a column"));
        continue;
      }
      append_cell_text(values, i, text);
      TRY(from_arrow(builder.Append(text), "build a column"));
    }
    std::shared_ptr<arrow::Array> array;
    TRY(from_arrow(builder.Finish(&array), "build a column"));
    return array;
  }

  template <class Array, class Builder>
  Result<std::shared_ptr<arrow::Array>> finite(const std::shared_ptr<arrow::Array>& values, size_t c) {
    const auto& from = static_cast<const Array&>(*values);
    Builder builder;
    TRY(from_arrow(builder.Reserve(from.length()), "build a column"));
    for (int64_t i = 0; i < from.length(); ++i) {
      if (from.IsNull(i)) {
        builder.UnsafeAppendNull();
      } else if (std::isfinite(from.Value(i))) {
        builder.UnsafeAppend(from.Value(i));
      } else {
        PolicyCounter& policy = std::isnan(from.Value(i)) ? nan_[c] : infinity_[c];
        if (policy.judge() == Verdict::refuse)
          return Error{ErrorKind::data,
                       fmt::format("{}: column `{}`, row {}: {} has no form in JSON; say `{}: null`, or leave the "
                                   "column out",
                                   source_.display, infos_[c].request.name, rows_ + i + 1,
                                   std::isnan(from.Value(i)) ? "NaN" : "an infinity", policy.policy)};
        builder.UnsafeAppendNull();
      }
    }
    std::shared_ptr<arrow::Array> array;
    TRY(from_arrow(builder.Finish(&array), "build a column"));
    return array;
  }

  Path file_;
  ParquetSource source_;
  TableRequest request_;
  std::stop_token stop_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> in_file_, schema_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  std::vector<ColumnInfo> infos_;
  std::vector<PolicyCounter> nan_, infinity_;  // of each column
  std::vector<bool> as_text_;
  int64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<TableReader> make_parquet_reader(const Path& file, ParquetSource source) {
  return std::make_unique<ParquetReader>(file, std::move(source));
}

}  // namespace udon::data
