#pragma once
// Chunks of a split table that an earlier try of the same task instance read to their end, kept on disk so that the
// next try need not read them again. In the folder: plan.json (what was asked for, and the ranges); for each chunk its
// files and a JSON file with its sums. A chunk's files are there before its JSON is, so that a kill at any point leaves
// whole chunks, and files that belong to none.
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "base/value.h"
#include "model/certificate.h"

namespace udon::data {

// What both tries must have alike, by its name: "where". Only digests of the texts are written down.
using Conditions = std::vector<std::pair<std::string, std::string>>;

struct KeptChunk {
  std::vector<size_t> ranges;
  std::string state;        // of the source (TableReader::state) when it was read; may be empty
  Certificate certificate;  // counts and sums of its rows, its files, policies used, the position
  std::vector<Path> files;  // in the order of the certificate's
  Path path;                // of its JSON
};

class KeptChunks {
 public:
  // `folder`: of the task instance, the same for all its tries, on the file system of their staging. `try_id` makes
  // names that no other try has.
  KeptChunks(Path folder, std::string try_id) : folder_(std::move(folder)), try_id_(std::move(try_id)) {}

  // Removes folders beside this one that no try has touched for days: theirs have given up.
  void remove_old(TimePoint now) const;

  // The ranges that earlier tries took, if what is asked for is what they were asked for. Otherwise nothing, and all of
  // theirs is gone; `why` says which condition failed, and stays empty where there was nothing.
  std::vector<std::string> open(const Conditions& asked, std::string& why);
  // The first condition that is another than theirs; empty: none.
  std::string difference(const Conditions& found) const;
  std::vector<KeptChunk> chunks() const;

  // From here on chunks of these ranges are kept.
  Result<void> start(const Conditions& asked, const Conditions& found, const std::vector<std::string>& ranges,
                     const std::string& state, const std::string& position);
  // Moves the files here: `chunk.files` then names their new places. Called by any encoding thread.
  Result<void> keep(KeptChunk& chunk);
  void drop(const KeptChunk& chunk) const;
  void drop_all();
  int chunks_made() const { return chunks_made_; }  // by this try

 private:
  const Path folder_;
  const std::string try_id_;
  Value plan_;  // of earlier tries
  bool is_started_ = false;
  std::string state_, position_;
  std::atomic<int> chunks_made_ = 0;
};

}  // namespace udon::data
