#include "plugins/data/parsed_blocks.h"

#include <algorithm>
#include <utility>

namespace udon::data {
namespace {

constexpr size_t block_bytes_min = 256 << 10;

}  // namespace

size_t ParsedBlocks::block_bytes(int64_t batch_bytes) {
  return std::max(static_cast<size_t>(batch_bytes) / 4, block_bytes_min);
}

ParsedBlocks::ParsedBlocks(LineBlocks blocks, std::optional<LineBlock> first, std::vector<Parse> parsers)
    : blocks_(std::move(blocks)), first_(std::move(first)) {
  parsers_.reserve(parsers.size());
  for (Parse& parse : parsers) parsers_.push_back({.parse = std::move(parse), .block = {}, .read = {}});
}

Result<std::optional<ReadRows>> ParsedBlocks::next() {
  while (has_more_ && busy_ < parsers_.size()) start();
  if (busy_ == 0) {
    if (trouble_) return *trouble_;
    return std::optional<ReadRows>();
  }
  Parser& oldest = parsers_[(started_ - busy_) % parsers_.size()];
  --busy_;
  TRY_ASSIGN(ReadRows rows, oldest.read.get());
  return std::optional<ReadRows>(std::move(rows));
}

Result<bool> ParsedBlocks::take_block(LineBlock& block) {
  if (!first_) return blocks_.next(block);
  block = std::move(*first_);
  first_.reset();
  return true;
}

void ParsedBlocks::start() {
  Parser& parser = parsers_[started_ % parsers_.size()];
  const Result<bool> has_block = take_block(parser.block);
  if (!has_block) trouble_ = has_block.error();
  has_more_ = has_block && *has_block;
  if (!has_more_) return;
  ++started_;
  ++busy_;
  parser.read = std::async(std::launch::async, [&parser] { return parser.parse(parser.block); });
}

}  // namespace udon::data
