#pragma once
// One signed request to an S3 store and what it takes to get its answer: repetition with growing pauses, the bucket's
// own region, sessions that expire. Knows nothing of files and uploads.
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "base/net/digest.h"
#include "base/net/http_client.h"
#include "base/random.h"
#include "plugins/io/io_context.h"
#include "plugins/io/s3_problem.h"
#include "plugins/io/s3_settings.h"

namespace udon {

struct S3Request {
  std::string action;  // for messages: "read", "write"
  std::string method = "GET";
  S3Uri object;
  std::string about{};  // for messages, where it is not the object
  std::vector<std::pair<std::string, std::string>> query;
  HttpHeaders headers;
  std::variant<std::string_view, FileRange> body;  // what it refers to must outlive the request
  Sha256Digest body_sha256 = empty_sha256;
  int64_t response_bytes_max = 16 << 20;
  Duration stall{0};  // 0: the context's
  Duration total{0};  // of one attempt; 0: as long as bytes move
  bool expect_continue = false;
  int attempts_max = 0;  // 0: the settings'
  // The store may say 200 first and find out later: then <Error> stands in the body.
  bool may_fail_after_200 = false;

  static const Sha256Digest empty_sha256;
};

struct S3Answer {
  HttpResponse response;
  int attempts = 1;                  // more than one: an earlier attempt may have been carried out, its answer lost
  std::optional<S3Problem> problem;  // a final answer that is no success
};

// Thread-safe.
class S3Client {
 public:
  S3Client(S3Settings settings, std::unique_ptr<HttpClient> http, std::unique_ptr<AwsCredentialCache> credentials,
           IoContext context);

  // An Error: no final answer could be had (store down, stopped, no credentials). A refusal is an answer with a
  // problem.
  Result<S3Answer> send(const S3Request& request, const std::stop_token& stop);
  // The same, where any problem is the caller's error.
  Result<HttpResponse> get_answer(const S3Request& request, const std::stop_token& stop);

  const S3Settings& settings() const { return settings_; }
  const IoContext& context() const { return context_; }

 private:
  struct Attempt;
  struct Detour {
    std::string region;
    std::string host;  // empty: the region's usual one
  };

  Result<HttpResponse> send_once(const S3Request& request, const Detour& detour, const AwsIdentity& identity,
                                 S3RequestFacts& facts, const std::stop_token& stop);
  Detour detour_of(const std::string& bucket) const;
  // True if the answer sends us elsewhere, where we have not been for this request.
  bool learn_detour(const std::string& bucket, const Detour& current, const HttpResponse& response);
  uint64_t random();

  const S3Settings settings_;
  const std::unique_ptr<HttpClient> http_;
  const std::unique_ptr<AwsCredentialCache> credentials_;
  const IoContext context_;
  mutable std::mutex mutex_;  // of all below
  std::map<std::string, Detour> detours_;
  Random random_;
};

}  // namespace udon
