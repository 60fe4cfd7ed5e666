#pragma once
// The objects of a bucket, a page at a time, so that a bucket of any size costs a page of memory.
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "plugins/io/s3_client.h"
#include "plugins/io/s3_xml.h"

namespace udon {

struct S3ListQuestion {
  S3Uri prefix;
  std::string after{};   // keys behind this one only
  int attempts_max = 0;  // 0: the settings'
};
// Called with each page in the order of keys. `now`: by the store's clock, if it tells. False ends the list.
using S3OnPage = std::function<Result<bool>(std::vector<S3ListedObject> objects, const std::optional<TimePoint>& now)>;
Result<void> list_s3(S3Client& client, const S3ListQuestion& question, const S3OnPage& on_page,
                     const std::stop_token& stop);

}  // namespace udon
