#pragma once
// What earlier tries kept of a split table (kept_chunks.h), taken up by this one where it can be proven, or is
// declared, that their rows are as good as read now; else all starts over, and a note says which condition failed.
#include <string>

#include "plugins/data/encoder.h"
#include "plugins/data/kept_chunks.h"
#include "plugins/data/table_copy.h"

namespace udon::data {

class TakeUp {
 public:
  explicit TakeUp(const CopyRequest& request);

  // Before the reader is opened: the ranges that earlier tries took, if they were asked for the same.
  void propose_ranges(TableRequest& table);
  // After it: the rows of earlier tries that are taken up, whose ranges the reader then leaves out. From here on what
  // is read is kept for a next try. conflict: the table is not what it was; nothing of it is kept any more.
  Result<ReadChunk> take(TableReader& reader, const Encoding& encoding);
  // For the certificate: what came from earlier tries; or nothing.
  const std::string& mechanism() const { return mechanism_; }

 private:
  void note(const std::string& text) const;
  void start_over(const std::string& why);
  Result<std::vector<KeptChunk>> choose(TableReader& reader);
  bool is_whole(const KeptChunk& chunk, const Encoding& encoding, ReadChunk& rows) const;

  const CopyRequest& request_;
  KeptChunks* const kept_;  // null: nothing is kept
  Conditions asked_;
  std::vector<std::string> ranges_;  // of earlier tries
  bool is_proven_ = true;            // not only declared
  std::string mechanism_;
};

}  // namespace udon::data
