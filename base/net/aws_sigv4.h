#pragma once
// AWS Signature Version 4 in the Authorization header, for S3 and other services:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
// Ours, because libcurl 7.88's is wrong for S3: no x-amz-content-sha256, queries as they come, '=' in a path encoded
// otherwise than S3 does. Compared with botocore's signatures by tests/net/sigv4_test.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace udon {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: long-lived keys
  bool operator==(const AwsCredentials&) const = default;
};

// In place of the content's digest: the store checks the content by a checksum header and TLS alone.
inline constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

struct AwsRequest {
  std::string method = "GET";
  std::string host;                                          // "bucket.s3.eu-west-1.amazonaws.com", "127.0.0.1:8333"
  std::string path = "/";                                    // UTF-8 as it is, not encoded: "/bucket/dt=2026-01-01/a b"
  std::vector<std::pair<std::string, std::string>> query;    // not encoded, in any order
  std::vector<std::pair<std::string, std::string>> headers;  // all are signed; without host, date and authorization
  std::string payload_sha256;                                // lower-case hex, or unsigned_payload
  std::string region;
  std::string service = "s3";
};

struct SignedAwsRequest {
  std::string target;  // path and query, encoded exactly as they were signed: to be sent as it is
  std::vector<std::pair<std::string, std::string>> headers;  // the given ones and those of the signature; no host
};

SignedAwsRequest sign_aws_request(const AwsRequest& request, const AwsCredentials& credentials, TimePoint now);

// The same as a URL that anybody may use until it is `good_for` seconds old: its path and query, with the signature in
// the query. No header but the host is signed. It is a secret: whoever has it has that right.
std::string presign_aws_request(const AwsRequest& request, const AwsCredentials& credentials, TimePoint now,
                                std::chrono::seconds good_for);

// "20260131T000000Z"
std::string format_aws_time(TimePoint time);

}  // namespace udon
