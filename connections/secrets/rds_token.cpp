#include "connections/secrets/rds_token.h"

#include "base/net/digest.h"
#include "base/text.h"

namespace udon {
namespace {

constexpr std::chrono::minutes good_for{15};  // what RDS takes at most
constexpr std::string_view iam = "aws_iam";

// login and password are the database's there, not AWS's keys.
Connection aws_part(const Connection& connection) {
  Connection part = connection;
  part.login.clear();
  part.password.clear();
  return part;
}

std::string advice(const Connection& connection, const std::string& region, const std::string& keys_from) {
  const std::string user = "`" + connection.login + "`";
  return "; RDS did not take the IAM token made with the keys of " + keys_from +
         ": is IAM authentication on there, is " + user + " made for it (" +
         (connection.type == "postgresql" ? "GRANT rds_iam TO …" : "IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'") +
         "), do these keys allow rds-db:connect for " + user + " in " + region +
         ", is the host the instance's own name, and is this machine's clock right?";
}

}  // namespace

std::string make_rds_token(const RdsLogin& login, const AwsCredentials& keys, TimePoint now) {
  const AwsRequest request{.host = lower_ascii(login.host) + ":" + std::to_string(login.port),
                           .query = {{"Action", "connect"}, {"DBUser", login.user}},
                           .payload_sha256 = to_hex(sha256("")),
                           .region = login.region,
                           .service = "rds-db"};
  return request.host + presign_aws_request(request, keys, now, good_for);
}

std::string region_of_rds_host(const std::string& host) {
  const std::string lower = lower_ascii(host);
  const size_t end = lower.find(".rds.amazonaws.com");
  if (end == lower.npos || end == 0) return {};
  const size_t dot = lower.rfind('.', end - 1);
  return dot == lower.npos ? std::string() : lower.substr(dot + 1, end - dot - 1);
}

Result<bool> asks_for_aws_iam(const Connection& connection) {
  const std::string how = connection.option("auth", "password");
  if (how == iam) return true;
  if (how == "password") return false;
  static const std::vector<std::string> ways{"password", std::string(iam)};
  return Error{ErrorKind::invalid, "connection `" + connection.id + "`: auth=" + how + " is not one of " +
                                       join(ways, ", ") + did_you_mean(how, ways)};
}

Result<LoginPassword> login_password(const Connection& connection, int default_port, bool is_verified,
                                     const std::stop_token& stop) {
  TRY_ASSIGN(const bool is_iam, asks_for_aws_iam(connection));
  if (!is_iam) return LoginPassword{connection.password, {}};

  const auto problem = [&](const std::string& what) {
    return Error{ErrorKind::invalid, "connection `" + connection.id + "`: with auth=aws_iam " + what};
  };
  if (!connection.password.empty())
    return problem("the password is a token made for each session; take the one in the URI out");
  if (connection.login.empty()) return problem("the URI must name the database's user (TYPE://USER@HOST/…)");
  if (connection.host.empty() || !connection.option("unix_socket").empty())
    return problem("the URI must name the host of the RDS instance, for which the token is signed");
  if (!is_verified)
    return problem(
        "the server must be verified, because it is handed the token in clear: take ssl_mode (sslmode) out, or write "
        "ssl_mode=verify_identity, and name RDS's authorities by ssl_ca");

  const Environment environment = process_environment();
  const Connection aws = aws_part(connection);
  std::string region = connection.option("region_name", connection.option("region"));
  if (region.empty()) region = region_of_rds_host(connection.host);
  if (region.empty()) {
    TRY_ASSIGN(region, aws_region(&aws, environment));
  }
  if (region.empty()) return problem("the region must be known: write region=… (the host's name does not say it)");

  // The real one: AWS judges the signature by its own.
  const SystemClock clock;
  HttpClient http;
  TRY_ASSIGN(const auto credentials, make_aws_credentials(&aws, environment, http, clock));
  auto identity = credentials->get(stop);
  if (!identity)
    return Error{identity.error().kind, "connection `" + connection.id + "`: no IAM token for " + connection.host +
                                            ": " + identity.error().message};
  const int port = connection.port == 0 ? default_port : connection.port;
  return LoginPassword{make_rds_token({connection.host, port, connection.login, region}, identity->keys, clock.now()),
                       advice(connection, region, identity->source)};
}

}  // namespace udon
