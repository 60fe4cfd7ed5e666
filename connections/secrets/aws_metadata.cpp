// Container and instance metadata: both answer with the same JSON.
#include "base/text.h"
#include "base/value.h"
#include "connections/secrets/aws_providers.h"

namespace udon {
namespace {

constexpr int64_t answer_bytes_max = 64 << 10;
// The services are on this machine or its hypervisor. boto's default.
const HttpTimeouts nearby{
    .connect = std::chrono::seconds(1), .stall = std::chrono::seconds(1), .total = std::chrono::seconds(5)};

// {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}. Messages never quote the answer.
Result<AwsIdentity> parse_identity(const HttpResponse& response, const std::string& source) {
  if (response.status != 200) {
    return Error{response.status >= 500 || response.status == 429 ? ErrorKind::unavailable : ErrorKind::denied,
                 source + " answered with status " + std::to_string(response.status)};
  }
  const auto json = parse_json(response.body);
  if (!json) return Error{ErrorKind::unavailable, source + " gave an answer that is no JSON"};
  AwsIdentity identity{{json->text("AccessKeyId"), json->text("SecretAccessKey"), json->text("Token")}, {}, source};
  if (identity.keys.access_key_id.empty() || identity.keys.secret_access_key.empty()) {
    return Error{ErrorKind::denied, source + " gave no keys"};
  }
  if (const std::string expires = json->text("Expiration"); !expires.empty()) {
    TRY_ASSIGN(identity.expires, parse_time(expires));
  }
  return identity;
}

// Keys may be asked for over plain HTTP only where nobody listens: this machine, or the addresses of ECS and EKS.
bool may_be_asked_in_the_clear(const std::string& host) {
  return is_loopback(host) || host == "169.254.170.2" || host == "169.254.170.23" || host == "[fd00:ec2::23]";
}

}  // namespace

Result<std::optional<AwsIdentity>> ContainerAwsProvider::fetch(const std::stop_token& stop) {
  const std::string relative = find_in(environment_, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string full = find_in(environment_, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (relative.empty() && full.empty()) return std::optional<AwsIdentity>();
  const std::string source = "the container's credentials endpoint";
  HttpRequest request{.url = relative.empty() ? full : "http://169.254.170.2" + relative,
                      .timeouts = nearby,
                      .response_bytes_max = answer_bytes_max};
  TRY_ASSIGN(const HttpUrl url, parse_http_url(request.url));
  if (url.scheme != "https" && !may_be_asked_in_the_clear(url.host)) {
    return Error{ErrorKind::denied,
                 "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected https, or an address of this machine, "
                 "ECS or EKS, got " +
                     url.origin()};
  }
  std::string token = find_in(environment_, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file = find_in(environment_, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
    TRY_ASSIGN(const std::string text, read_file(file, answer_bytes_max));
    token = trim(text);
  }
  if (!token.empty()) request.headers.emplace_back("authorization", token);
  auto response = http_.send(request, stop);
  if (!response) return response.error().within(source);
  TRY_ASSIGN(AwsIdentity identity, parse_identity(*response, source));
  return std::optional(std::move(identity));
}

Result<std::optional<AwsIdentity>> InstanceAwsProvider::fetch(const std::stop_token& stop) {
  const std::optional<AwsIdentity> none;
  if (lower_ascii(find_in(environment_, "AWS_EC2_METADATA_DISABLED")) == "true") return none;
  std::string endpoint = find_in(environment_, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (endpoint.empty()) endpoint = "http://169.254.169.254";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const std::string source = "the instance's metadata service";
  HttpRequest request{.method = "PUT",
                      .url = endpoint + "/latest/api/token",
                      .headers = {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}},
                      .timeouts = nearby,
                      .response_bytes_max = answer_bytes_max};
  const auto token = http_.send(request, stop);
  if (!token) {
    if (token.error().kind == ErrorKind::cancelled) return token.error();
    return none;  // no EC2
  }
  if (token->status != 200) return none;
  request.method = "GET";
  request.headers = {{"x-aws-ec2-metadata-token", token->body}};
  const std::string roles = endpoint + "/latest/meta-data/iam/security-credentials/";
  request.url = roles;
  auto role = http_.send(request, stop);
  if (!role) return role.error().within(source);
  if (role->status == 404) return none;  // an instance without a role
  if (role->status != 200) {
    return Error{ErrorKind::unavailable, source + " answered with status " + std::to_string(role->status)};
  }
  request.url = roles + percent_encode(trim(role->body.substr(0, role->body.find('\n'))));
  auto response = http_.send(request, stop);
  if (!response) return response.error().within(source);
  TRY_ASSIGN(AwsIdentity identity, parse_identity(*response, source));
  return std::optional(std::move(identity));
}

}  // namespace udon
