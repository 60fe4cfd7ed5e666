#pragma once
// The single places that aws_credentials.cpp puts in order. See there.
#include "connections/secrets/aws_credentials.h"
#include "connections/secrets/aws_profile.h"

namespace udon {

std::string find_in(const Environment& environment, const std::string& name);  // empty if it is not there

// Keys that are known already: of a connection, the environment, a profile.
class StaticAwsProvider final : public AwsIdentityProvider {
 public:
  explicit StaticAwsProvider(AwsIdentity identity) : identity_(std::move(identity)) {}
  Result<std::optional<AwsIdentity>> fetch(const std::stop_token&) override { return std::optional(identity_); }

 private:
  const AwsIdentity identity_;
};

// ECS, EKS pod identity, Greengrass: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with the token of
// AWS_CONTAINER_AUTHORIZATION_TOKEN(_FILE).
class ContainerAwsProvider final : public AwsIdentityProvider {
 public:
  ContainerAwsProvider(const Environment& environment, HttpClient& http) : environment_(environment), http_(http) {}
  Result<std::optional<AwsIdentity>> fetch(const std::stop_token& stop) override;

 private:
  const Environment environment_;
  HttpClient& http_;
};

// EC2's metadata service, version 2 only (a session token first): AWS_EC2_METADATA_SERVICE_ENDPOINT,
// AWS_EC2_METADATA_DISABLED. Where nothing answers within a second there is none.
class InstanceAwsProvider final : public AwsIdentityProvider {
 public:
  InstanceAwsProvider(const Environment& environment, HttpClient& http) : environment_(environment), http_(http) {}
  Result<std::optional<AwsIdentity>> fetch(const std::stop_token& stop) override;

 private:
  const Environment environment_;
  HttpClient& http_;
};

struct AwsRole {
  std::string arn;
  std::string external_id;
  std::string session_name = "udon";
  std::string sts_endpoint;  // https://sts.<region>.amazonaws.com
  std::string region;
  int64_t seconds = 3600;
};
// STS's AssumeRole with the keys of another source.
class RoleAwsProvider final : public AwsIdentityProvider {
 public:
  RoleAwsProvider(AwsRole role, std::unique_ptr<AwsCredentialCache> base, HttpClient& http, const Clock& clock)
      : role_(std::move(role)), base_(std::move(base)), http_(http), clock_(clock) {}
  Result<std::optional<AwsIdentity>> fetch(const std::stop_token& stop) override;

 private:
  const AwsRole role_;
  const std::unique_ptr<AwsCredentialCache> base_;
  HttpClient& http_;
  const Clock& clock_;
};

// AssumeRoleWithWebIdentity with the token in AWS_WEB_IDENTITY_TOKEN_FILE (EKS service accounts); unsigned.
class WebIdentityAwsProvider final : public AwsIdentityProvider {
 public:
  WebIdentityAwsProvider(AwsRole role, Path token_file, HttpClient& http)
      : role_(std::move(role)), token_file_(std::move(token_file)), http_(http) {}
  Result<std::optional<AwsIdentity>> fetch(const std::stop_token& stop) override;

 private:
  const AwsRole role_;
  const Path token_file_;
  HttpClient& http_;
};

}  // namespace udon
