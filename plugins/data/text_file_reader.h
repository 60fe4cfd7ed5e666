#pragma once
// What the readers of text files (CSV, JSON) are alike in: one source, in the file's order, whose rows that do not fit
// go to the reject log. Not for others than csv_reader and json_reader.
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/data/reader.h"
#include "plugins/data/reject_log.h"
#include "plugins/data/text_rows.h"

namespace udon::data {

class TextFileReader : public TableReader, public BatchSource {
 public:
  // `rejects`: null where a row that does not fit is an error. `display`: the file's name in messages.
  TextFileReader(RejectLog* rejects, std::string display);

  std::vector<BatchSource*> sources() override { return {this}; }
  std::string mechanism() const override { return "one file, read once"; }
  std::string position() const override { return {}; }
  Result<std::optional<SourceBatch>> next() override;

 protected:
  // The next rows; nothing: the end.
  virtual Result<std::optional<ReadRows>> read_more() = 0;
  std::vector<PolicyUse> with_rejects(std::vector<PolicyUse> uses) const;

 private:
  RejectLog* rejects_;
  std::string display_;
  std::deque<SourceBatch> ready_;
};

}  // namespace udon::data
