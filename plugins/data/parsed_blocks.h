#pragma once
// A text file's blocks, parsed by several threads, in their order.
#include <cstddef>
#include <functional>
#include <future>
#include <optional>
#include <vector>

#include "base/result.h"
#include "plugins/data/line_blocks.h"
#include "plugins/data/text_rows.h"

namespace udon::data {

class ParsedBlocks {
 public:
  // As many as there are threads that parse; one more encodes, and lags behind where these are quicker.
  static constexpr size_t threads = 2;
  // Of blocks for batches of so many bytes: text takes more room than values, and as many blocks are held as batches.
  static size_t block_bytes(int64_t batch_bytes);

  // Parses all of a block; each is called by one thread at a time. They refer to nothing that ends before this.
  using Parse = std::function<Result<ReadRows>(const LineBlock& block)>;
  // `first`: a block that was taken from `blocks` already.
  ParsedBlocks(LineBlocks blocks, std::optional<LineBlock> first, std::vector<Parse> parsers);

  // Of the next block; nothing: the end. An error comes behind all that was read before it.
  Result<std::optional<ReadRows>> next();

 private:
  struct Parser {
    Parse parse;
    LineBlock block;
    std::future<Result<ReadRows>> read;  // last: it ends before what it uses
  };
  void start();
  Result<bool> take_block(LineBlock& block);

  LineBlocks blocks_;
  std::optional<LineBlock> first_;
  std::vector<Parser> parsers_;
  size_t started_ = 0;  // blocks
  size_t busy_ = 0;     // of them not yet taken
  bool has_more_ = true;
  std::optional<Error> trouble_;
};

}  // namespace udon::data
