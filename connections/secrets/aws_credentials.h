#pragma once
// Where AWS credentials come from, for S3 and every other AWS service: the connection itself, else what AWS's own tools
// use, in their order: environment, web identity, profile files, container, instance metadata; then, if the connection
// or profile names a role, that role's.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/net/aws_sigv4.h"
#include "base/net/http_client.h"
#include "base/result.h"
#include "connections/connection.h"

namespace udon {

using Environment = std::map<std::string, std::string>;
Environment process_environment();

struct AwsIdentity {
  AwsCredentials keys;
  std::optional<TimePoint> expires;  // nothing: they don't
  std::string source;                // for messages: "connection `lake`", "the environment", "profile `dev`"
};

// One place to look. Nothing: it is not set up here, look further. An error: it is, and does not work.
class AwsIdentityProvider {
 public:
  virtual ~AwsIdentityProvider() = default;
  virtual Result<std::optional<AwsIdentity>> fetch(const std::stop_token& stop) = 0;
};

// Keeps what a provider gave and asks again five minutes before it expires. Thread-safe.
class AwsCredentialCache {
 public:
  // `remedy`: what the caller's user can do if there are no credentials anywhere, in the caller's words.
  AwsCredentialCache(std::vector<std::unique_ptr<AwsIdentityProvider>> providers, const Clock& clock,
                     std::string remedy = {});
  // denied if there are none anywhere; the message lists where it was looked, and the remedy.
  Result<AwsIdentity> get(const std::stop_token& stop = {});
  // A service refused `keys` as expired: the next get asks again, unless another thread already did.
  void forget(const AwsCredentials& keys);

 private:
  const std::vector<std::unique_ptr<AwsIdentityProvider>> providers_;
  const Clock& clock_;
  const std::string remedy_;
  std::mutex mutex_;     // of known_
  std::mutex fetching_;  // one asks, the others wait for its answer
  std::optional<AwsIdentity> known_;
};

// What stands in the connection (all of it optional) and around it.
//   login, password, aws_session_token      keys
//   profile_name                            a profile of ~/.aws instead of the chain
//   role_arn, external_id, role_session_name, sts_endpoint_url   a role to assume with what was found
// `connection` may be nullptr. `remedy`: see AwsCredentialCache. The client and the clock must outlive the result.
Result<std::unique_ptr<AwsCredentialCache>> make_aws_credentials(const Connection* connection,
                                                                 const Environment& environment, HttpClient& http,
                                                                 const Clock& clock, const std::string& remedy = {});

// The region: the connection's `region_name` (or `region`), AWS_REGION, AWS_DEFAULT_REGION, the profile's; else
// nothing.
Result<std::string> aws_region(const Connection* connection, const Environment& environment);

}  // namespace udon
