#include "base/net/aws_sigv4.h"

#include <algorithm>
#include <map>

#include "base/ensure.h"
#include "base/net/digest.h"
#include "base/text.h"

namespace udon {
namespace {

// White space around a value goes, inside it becomes one space, as the service sees it too.
std::string canonical_value(std::string_view value) {
  std::string out;
  bool gap = false;
  for (const char c : value) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      gap = !out.empty();
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    out += c;
  }
  return out;
}

std::string encode_query(const std::vector<std::pair<std::string, std::string>>& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) encoded.emplace_back(percent_encode(name), percent_encode(value));
  std::ranges::sort(encoded);
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text += '&';
    text.append(name).append("=").append(value);
  }
  return text;
}

// Every service but S3 signs the path without dot segments and doubled slashes, encoded a second time.
std::string canonical_path_of_other_services(std::string_view encoded) {
  std::vector<std::string> kept;
  for (std::string& segment : split(encoded, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(std::move(segment));
    }
  }
  std::string path = "/" + join(kept, "/");
  if (!kept.empty() && encoded.ends_with('/')) path += '/';
  return percent_encode(path, "/");
}

}  // namespace

std::string format_aws_time(TimePoint time) {
  std::string text;
  for (const char c : format_time(std::chrono::floor<std::chrono::seconds>(time))) {
    if (c != '-' && c != ':') text += c;
  }
  return text;
}

namespace {

// What a signature is made of besides the keys.
struct Signing {
  std::string time, scope;
  std::string signature(const AwsRequest& request, const AwsCredentials& credentials,
                        const std::string& canonical) const {
    const std::string to_sign = "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + to_hex(sha256(canonical));
    Sha256Digest key = hmac_sha256("AWS4" + credentials.secret_access_key, time.substr(0, 8));
    for (const std::string_view part :
         {std::string_view(request.region), std::string_view(request.service), std::string_view("aws4_request")}) {
      key = hmac_sha256(as_text(key), part);
    }
    return to_hex(hmac_sha256(as_text(key), to_sign));
  }
};

Signing signing_at(TimePoint now, const AwsRequest& request) {
  const std::string time = format_aws_time(now);
  return {time, time.substr(0, 8) + "/" + request.region + "/" + request.service + "/aws4_request"};
}

std::string path_to_sign(const AwsRequest& request, const std::string& path) {
  return request.service == "s3" ? path : canonical_path_of_other_services(path);
}

}  // namespace

SignedAwsRequest sign_aws_request(const AwsRequest& request, const AwsCredentials& credentials, TimePoint now) {
  const Signing signing = signing_at(now, request);

  SignedAwsRequest out;
  out.headers = request.headers;
  out.headers.emplace_back("x-amz-date", signing.time);
  if (request.service == "s3") out.headers.emplace_back("x-amz-content-sha256", request.payload_sha256);
  if (!credentials.session_token.empty()) out.headers.emplace_back("x-amz-security-token", credentials.session_token);

  const std::string path = percent_encode(request.path.empty() ? "/" : request.path, "/");
  const std::string query = encode_query(request.query);
  out.target = query.empty() ? path : path + "?" + query;

  std::map<std::string, std::string> signed_headers{{"host", request.host}};
  for (const auto& [name, value] : out.headers) {
    const auto [it, is_new] = signed_headers.emplace(lower_ascii(name), canonical_value(value));
    if (!is_new) it->second += "," + canonical_value(value);
  }
  std::string header_lines, header_names;
  for (const auto& [name, value] : signed_headers) {
    header_lines.append(name).append(":").append(value).append("\n");
    if (!header_names.empty()) header_names += ';';
    header_names += name;
  }

  const std::string canonical = request.method + "\n" + path_to_sign(request, path) + "\n" + query + "\n" +
                                header_lines + "\n" + header_names + "\n" + request.payload_sha256;
  out.headers.emplace_back("authorization", "AWS4-HMAC-SHA256 Credential=" + credentials.access_key_id + "/" +
                                                signing.scope + ", SignedHeaders=" + header_names +
                                                ", Signature=" + signing.signature(request, credentials, canonical));
  return out;
}

std::string presign_aws_request(const AwsRequest& request, const AwsCredentials& credentials, TimePoint now,
                                std::chrono::seconds good_for) {
  ENSURE(request.headers.empty(), "a presigned URL signs no header but the host");
  const Signing signing = signing_at(now, request);
  auto fields = request.query;
  fields.emplace_back("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
  fields.emplace_back("X-Amz-Credential", credentials.access_key_id + "/" + signing.scope);
  fields.emplace_back("X-Amz-Date", signing.time);
  fields.emplace_back("X-Amz-Expires", std::to_string(good_for.count()));
  fields.emplace_back("X-Amz-SignedHeaders", "host");
  if (!credentials.session_token.empty()) fields.emplace_back("X-Amz-Security-Token", credentials.session_token);
  const std::string path = percent_encode(request.path.empty() ? "/" : request.path, "/");
  const std::string query = encode_query(fields);
  const std::string canonical = request.method + "\n" + path_to_sign(request, path) + "\n" + query +
                                "\nhost:" + request.host + "\n\nhost\n" + request.payload_sha256;
  return path + "?" + query + "&X-Amz-Signature=" + signing.signature(request, credentials, canonical);
}

}  // namespace udon
