#include "plugins/io/s3_problem.h"

#include <ctime>

#include "base/text.h"
#include "plugins/io/s3_xml.h"

namespace udon {
namespace {

std::string clock_difference(const S3RequestFacts& facts, const HttpResponse& response) {
  const auto theirs = parse_http_date(response.header("date"));
  if (!theirs) return "differ too much";
  const Duration ahead = std::chrono::floor<std::chrono::seconds>(facts.now - *theirs);
  return "differ: this machine is " + format_duration(ahead < Duration(0) ? -ahead : ahead) +
         (ahead < Duration(0) ? " behind" : " ahead");
}

struct Meaning {
  ErrorKind kind;
  std::string text;  // empty: the store's own words
};

Meaning meaning_of_code(const S3RequestFacts& facts, const HttpResponse& response, const std::string& code) {
  const std::string keys = "the keys of " + facts.credentials;
  // Not not_found: that is an object's, which may come.
  if (code == "NoSuchBucket") {
    return {ErrorKind::invalid, "there is no bucket `" + facts.bucket +
                                    "`: check its name and the connection's endpoint_url, or create it"};
  }
  if (code == "NoSuchKey") return {ErrorKind::not_found, "there is no such object"};
  if (code == "NoSuchUpload") {
    return {ErrorKind::not_found,
            "the multipart upload is not there any more: another program, or a rule of the bucket "
            "(AbortIncompleteMultipartUpload), has ended it"};
  }
  if (code == "AccessDenied" || code == "AllAccessDisabled" || code == "AccountProblem") {
    return {ErrorKind::denied,
            "not allowed for " + keys +
                ": the identity's policy, the bucket's policy and, with SSE-KMS, the key's must let it " +
                facts.action + " there" + (facts.permission.empty() ? "" : " (" + facts.permission + ")")};
  }
  if (code == "InvalidAccessKeyId") {
    return {ErrorKind::denied,
            "the store does not know " + keys + ": wrong access key id, deleted, or of another store"};
  }
  if (code == "SignatureDoesNotMatch") {
    return {ErrorKind::denied, "the signature made with " + keys +
                                   " does not match: the secret key is wrong, or a proxy between changed the request"};
  }
  if (is_expired_session(code)) return {ErrorKind::denied, keys + " are of a session that has expired"};
  if (code == "InvalidToken") return {ErrorKind::denied, "the session token in " + keys + " is not valid"};
  if (code == "RequestTimeTooSkewed") {
    return {ErrorKind::denied, "the clocks " + clock_difference(facts, response) + "; set this machine's by NTP"};
  }
  if (code == "AuthorizationHeaderMalformed" || code == "PermanentRedirect" ||
      code == "IllegalLocationConstraintException") {
    return {ErrorKind::invalid, "bucket `" + facts.bucket + "` is not in region " + facts.region +
                                    ", for which the request was signed; set region_name in the connection"};
  }
  if (code == "PreconditionFailed") return {ErrorKind::conflict, "somebody else wrote it meanwhile"};
  if (code == "ConditionalRequestConflict") return {ErrorKind::conflict, "somebody else is writing it"};
  if (code == "InvalidObjectState") {
    return {ErrorKind::unsupported, "it is archived; restore it (RestoreObject) before reading"};
  }
  if (code == "BadDigest" || code == "XAmzContentSHA256Mismatch" || code == "InvalidDigest" ||
      code == "XAmzContentChecksumMismatch") {
    return {ErrorKind::data, "the store received other bytes than were sent (their SHA-256 differs)"};
  }
  if (code == "NotImplemented" || code == "MethodNotAllowed" || code == "InvalidStorageClass") {
    return {ErrorKind::unsupported, ""};
  }
  return {ErrorKind::invalid, ""};
}

ErrorKind kind_of_status(int status) {
  if (status == 401 || status == 403) return ErrorKind::denied;
  if (status == 404) return ErrorKind::not_found;
  if (status == 409 || status == 412) return ErrorKind::conflict;
  if (status == 501) return ErrorKind::unsupported;
  return ErrorKind::invalid;
}

// A store's text may be a page of HTML or quote what was sent; a message gets one line of it.
std::string in_short(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  constexpr size_t length_max = 300;
  if (text.size() > length_max) text = text.substr(0, length_max) + "…";
  return text;
}

}  // namespace

std::optional<TimePoint> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const char* end = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return TimePoint(std::chrono::seconds(timegm(&parts)));
}

bool is_worth_repeating(int status, std::string_view code) {
  if (status == 501) return false;
  if (status >= 500 || status == 429) return true;
  // BadDigest: the bytes were damaged on their way; once more may be well.
  return code == "SlowDown" || code == "RequestTimeout" || code == "InternalError" || code == "ServiceUnavailable" ||
         code == "OperationAborted" || code == "BadDigest" || code == "XAmzContentSHA256Mismatch" ||
         code == "RequestTimeoutException" || code == "ThrottlingException";
}

bool is_expired_session(std::string_view code) {
  return code == "ExpiredToken" || code == "ExpiredTokenException" || code == "TokenRefreshRequired" ||
         code == "RequestExpired";
}

S3Problem explain_s3(const S3RequestFacts& facts, const HttpResponse& response) {
  const auto text = parse_s3_error(response.body).value_or(S3ErrorText{});
  S3Problem problem{response.status, text.code.empty() ? std::to_string(response.status) : text.code, {}};
  const std::string where = facts.action + " " + facts.object + " at " + facts.host + ": ";
  const std::string times = facts.attempts > 1 ? " (asked " + std::to_string(facts.attempts) + " times)" : "";
  const std::string said = in_short(std::to_string(response.status) + (text.code.empty() ? "" : " " + text.code) +
                                    (text.message.empty() ? "" : ": " + text.message));
  Meaning meaning = meaning_of_code(facts, response, text.code);
  if (is_worth_repeating(response.status, text.code) && meaning.text.empty()) {
    problem.error = {ErrorKind::unavailable, where + "the store answered " + said + times};
    return problem;
  }
  if (meaning.text.empty()) {
    if (text.code.empty()) meaning.kind = kind_of_status(response.status);
    problem.error = {meaning.kind, where + "the store refused: " + said + times};
    return problem;
  }
  problem.error = {meaning.kind,
                   where + meaning.text + " [" + std::to_string(response.status) + " " + text.code + "]" + times};
  return problem;
}

}  // namespace udon
