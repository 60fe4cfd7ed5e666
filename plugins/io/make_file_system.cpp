#include "plugins/io/make_file_system.h"

#include "plugins/io/local_file_system.h"
#include "plugins/io/s3_file_system.h"

namespace udon {
namespace {

std::string scheme_of(const std::string& uri) {
  const size_t end = uri.find("://");
  return end == uri.npos ? "" : uri.substr(0, end);
}

// For a person whose connection gives no keys, and who has them nowhere else.
std::string remedy_of(const Connection* given, const IoContext& context) {
  const std::string elsewhere =
      ", or let the server's process find AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its environment, a profile in "
      "~/.aws, or an IAM role of its container or machine";
  const std::string by = context.connection_parameter.empty() ? "" : "`" + context.connection_parameter + "`";
  if (given != nullptr)
    return "the connection `" + given->id + "`" + (by.empty() ? "" : " that " + by + " names") +
           " has no keys: `udon connections add --replace " + given->id + " 'aws://KEY_ID:SECRET@/…'` gives it some" +
           elsewhere;
  if (by.empty()) return {};
  return (context.connection_id.empty()
              ? by + " is not given"
              : by + " says `" + context.connection_id + "`, and there is no connection of that name") +
         ": add one (`udon connections add lake 'aws://KEY_ID:SECRET@/?region_name=REGION'`) and name it in " + by +
         elsewhere;
}

bool is_s3(const std::string& scheme) { return scheme == "s3" || scheme == "s3a" || scheme == "s3n"; }

}  // namespace

bool needs_connection(const std::string& uri) { return is_s3(scheme_of(uri)); }

Result<std::unique_ptr<S3FileSystem>> make_s3_file_system(const std::string& uri,
                                                          const std::optional<Connection>& connection,
                                                          IoContext context) {
  TRY(parse_s3_uri(uri));
  const Connection* given = connection ? &*connection : nullptr;
  TRY_ASSIGN(S3Settings settings, s3_settings(given, context.environment));
  auto http = std::make_unique<HttpClient>();
  TRY_ASSIGN(auto credentials,
             make_aws_credentials(given, context.environment, *http, context.clock, remedy_of(given, context)));
  return std::make_unique<S3FileSystem>(
      std::make_shared<S3Client>(std::move(settings), std::move(http), std::move(credentials), std::move(context)));
}

Result<std::unique_ptr<FileSystem>> make_file_system(const std::string& uri,
                                                     const std::optional<Connection>& connection, IoContext context) {
  const std::string scheme = scheme_of(uri);
  if (is_s3(scheme)) {
    TRY_ASSIGN(auto files, make_s3_file_system(uri, connection, std::move(context)));
    return std::unique_ptr<FileSystem>(std::move(files));
  }
  if (scheme == "file" || scheme.empty()) {
    TRY(parse_local_uri(uri));
    return std::make_unique<LocalFileSystem>(context.stop);
  }
  return Error{ErrorKind::invalid,
               "`" + uri + "`: expected s3://bucket/key or an absolute path, not `" + scheme + "://`"};
}

}  // namespace udon
