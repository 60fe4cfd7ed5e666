#include "plugins/connection_test/looks.h"
#include "plugins/io/make_file_system.h"
#include "plugins/io/s3_settings.h"

namespace udon {
namespace {

constexpr std::string_view content = "udon connections test: may be deleted\n";

class S3Look {
 public:
  S3Look(FileSystem& files, S3Uri prefix, const TestQuestion& question, const std::filesystem::path& staging)
      : files_(files), prefix_(std::move(prefix)), question_(question), staging_(staging) {}

  Result<Finding> run(Finding finding) {
    finding_ = std::move(finding);
    TRY(look_at_list());
    if (question_.wants("write")) {
      TRY(look_at_write());
      TRY(look_at_parts());
    }
    return std::move(finding_);
  }

 private:
  // Denied is an answer; any other error is the caller's.
  Result<bool> allowed(const Result<void>& done, const std::string& feature, const std::string& what,
                       const std::string& action) {
    if (done) {
      finding_.ok(feature, what + ": " + action);
      return true;
    }
    if (done.error().kind != ErrorKind::denied) return done.error();
    finding_.missing(feature, what + ": " + done.error().message, statement(action));
    return false;
  }

  std::string statement(const std::string& action) const {
    const bool is_of_bucket = action.starts_with("s3:List");
    const std::string resource = "arn:aws:s3:::" + prefix_.bucket + (is_of_bucket ? "" : "/" + prefix_.key + "*");
    return to_json(Value::Map{{"Effect", "Allow"}, {"Action", action}, {"Resource", resource}});
  }

  template <class T>
  static Result<void> done(const Result<T>& result) {
    if (!result) return result.error();
    return {};
  }

  Result<void> look_at_list() {
    const std::string feature = question_.wants("read") ? "read" : "write";
    const auto listed = files_.list(to_string(prefix_), 1);
    TRY_ASSIGN(const bool may_list, allowed(done(listed), feature, "list " + to_string(prefix_), "s3:ListBucket"));
    if (!question_.wants("read") || question_.wants("write")) return {};  // then the probe is read
    if (!may_list || listed->empty()) {
      finding_.unknown("read", "s3:GetObject was not looked at: nothing was found below the prefix to be read");
      return {};
    }
    return done(allowed(done(files_.read_range(listed->front().uri, 0, 1)), "read", "read " + listed->front().uri,
                        "s3:GetObject"));
  }

  Result<void> look_at_write() {
    const std::string uri = to_string(prefix_) + question_.probe_name;
    TRY_ASSIGN(const bool is_written,
               allowed(done(files_.write(uri, content, {})), "write", "write " + uri, "s3:PutObject"));
    if (!is_written) {
      finding_.unknown("write", "s3:GetObject and s3:DeleteObject were not looked at: there is no object of ours");
      return {};
    }
    const auto read = files_.read(uri, 1 << 16);
    const auto removed = files_.remove(uri);  // whatever became of the reading
    TRY(allowed(done(read), question_.wants("read") ? "read" : "write", "read it", "s3:GetObject"));
    TRY_ASSIGN(const bool is_removed, allowed(removed, "write", "remove it", "s3:DeleteObject"));
    if (!is_removed) finding_.checks.back().found += "; " + uri + " stays there";
    return {};
  }

  // What a killed try began must be found and ended by the next.
  Result<void> look_at_parts() {
    const std::string uri = to_string(prefix_) + question_.probe_name;
    TRY(allowed(done(files_.begun_uploads(uri)), "write", "find unfinished uploads", "s3:ListBucketMultipartUploads"));
    const Path file = staging_ / "probe";
    TRY(write_file_atomically(file, std::string(content), Durability::survives_kill));
    auto upload = files_.upload(file, uri, {}, 8 << 20, [](const Value&) { return Result<void>(); });
    if (!upload) {
      TRY(allowed(done(upload), "write", "send a file in parts", "s3:PutObject"));
      return {};
    }
    TRY(allowed((*upload)->abort(), "write", "end an unfinished upload", "s3:AbortMultipartUpload"));
    return {};
  }

  FileSystem& files_;
  const S3Uri prefix_;
  const TestQuestion& question_;
  const std::filesystem::path& staging_;
  Finding finding_;
};

}  // namespace

Result<Finding> look_at_s3(const Connection& connection, const TestQuestion& question,
                           const std::filesystem::path& staging, IoContext io) {
  TRY(check_features(question, connection.type, {"read", "write"}));
  if (question.uri.empty())
    return Error{ErrorKind::invalid, "uri: say s3://bucket/prefix/, which the connection is to be good for"};
  TRY_ASSIGN(const S3Uri prefix, parse_s3_uri(question.uri));
  if (!prefix.key.empty() && !prefix.key.ends_with('/'))
    return Error{ErrorKind::invalid, "uri: `" + question.uri + "` does not end in `/`: say a prefix"};
  // A person waits: what does not answer is told after two attempts.
  Connection impatient = connection;
  if (impatient.option("max_attempts").empty()) impatient.extra.set("max_attempts", "2");
  io.stall = std::chrono::seconds(10);
  TRY_ASSIGN(const S3Settings settings, s3_settings(&impatient, io.environment));
  const S3Place place = place_of(settings, prefix.bucket, settings.region);
  Finding finding;
  const bool is_unverified_loopback = is_loopback(settings.endpoint.host) && settings.tls_authorities.empty();
  finding.facts =
      Value::Map{{"address", place.scheme + "://" + place.host},
                 {"region", settings.region},
                 {"tls", tls_text(place.scheme == "https", settings.tls_verified && !is_unverified_loopback)}};
  TRY_ASSIGN(const auto files, make_file_system(question.uri, impatient, std::move(io)));
  return S3Look(*files, prefix, question, staging).run(std::move(finding));
}

}  // namespace udon
