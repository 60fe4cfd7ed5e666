#include "plugins/io/s3_client.h"

#include <algorithm>

#include "base/text.h"
#include "plugins/io/retry.h"
#include "plugins/io/s3_xml.h"

namespace udon {
namespace {

// A bucket's region is told at once; more hops are a loop.
constexpr int detours_max = 3;
// A store may ask for a longer pause than ours, within reason.
constexpr auto retry_after_max = std::chrono::seconds(30);

bool is_success(const S3Request& request, const HttpResponse& response) {
  if (response.status < 200 || response.status > 299) return false;
  return !request.may_fail_after_200 || !parse_s3_error(response.body);
}

Duration pause_before_next(const HttpResponse& response, Duration usual) {
  const std::string seconds(response.header("retry-after"));
  if (seconds.empty() || seconds.size() > 9 || seconds.find_first_not_of("0123456789") != seconds.npos) return usual;
  return std::max<Duration>(usual, std::min<Duration>(std::chrono::seconds(std::stoi(seconds)), retry_after_max));
}

Duration request_stall(const S3Request& request, const IoContext& context) {
  return std::max(request.stall, context.stall);
}

// For people: no microseconds.
Duration rounded(Duration pause) {
  using namespace std::chrono_literals;
  const Duration unit = pause < Duration(1s) ? Duration(10ms) : Duration(1s);
  return unit * ((pause + unit / 2) / unit);
}

// What an identity's policy has to allow for it.
std::string permission_of(const S3Request& request) {
  const auto asks = [&](std::string_view name) {
    return std::ranges::any_of(request.query, [&](const auto& entry) { return entry.first == name; });
  };
  if (asks("lifecycle"))
    return request.method == "GET" ? "s3:GetLifecycleConfiguration" : "s3:PutLifecycleConfiguration";
  if (asks("delete")) return "s3:DeleteObject";
  if (asks("uploads") && request.method == "GET") return "s3:ListBucketMultipartUploads";
  if (asks("list-type")) return "s3:ListBucket";
  if (request.method == "DELETE") return asks("uploadId") ? "s3:AbortMultipartUpload" : "s3:DeleteObject";
  const auto is_source = [](const auto& header) { return header.first == "x-amz-copy-source"; };
  if (std::ranges::any_of(request.headers, is_source)) return "s3:GetObject of the source, s3:PutObject of the copy";
  if (request.method == "PUT" || request.method == "POST") return "s3:PutObject";
  return "s3:GetObject, and s3:ListBucket to be told that there is no such object";
}

}  // namespace

const Sha256Digest S3Request::empty_sha256 = sha256("");

S3Client::S3Client(S3Settings settings, std::unique_ptr<HttpClient> http,
                   std::unique_ptr<AwsCredentialCache> credentials, IoContext context)
    : settings_(std::move(settings)),
      http_(std::move(http)),
      credentials_(std::move(credentials)),
      context_(std::move(context)),
      random_(static_cast<uint64_t>(context_.clock.now().time_since_epoch().count())) {}

uint64_t S3Client::random() {
  const std::lock_guard lock(mutex_);
  return random_.next();
}

S3Client::Detour S3Client::detour_of(const std::string& bucket) const {
  const std::lock_guard lock(mutex_);
  const auto found = detours_.find(bucket);
  return found == detours_.end() ? Detour{settings_.region, ""} : found->second;
}

bool S3Client::learn_detour(const std::string& bucket, const Detour& current, const HttpResponse& response) {
  const auto text = parse_s3_error(response.body).value_or(S3ErrorText{});
  const bool is_redirect =
      response.status == 301 || response.status == 302 || response.status == 307 || response.status == 308;
  if (!is_redirect && text.code != "AuthorizationHeaderMalformed" && text.code != "PermanentRedirect" &&
      text.code != "IllegalLocationConstraintException" && !(response.status == 400 && response.body.empty())) {
    return false;
  }
  Detour next = current;
  if (const auto region = response.header("x-amz-bucket-region"); !region.empty()) {
    next.region = region;
  } else if (!text.region.empty()) {
    next.region = text.region;
  }
  // Only while DNS does not know a new bucket yet does AWS name another host; never another store, and never in the
  // clear.
  if (response.status == 307) {
    const auto location = parse_http_url(response.header("location"));
    const bool is_aws = settings_.endpoint.host.empty();
    if (location &&
        (is_aws ? location->scheme == "https" &&
                      (location->host.ends_with(".amazonaws.com") || location->host.ends_with(".amazonaws.com.cn"))
                : location->scheme == settings_.endpoint.scheme && location->host.ends_with(settings_.endpoint.host))) {
      next.host = location->authority();
    }
  }
  if (next.region == current.region && next.host == current.host) return false;
  const std::lock_guard lock(mutex_);
  detours_[bucket] = next;
  return true;
}

Result<HttpResponse> S3Client::send_once(const S3Request& request, const Detour& detour, const AwsIdentity& identity,
                                         S3RequestFacts& facts, const std::stop_token& stop) {
  S3Place place = place_of(settings_, request.object.bucket, detour.region);
  if (!detour.host.empty()) place.host = detour.host;
  facts.host = place.host;
  facts.region = detour.region;
  facts.credentials = identity.source;
  facts.now = context_.clock.now();
  AwsRequest to_sign{.method = request.method,
                     .host = place.host,
                     .path = place.path + "/" + request.object.key,
                     .query = request.query,
                     .headers = request.headers,
                     .payload_sha256 = to_hex(request.body_sha256),
                     .region = detour.region};
  // A bucket itself is /bucket.
  if (request.object.key.empty() && !place.path.empty()) to_sign.path = place.path;
  SignedAwsRequest signed_request = sign_aws_request(to_sign, identity.keys, facts.now);
  HttpRequest http{.method = request.method,
                   .url = place.scheme + "://" + place.host + signed_request.target,
                   .headers = std::move(signed_request.headers),
                   .timeouts = {.stall = request_stall(request, context_), .total = request.total},
                   .expect_continue = request.expect_continue,
                   .response_bytes_max = request.response_bytes_max,
                   .tls_authorities = settings_.tls_authorities,
                   .tls_verified = settings_.tls_verified};
  if (const auto* text = std::get_if<std::string_view>(&request.body)) http.body = *text;
  if (const auto* range = std::get_if<FileRange>(&request.body)) http.body = *range;
  return http_->send(http, stop);
}

Result<S3Answer> S3Client::send(const S3Request& request, const std::stop_token& stop) {
  S3RequestFacts facts{.action = request.action,
                       .permission = permission_of(request),
                       .object = request.about.empty() ? to_string(request.object) : request.about,
                       .bucket = request.object.bucket};
  const int attempts_max = request.attempts_max > 0 ? request.attempts_max : settings_.attempts_max;
  int detours = 0;
  bool has_renewed_keys = false;
  // A request that is granted more time for one answer may have it twice.
  const Duration silence_max = std::max(context_.silence_max, 2 * request.stall);
  Duration silence{0};
  const std::string what = facts.action + " " + facts.object;
  for (int attempt = 1;; ++attempt) {
    std::string why;
    facts.attempts = attempt;
    const bool is_last = attempt >= attempts_max;
    Duration pause = backoff(attempt, random());
    auto identity = credentials_->get(stop);
    if (!identity) {
      if (is_last || identity.error().kind == ErrorKind::cancelled || !is_transient(identity.error().kind)) {
        return identity.error().within(what);
      }
      why = identity.error().message;
    } else {
      const Detour detour = detour_of(request.object.bucket);
      const Duration asked_at = context_.clock.monotonic();
      auto response = send_once(request, detour, *identity, facts, stop);
      if (response) {
        const int times_sent = attempt - 1 + response->times_sent;
        if (is_success(request, *response)) return S3Answer{std::move(*response), times_sent, std::nullopt};
        if (detours < detours_max && learn_detour(request.object.bucket, detour, *response)) {
          ++detours, --attempt;
          continue;
        }
        S3Problem problem = explain_s3(facts, *response);
        if (!has_renewed_keys && is_expired_session(problem.code)) {
          has_renewed_keys = true;
          credentials_->forget(identity->keys);
          continue;
        }
        if (is_last || !is_worth_repeating(problem.status, problem.code)) {
          return S3Answer{std::move(*response), times_sent, std::move(problem)};
        }
        pause = pause_before_next(*response, pause);
        why = facts.host + " answered " + std::to_string(problem.status) +
              (problem.code == std::to_string(problem.status) ? "" : " " + problem.code);
      } else {
        const ErrorKind kind = response.error().kind;
        const bool may_pass = kind == ErrorKind::unavailable || kind == ErrorKind::timeout;
        if (kind == ErrorKind::timeout) silence += context_.clock.monotonic() - asked_at;
        const bool is_too_long = silence + request_stall(request, context_) > silence_max;
        if (is_last || !may_pass || is_too_long) {
          Error error = response.error().within(what);
          if (attempt > 1) error.message += " (asked " + std::to_string(attempt) + " times)";
          if (may_pass && is_too_long && !is_last)
            error.message += "; no request waits longer than " + format_duration(silence_max) + " for a silent store";
          return error;
        }
        why = response.error().message;
      }
    }
    if (context_.log) {
      context_.log("udon: " + what + ": " + why + "; attempt " + std::to_string(attempt + 1) + " of " +
                   std::to_string(attempts_max) + " in " + format_duration(rounded(pause)));
    }
    if (!context_.pause(pause, stop)) {
      return Error{ErrorKind::cancelled, what + ": " + why + "; stopped while waiting to ask the store again"};
    }
  }
}

Result<HttpResponse> S3Client::get_answer(const S3Request& request, const std::stop_token& stop) {
  TRY_ASSIGN(S3Answer answer, send(request, stop));
  if (answer.problem) return std::move(answer.problem->error);
  return std::move(answer.response);
}

}  // namespace udon
