#include "plugins/io/s3_settings.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace udon {
namespace {

std::string find_in_environment(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

// Values of a connection's options come as text from a URI and as JSON from a form.
std::string option_as_text(const Connection& connection, const char* key) {
  const Value& value = connection.extra.get(key);
  if (value.is_string()) return std::string(trim(value.as_string()));
  return value.is_null() ? "" : to_json(value);
}

bool has_only(std::string_view text, std::string_view allowed) { return text.find_first_not_of(allowed) == text.npos; }

}  // namespace

Result<S3Settings> s3_settings(const Connection* connection, const Environment& environment) {
  S3Settings settings;
  const std::string name = connection ? "connection `" + connection->id + "`" : "the environment";
  const auto option = [&](const char* key) { return connection ? option_as_text(*connection, key) : std::string(); };
  const auto problem = [&](const std::string& what) { return Error{ErrorKind::invalid, name + ": " + what}; };
  if (connection) {
    settings.connection_id = connection->id;
    if (connection->type != "aws") return problem("it is of type " + connection->type + "; S3 needs one of type aws");
    if (!connection->host.empty()) {
      return problem("an aws connection has no host; give a store other than AWS as option endpoint_url=https://…");
    }
  }
  std::string endpoint = option("endpoint_url");
  for (const char* variable : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    if (endpoint.empty()) endpoint = find_in_environment(environment, variable);
  }
  if (!endpoint.empty()) {
    auto url = parse_http_url(endpoint);
    if (!url) return url.error().within(name + ": endpoint_url");
    if (url->target.find('?') != url->target.npos) return problem("endpoint_url has a `?`");
    settings.endpoint = *url;
    settings.endpoint_path = url->target;
    while (settings.endpoint_path.ends_with('/')) settings.endpoint_path.pop_back();
  }
  TRY_ASSIGN(settings.region, aws_region(connection, environment));
  if (settings.region.empty()) settings.region = "us-east-1";
  // It becomes part of a host name.
  if (!has_only(settings.region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")) {
    return problem("expected a region such as ap-northeast-2");
  }
  const std::string style = option("addressing_style");
  if (style == "path") {
    settings.addressing = S3Addressing::path;
  } else if (style == "virtual") {
    settings.addressing = S3Addressing::virtual_host;
  } else if (!style.empty() && style != "auto") {
    return problem("addressing_style is path, virtual or auto, not `" + style + "`");
  }
  std::string verify = option("verify");
  if (verify.empty()) verify = find_in_environment(environment, "AWS_CA_BUNDLE");
  if (lower_ascii(verify) == "false") {
    settings.tls_verified = false;
  } else if (!verify.empty() && lower_ascii(verify) != "true") {
    settings.tls_authorities = verify;
  }
  settings.encryption = option("server_side_encryption");
  settings.kms_key_id = option("ssekms_key_id");
  settings.storage_class = option("storage_class");
  if (const std::string text = option("max_attempts"); !text.empty()) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), settings.attempts_max);
    if (code != std::errc() || end != text.data() + text.size() || settings.attempts_max < 1 ||
        settings.attempts_max > 100) {
      return problem("max_attempts is a number from 1 to 100");
    }
  }
  return settings;
}

Result<S3Uri> parse_s3_uri(const std::string& uri) {
  const size_t scheme_end = uri.find("://");
  const std::string scheme = uri.substr(0, scheme_end);
  if (scheme_end == uri.npos || (scheme != "s3" && scheme != "s3a" && scheme != "s3n")) {
    return Error{ErrorKind::invalid, "expected s3://bucket/key, got `" + uri + "`"};
  }
  const std::string rest = uri.substr(scheme_end + 3);
  const size_t slash = std::min(rest.find('/'), rest.size());
  S3Uri parts{rest.substr(0, slash), rest.substr(std::min(slash + 1, rest.size()))};
  // AWS's rule (old buckets may have upper case and '_'); it also keeps a host name a host name.
  if (parts.bucket.size() < 3 || parts.bucket.size() > 255 ||
      !has_only(parts.bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ||
      parts.bucket.starts_with('.') || parts.bucket.ends_with('.')) {
    return Error{ErrorKind::invalid, "`" + uri + "`: a bucket's name has 3 to 63 letters, digits, `-` and `.`"};
  }
  if (parts.key.size() > 1024) return Error{ErrorKind::invalid, "`" + uri + "`: a key has at most 1024 bytes"};
  if (!is_valid_utf8(parts.key)) return Error{ErrorKind::invalid, "a key in bucket " + parts.bucket + " is not UTF-8"};
  return parts;
}

std::string to_string(const S3Uri& uri) { return "s3://" + uri.bucket + "/" + uri.key; }

S3Place place_of(const S3Settings& settings, const std::string& bucket, const std::string& region) {
  const bool is_aws = settings.endpoint.host.empty();
  // TLS certificates cover one label before the endpoint's name, and host names have neither upper case nor '_'.
  const bool fits_a_host = has_only(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") && bucket.size() <= 63;
  const bool is_virtual = settings.addressing == S3Addressing::virtual_host ||
                          (settings.addressing == S3Addressing::automatic && is_aws && fits_a_host);
  S3Place place;
  place.scheme = is_aws ? "https" : settings.endpoint.scheme;
  place.host = is_aws ? "s3." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "")
                      : settings.endpoint.authority();
  place.path = settings.endpoint_path;
  if (is_virtual) {
    place.host = bucket + "." + place.host;
  } else {
    place.path += "/" + bucket;
  }
  return place;
}

}  // namespace udon
