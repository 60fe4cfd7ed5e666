#pragma once
// Files of this machine to objects of an S3 store: only what is not there already, in the order of tries, and proven by
// the store.
#include <optional>
#include <stop_token>
#include <string>

#include "plugins/io/pending_uploads.h"
#include "plugins/io/s3_file_system.h"
#include "plugins/io/write_order.h"

namespace udon {

struct SendOptions {
  PutOptions put;                 // without conditions and without metadata of ours (udon-…)
  int64_t part_bytes = 16 << 20;  // larger files go in parts
};

struct SentObject {
  ObjectInfo object;
  bool is_sent = false;       // false: the same was there already
  bool has_checksum = false;  // the store has confirmed its SHA-256; else nothing but its length
};

class ObjectSender {
 public:
  ObjectSender(S3FileSystem& store, PendingUploads& pending, WriteOrder order, std::stop_token stop)
      : store_(store), pending_(pending), order_(std::move(order)), stop_(std::move(stop)) {}

  // `there`: what stands at `uri`, nothing if nothing does. The object is written on the condition that this is still
  // so; else it is looked at again. "The same" means: same bytes by the store's checksum, same metadata, and the
  // storage class and encryption that are asked for. conflict: the file was changed while it was read, or a later try
  // has written the object. Thread-safe; larger files than part_bytes take turns.
  Result<SentObject> send(const Path& file, const std::string& uri, const SendOptions& options,
                          std::optional<ObjectInfo> there);
  // The same, and looks at the end whether it is what stands there: a store that checks a condition and writes in a
  // second step lets an earlier try slip in between, whose object is then replaced.
  Result<SentObject> send_and_confirm(const Path& file, const std::string& uri, const SendOptions& options);

 private:
  struct Source;
  Result<ObjectInfo> write(const Source& source, const std::string& uri, const PutOptions& put, int64_t part_bytes);
  Result<void> confirm(const ObjectInfo& there, SentObject& sent, const Path& file) const;

  S3FileSystem& store_;
  PendingUploads& pending_;
  const WriteOrder order_;
  const std::stop_token stop_;
};

// Whether what stands there has what was asked for besides its content: metadata but for that of ours, storage class
// and encryption where one is given.
bool is_described_alike(const ObjectInfo& there, const PutOptions& asked);
// What to do where two write to one object.
Error overtaken_at(const std::string& uri, const std::string& by);

}  // namespace udon
