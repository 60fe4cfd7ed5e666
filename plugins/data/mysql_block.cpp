#include "plugins/data/mysql_block.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace udon::data {
namespace {

constexpr size_t block_rows_max = 256;
constexpr size_t block_rows_min = 16;
constexpr size_t block_cells_max = 16 * 1024;  // of wide tables fewer rows at a time
// Beside a column's cells, so that those of one row do not all fall on the same few places of a processor's cache.
constexpr size_t cells_apart = 4;
constexpr size_t packets_bytes = 128 << 10;  // what stays in a processor's cache

}  // namespace

MysqlBlocks::MysqlBlocks(const std::vector<MysqlColumnPlan>& plans, std::vector<size_t> marks,
                         const TableRequest& request, const std::optional<WallClock>& clock)
    : plans_(plans),
      marks_(std::move(marks)),
      request_(request),
      hasher_(plans, request, clock),
      limits_(request, plans.size()) {
  for (const MysqlColumnPlan& plan : plans) decoders_.push_back(make_mysql_decoder(plan, request, clock));
  packets_.resize(packets_bytes);
}

void MysqlBlocks::start_batch() {
  limits_.begin();
  is_alone_ = false;
  for (auto& decoder : decoders_) decoder->reserve(limits_.rows_max());
  hashes_.clear();
  if (request_.certify == CertifyLevel::rows) return;
  hashes_.resize(plans_.size());
  for (auto& column : hashes_) column.reserve(static_cast<size_t>(limits_.rows_max()));
}

void MysqlBlocks::start_stream(const std::vector<MysqlColumn>& columns) {
  splitter_.emplace(columns);
  block_rows_ = std::clamp(block_cells_max / std::max<size_t>(1, columns.size()), block_rows_min, block_rows_max);
  stride_ = block_rows_ + cells_apart;
  cells_.resize(columns.size() * stride_);
}

MysqlBlocks::Step MysqlBlocks::read(MysqlRowStream& stream) {
  const Step step = fill(stream);
  if (step == Step::failed || step == Step::malformed) return step;
  return decode() ? step : Step::refused;
}

MysqlBlocks::Step MysqlBlocks::fill(MysqlRowStream& stream) {
  filled_ = 0;
  rows_before_ = stream.rows() - (waiting_.data() != nullptr ? 1 : 0);
  size_t used = 0;
  while (filled_ < block_rows_ && !is_full()) {
    std::span<const uint8_t> packet = std::exchange(waiting_, {});
    if (packet.data() == nullptr) {
      const MysqlRowStream::Step step = stream.next(packet);
      if (step == MysqlRowStream::Step::failed) return Step::failed;
      if (step == MysqlRowStream::Step::end) return Step::end;
    }
    const auto bytes = static_cast<int64_t>(packet.size());
    is_alone_ = limits_.is_large(bytes);
    if (is_alone_ && limits_.rows() > 0) {
      is_alone_ = false;
      waiting_ = packet;
      break;
    }
    // A packet is there until the next one is asked for: the last one of a block needs no copy.
    const bool is_last = packet.size() > packets_.size() - used;
    if (!is_last) {
      std::memcpy(packets_.data() + used, packet.data(), packet.size());
      packet = {packets_.data() + used, packet.size()};
      used += packet.size();
    }
    if (!splitter_->split(packet, &cells_[filled_], stride_)) return Step::malformed;
    ++filled_;
    limits_.add(bytes);
    if (is_last) break;
  }
  return Step::rows;
}

// Of a row with a batch of its own. Where one value is too large by itself, that is said.
bool MysqlBlocks::is_row_too_large() {
  if (!is_alone_ || filled_ != 1) return false;
  int64_t all = 0, largest = 0;
  for (size_t column = 0; column < plans_.size(); ++column) {
    const MysqlCell& cell = column_cells(column)[0];
    const int64_t bytes = cell.is_null() ? 0 : static_cast<int64_t>(cell.size);
    if (bytes > request_.value_bytes_max) return false;
    all += bytes;
    if (bytes > largest) largest = bytes, refusal_.column = column;
  }
  if (all <= request_.row_bytes_max) return false;
  refusal_.problem = ValueProblem::row_too_large;
  refusal_.row = rows_before_ + 1;
  refusal_.bytes = all;
  refused_at_ = 0;
  return true;
}

bool MysqlBlocks::decode() {
  if (is_row_too_large()) return false;
  for (size_t column = 0; column < plans_.size(); ++column) {
    const std::span<const MysqlCell> cells = column_cells(column);
    refusal_.problem = decoders_[column]->append(cells, marks_of(column), refused_at_);
    if (refusal_.problem != ValueProblem::none) {
      refusal_.column = column;
      refusal_.row = rows_before_ + refused_at_ + 1;
      return false;
    }
    if (!hashes_.empty()) hasher_.hash(column, cells, marks_of(column), hashes_[column]);
  }
  return true;
}

arrow::Result<SourceBatch> MysqlBlocks::finish_batch(const std::shared_ptr<arrow::Schema>& schema) {
  arrow::ArrayVector arrays;
  for (auto& decoder : decoders_) {
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), decoder->finish());
  }
  return SourceBatch{.rows = arrow::RecordBatch::Make(schema, limits_.rows(), std::move(arrays)),
                     .hashes = std::move(hashes_)};
}

std::vector<PolicyUse> MysqlBlocks::policy_uses() const {
  std::vector<PolicyUse> uses;
  for (const auto& decoder : decoders_)
    for (PolicyUse& use : decoder->policy_uses()) uses.push_back(std::move(use));
  return uses;
}

}  // namespace udon::data
