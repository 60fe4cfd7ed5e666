#pragma once
// A certificate held against the world: are its files still what it says, and is its source?
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "model/certificate.h"
#include "plugins/data/mask.h"
#include "plugins/data/pace.h"
#include "plugins/data/reader.h"
#include "plugins/io/file_system.h"

namespace udon::data {

struct Audit {
  bool has_looked = true;
  std::vector<std::string> differences;  // each names what it is about
  std::string note;                      // what could not be compared, and why
};

// Every file is read: bytes, SHA-256, rows, and over all Parquet files the columns' counts and sums. `folder`: where
// objects are copied to, one at a time. What is gone or broken is a difference; an Error: the store could not be asked.
Result<Audit> audit_files(FileSystem& file_system, const Certificate& certificate, const Path& folder);
// The same by bytes and SHA-256 alone.
Result<Audit> audit_bytes(FileSystem& file_system, const std::vector<FileCertificate>& files, const Path& folder);

struct SourceAudit {
  std::unique_ptr<TableReader> reader;  // of the certificate's source, recasting
  const MaskKey* mask_key = nullptr;    // without it masked columns are only counted
  int64_t memory_bytes = 256 << 20;
  Pace* pace = nullptr;  // of the source; without it there is nothing to keep to
  const Clock* clock = nullptr;
  std::function<void(uint64_t rows)> on_progress;
};
// The source is read again as it is now, under the same condition, types and policies. What it cannot give any more
// (a column that is gone) is a difference; an Error: it could not be asked, or not with this key.
Result<Audit> audit_source(SourceAudit audit, const Certificate& certificate, std::stop_token stop);

// A file where it can be read, and how its bytes differ from what is stated.
struct FileAtHand {
  Path file;               // where it lies, or, out of a store, its copy in `folder`; empty: it is not there
  std::string difference;  // "is not there", "its SHA-256 is …"; empty: none
};
Result<FileAtHand> at_hand(FileSystem& file_system, const FileCertificate& stated, const Path& folder);

}  // namespace udon::data
