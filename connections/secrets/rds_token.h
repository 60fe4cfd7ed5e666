#pragma once
// Logging in to a database of RDS as an IAM principal: the password is a URL signed with AWS keys, good for 15 minutes,
// and so made anew for each session.
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/net/aws_sigv4.h"
#include "base/result.h"
#include "connections/connection.h"
#include "connections/secrets/aws_credentials.h"

namespace udon {

struct RdsLogin {
  std::string host;  // the instance's or cluster's own name: RDS knows no other
  int port = 0;
  std::string user;
  std::string region;
};
// What botocore's generate_db_auth_token gives. It is a secret.
std::string make_rds_token(const RdsLogin& login, const AwsCredentials& keys, TimePoint now);

// The region in "orders.c9akciq32.ap-northeast-2.rds.amazonaws.com"; nothing in other names.
std::string region_of_rds_host(const std::string& host);

// Does the connection's option `auth` ask for such a token (`aws_iam`)? `password`, or nothing, does not; anything else
// is invalid.
Result<bool> asks_for_aws_iam(const Connection& connection);

struct LoginPassword {
  std::string password;
  std::string advice;  // for the message, if the server refuses it; empty for the connection's own
};
// The connection's password, or where it asks for one a token made now. `is_verified`: the session will be encrypted
// and the server's certificate verified; without that a token is not made. Options of such a connection:
//   region (or region_name)   else the host's, else that of AWS's own settings
//   profile_name, role_arn, external_id, role_session_name, sts_endpoint_url   as for S3
// invalid: options that contradict each other. denied or unavailable: there are no keys.
Result<LoginPassword> login_password(const Connection& connection, int default_port, bool is_verified,
                                     const std::stop_token& stop);

}  // namespace udon
