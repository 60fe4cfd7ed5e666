// Roles: STS's query protocol, https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#include <pugixml.hpp>

#include "base/net/digest.h"
#include "base/text.h"
#include "connections/secrets/aws_providers.h"

namespace udon {
namespace {

constexpr int64_t answer_bytes_max = 256 << 10;

using Form = std::vector<std::pair<std::string, std::string>>;

std::string encode(const Form& form) {
  std::string text;
  for (const auto& [name, value] : form) {
    if (value.empty()) continue;
    text.append(text.empty() ? "" : "&").append(name).append("=").append(percent_encode(value));
  }
  return text;
}

// <AssumeRoleResponse><AssumeRoleResult><Credentials>…, or <ErrorResponse><Error><Code/><Message/>.
Result<AwsIdentity> parse_answer(const HttpResponse& response, const AwsRole& role) {
  const std::string what = "assuming role " + role.arn;
  pugi::xml_document document;
  const bool is_xml = static_cast<bool>(document.load_buffer(response.body.data(), response.body.size()));
  if (response.status != 200) {
    const pugi::xml_node error = document.first_child().child("Error");
    const std::string code = error.child_value("Code");
    const bool is_overload = response.status >= 500 || response.status == 429 || code == "Throttling";
    return Error{
        is_overload ? ErrorKind::unavailable : ErrorKind::denied,
        what + ": STS answered " + std::to_string(response.status) + " " + code + ": " + error.child_value("Message")};
  }
  const pugi::xml_node credentials = document.first_child().first_child().child("Credentials");
  AwsIdentity identity{{credentials.child_value("AccessKeyId"), credentials.child_value("SecretAccessKey"),
                        credentials.child_value("SessionToken")},
                       {},
                       "role " + role.arn};
  if (!is_xml || identity.keys.access_key_id.empty() || identity.keys.secret_access_key.empty()) {
    return Error{ErrorKind::unavailable, what + ": STS gave an answer without credentials"};
  }
  TRY_ASSIGN(identity.expires, parse_time(credentials.child_value("Expiration")));
  return identity;
}

Form form_of(const char* action, const AwsRole& role) {
  return {{"Action", action},
          {"Version", "2011-06-15"},
          {"RoleArn", role.arn},
          {"RoleSessionName", role.session_name},
          {"ExternalId", role.external_id},
          {"DurationSeconds", std::to_string(role.seconds)}};
}

Result<std::optional<AwsIdentity>> ask(HttpClient& http, HttpRequest request, const AwsRole& role,
                                       const std::stop_token& stop) {
  request.timeouts.total = std::chrono::seconds(30);
  request.response_bytes_max = answer_bytes_max;
  auto response = http.send(request, stop);
  if (!response) return response.error().within("assuming role " + role.arn);
  TRY_ASSIGN(AwsIdentity identity, parse_answer(*response, role));
  return std::optional(std::move(identity));
}

const std::pair<std::string, std::string> form_type{"content-type", "application/x-www-form-urlencoded; charset=utf-8"};

}  // namespace

Result<std::optional<AwsIdentity>> RoleAwsProvider::fetch(const std::stop_token& stop) {
  auto base = base_->get(stop);
  if (!base) return base.error().within("assuming role " + role_.arn);
  TRY_ASSIGN(const HttpUrl url, parse_http_url(role_.sts_endpoint));
  const std::string body = encode(form_of("AssumeRole", role_));
  const AwsRequest request{.method = "POST",
                           .host = url.authority(),
                           .path = "/",
                           .headers = {form_type},
                           .payload_sha256 = to_hex(sha256(body)),
                           .region = role_.region,
                           .service = "sts"};
  SignedAwsRequest signed_request = sign_aws_request(request, base->keys, clock_.now());
  return ask(http_,
             {.method = "POST",
              .url = url.origin() + signed_request.target,
              .headers = std::move(signed_request.headers),
              .body = body},
             role_, stop);
}

Result<std::optional<AwsIdentity>> WebIdentityAwsProvider::fetch(const std::stop_token& stop) {
  // Read each time: the file is replaced before its token expires.
  TRY_ASSIGN(const std::string token, read_file(token_file_, answer_bytes_max));
  Form form = form_of("AssumeRoleWithWebIdentity", role_);
  form.emplace_back("WebIdentityToken", trim(token));
  TRY_ASSIGN(const HttpUrl url, parse_http_url(role_.sts_endpoint));
  return ask(http_, {.method = "POST", .url = url.origin() + "/", .headers = {form_type}, .body = encode(form)}, role_,
             stop);
}

}  // namespace udon
