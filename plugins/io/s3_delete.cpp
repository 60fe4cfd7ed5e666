#include "plugins/io/s3_delete.h"

#include <algorithm>

#include "base/ensure.h"
#include "base/text.h"
#include "plugins/io/retry.h"
#include "plugins/io/s3_problem.h"
#include "plugins/io/s3_xml.h"

namespace udon {

Result<std::vector<S3NotDeleted>> delete_objects(S3Client& client, const std::string& bucket,
                                                 std::vector<std::string> keys, const std::stop_token& stop) {
  ENSURE(keys.size() <= delete_batch_max, "a batch is one request");
  std::vector<S3NotDeleted> refused;
  // A key with a control character has no place in XML.
  const auto is_plain = [](const std::string& key) {
    return std::ranges::all_of(key, [](char c) { return static_cast<unsigned char>(c) >= ' '; });
  };
  const auto odd = std::ranges::stable_partition(keys, is_plain);
  for (const std::string& key : odd) {
    TRY_ASSIGN(const S3Answer answer,
               client.send({.action = "delete", .method = "DELETE", .object = {bucket, key}}, stop));
    if (answer.problem && answer.problem->code != "NoSuchKey")
      refused.push_back({key, answer.problem->code, answer.problem->error.message});
  }
  keys.erase(odd.begin(), odd.end());
  for (int attempt = 1; !keys.empty(); ++attempt) {
    const std::string body = s3_delete_body(keys);
    const std::string about = keys.size() == 1 ? to_string({bucket, keys[0]})
                                               : std::to_string(keys.size()) + " objects of s3://" + bucket + "/";
    const Sha256Digest digest = sha256(body);
    // Content-MD5: what stores took before there were other checksums.
    TRY_ASSIGN(const HttpResponse response, client.get_answer({.action = "delete",
                                                               .method = "POST",
                                                               .object = {bucket, ""},
                                                               .about = about,
                                                               .query = {{"delete", ""}},
                                                               .headers = {{"content-md5", to_base64(md5(body))},
                                                                           {"x-amz-checksum-sha256", to_base64(digest)},
                                                                           {"content-type", "application/xml"}},
                                                               .body = std::string_view(body),
                                                               .body_sha256 = digest,
                                                               .may_fail_after_200 = true},
                                                              stop));
    auto failed = parse_s3_deleted(response.body);
    if (!failed) return failed.error().within("delete " + about);
    const bool is_last = attempt >= client.settings().attempts_max;
    keys.clear();
    for (S3DeleteError& error : *failed) {
      if (error.code == "NoSuchKey") continue;
      if (!is_last && is_worth_repeating(200, error.code))
        keys.push_back(std::move(error.key));
      else
        refused.push_back({std::move(error.key), std::move(error.code), std::move(error.message)});
    }
    if (!keys.empty() && !client.context().pause(backoff(attempt, keys.size()), stop))
      return Error{ErrorKind::cancelled, "delete " + about + ": stopped while waiting to ask the store again"};
  }
  return refused;
}

}  // namespace udon
