#pragma once
// Makes staged, verified files the result: readers see the old one or the new one, never a mixture.
//
// S3, one file. The unit of visibility is one object, `<to>/part-00000.parquet`, a fixed key, replaced by one
// CompleteMultipartUpload on the condition that nobody else has replaced it meanwhile; certificate id, checksum and try
// travel as its metadata. `_manifest.json` and `_SUCCESS` follow and are derived: a manifest whose ETag is not the
// object's is of an older result. A crash in between costs nothing but these two: the next try writes all three.
//
// S3, several files. Their names are nobody else's, `<to>/part-00000-<try id>.parquet`; they become visible one by one,
// the result at one conditional write of `_manifest.json`. Who reads by it sees old or new; `_SUCCESS` is away while
// both stand there. What is being done stands in `<to>/_udon/intent-<try id>.json`; after a crash the next try ends it
// or takes it back (docs/adr/0006).
//
// Local folder, any number of files. Written to the hidden sibling `.<name>.<try id>`, fsynced, then renamed into
// place: RENAME_NOREPLACE if there is none, RENAME_EXCHANGE if there is one.
//
// Of two tries of one installation that publish at once, the later one wins, whichever comes first, and neither ends
// what the other is sending (docs/adr/0005). Nothing is replaced or removed that we have not written.
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "model/certificate.h"
#include "plugins/io/file_system.h"

namespace udon::data {

// Of a result that grows, or is replaced in part: what of the one before stays, and what the next needs to know.
struct Growth {
  std::string based_on;                // id of the certificate in the manifest from which this was planned; empty: none
  std::vector<FileCertificate> keeps;  // files of the one before that stay
  Value state;                         // `increment` of the new manifest
};

struct PublishRequest {
  std::vector<Path> staged;  // the files, all of one format; what their names end in stays: publish_steps.h
  std::string to;            // "s3://bucket/prefix/" or a local folder
  Certificate certificate;   // its files in the order of `staged`, without uri and etag
  std::string try_id;        // "<installation>-<fence>"
  Path pending_folder;       // where unfinished uploads are written down, so that the next try can abort them
  int64_t part_bytes = 16 << 20;
  std::string storage_class;
  // Rows that did not fit: of this try, empty if there are none; and whether the target's `_rejects/` is ours at all.
  Path rejects = {};
  bool may_reject = false;
  // Then `staged` may be empty, all files have names that nobody else has, and the manifest that was planned from must
  // still be the one there: conflict otherwise.
  std::optional<Growth> growth;
  // Called before each step with its name; the fault loops of the tests kill the process here.
  std::function<void(std::string_view step)> on_step;
};

struct Published {
  Certificate certificate;   // with uri and etag
  std::string manifest;      // uri
  std::string rejects = {};  // uri; empty: there are none
};

// conflict: a later try has published there, or somebody else did meanwhile. invalid: the folder holds files that no
// export has written. Otherwise the file system's errors.
Result<Published> publish(FileSystem& file_system, const PublishRequest& request);

// The name of the n-th staged file of a result that grows.
std::string grown_name(size_t number, const std::string& try_id);

// The manifest's JSON: {"version": 1, "try": …, "files": [{"name", "uri", "rows", "bytes", "sha256", "etag"}],
// "certificate": {…}, "increment": {…} if it grows}; docs/manifest.schema.json.
std::string manifest_json(const Certificate& certificate, const std::string& try_id,
                          const std::optional<Growth>& growth = {});

}  // namespace udon::data
