#pragma once
// Objects copied by the store itself: no byte of them comes here.
#include <optional>
#include <string>

#include "plugins/io/object_sender.h"
#include "plugins/io/s3_file_system.h"

namespace udon {

struct CopySource {
  S3Uri object;
  ObjectInfo info;
};
// Nothing: there is no such object.
Result<std::optional<CopySource>> look_up_source(S3Client& client, const S3Uri& object, const std::stop_token& stop);

struct CopyOptions {
  PutOptions put;                              // of the copy, whole: also what is kept of the source
  int64_t part_bytes = 256 << 20;              // of a copy in parts
  int64_t one_request_max = int64_t{5} << 30;  // larger objects are copied in parts; S3 copies 5 GiB at once
};
// The source's own description, but for what `asked` sets; its metadata is replaced as a whole, where `is_described`.
PutOptions described_as(const CopySource& source, const PutOptions& asked, bool is_described);

// By the keys of `store`, which must be allowed to read the source. As ObjectSender::send_and_confirm: nothing is
// copied that is there already, the later try stays, the store's checksums are compared. conflict: the source was
// changed meanwhile. Thread-safe; larger objects than one_request_max take turns.
Result<SentObject> copy_object(S3FileSystem& store, PendingUploads& pending, const WriteOrder& order,
                               const CopySource& source, const std::string& to, const CopyOptions& options,
                               const std::stop_token& stop);

// Both hold the same bytes, as far as the store's checksums tell.
bool is_same_content(const ObjectInfo& a, const ObjectInfo& b);

}  // namespace udon
