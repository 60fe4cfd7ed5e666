#pragma once
// Many objects of a bucket removed by few requests.
#include <string>
#include <vector>

#include "plugins/io/s3_client.h"

namespace udon {

// S3 takes so many keys at a time.
inline constexpr size_t delete_batch_max = 1000;

struct S3NotDeleted {
  std::string key;
  std::string code;  // "AccessDenied"
  std::string message;
};

// One request of up to delete_batch_max keys; a key that is not there is success. What the store could not delete for
// the moment (InternalError, SlowDown) is asked for again. An Error: nothing is known of any of them.
Result<std::vector<S3NotDeleted>> delete_objects(S3Client& client, const std::string& bucket,
                                                 std::vector<std::string> keys, const std::stop_token& stop);

}  // namespace udon
