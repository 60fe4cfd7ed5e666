#pragma once
// Where an S3 store is and how it is spoken to: from a connection, the environment and AWS's defaults.
#include <string>

#include "base/file.h"
#include "base/net/http_client.h"
#include "connections/secrets/aws_credentials.h"

namespace udon {

enum class S3Addressing { automatic, path, virtual_host };

// Options of the connection, all of them optional:
//   endpoint_url      a store other than AWS, "http://127.0.0.1:8333"; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL
//   region_name       else AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1
//   addressing_style  path | virtual | auto: auto is path with an endpoint_url or for buckets with dots, else virtual
//   verify            false, or a file of certificate authorities; else AWS_CA_BUNDLE, else the
//                   system's, and on loopback none
//   server_side_encryption, ssekms_key_id, storage_class   for every object that does not say otherwise
//   max_attempts      8
struct S3Settings {
  std::string connection_id;  // for messages; empty: none was given
  HttpUrl endpoint;           // host is empty: AWS
  std::string endpoint_path;  // without a '/' at its end
  std::string region;
  S3Addressing addressing = S3Addressing::automatic;
  bool tls_verified = true;
  Path tls_authorities;
  std::string encryption;
  std::string kms_key_id;
  std::string storage_class;
  int attempts_max = 8;
};

Result<S3Settings> s3_settings(const Connection* connection, const Environment& environment);

struct S3Uri {
  std::string bucket;
  std::string key;  // may be empty
};
// "s3://bucket/key"; s3a and s3n as well. invalid says what a bucket's name may be.
Result<S3Uri> parse_s3_uri(const std::string& uri);
std::string to_string(const S3Uri& uri);

// Where a request for the bucket goes: the base of its URL and the beginning of its path.
struct S3Place {
  std::string scheme;
  std::string host;  // with port
  std::string path;  // "" or "/bucket", without '/' at its end
};
S3Place place_of(const S3Settings& settings, const std::string& bucket, const std::string& region);

}  // namespace udon
