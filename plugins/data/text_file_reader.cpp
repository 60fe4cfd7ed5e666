#include "plugins/data/text_file_reader.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace udon::data {

TextFileReader::TextFileReader(RejectLog* rejects, std::string display)
    : rejects_(rejects), display_(std::move(display)) {}

Result<std::optional<SourceBatch>> TextFileReader::next() {
  while (ready_.empty()) {
    TRY_ASSIGN(auto read, read_more());
    if (!read) return std::optional<SourceBatch>();
    if (rejects_ != nullptr) TRY(rejects_->add(read->bad_rows, display_));
    std::ranges::move(read->batches, std::back_inserter(ready_));
  }
  std::optional<SourceBatch> batch = std::move(ready_.front());
  ready_.pop_front();
  return batch;
}

std::vector<PolicyUse> TextFileReader::with_rejects(std::vector<PolicyUse> uses) const {
  if (rejects_ != nullptr) rejects_->report(uses);
  return uses;
}

}  // namespace udon::data
