#include "connections/secrets/rds_token.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/subprocess.h"
#include "base/text.h"
#include "tests/golden.h"

namespace udon {
namespace {

const TimePoint now = *parse_time("2026-01-31T12:34:56Z");
const AwsCredentials keys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const RdsLogin login{"orders.c9akciq32.ap-northeast-2.rds.amazonaws.com", 3306, "udon_reader", "ap-northeast-2"};

std::string by_botocore(const RdsLogin& of, const AwsCredentials& with) {
  const auto output = run_command({.argv = {(test::source_folder() / ".deps/venv/bin/python").string(),
                                            (test::source_folder() / "tests/secrets/botocore_rds.py").string(), of.host,
                                            std::to_string(of.port), of.user, of.region, format_aws_time(now),
                                            with.access_key_id, with.secret_access_key, with.session_token},
                                   .environment = current_environment()},
                                  std::chrono::seconds(60));
  REQUIRE(output);
  INFO(output->standard_error);
  REQUIRE(output->status.succeeded());
  return output->standard_output;
}

// The host, and each field of the query: their order means nothing.
std::vector<std::string> parts(const std::string& token) {
  std::vector<std::string> all = split(token.substr(token.find('?') + 1), '&');
  all.push_back(token.substr(0, token.find('?')));
  std::ranges::sort(all);
  return all;
}

}  // namespace

TEST_CASE("an RDS token is the one that AWS's own tools make") {
  CHECK(make_rds_token(login, keys, now) ==
        "orders.c9akciq32.ap-northeast-2.rds.amazonaws.com:3306/?Action=connect&DBUser=udon_reader&X-Amz-Algorithm="
        "AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Fap-northeast-2%2Frds-db%2Faws4_request&X-Amz-Date="
        "20260131T123456Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature="
        "fcb080891cb48718916ad1911f1ba5e4fecd569b466ca9e6b3acb78f128ab00e");
  AwsCredentials of_role = keys;
  of_role.session_token = "IQoJb3JpZ2luX2VjEDo+/a=" + std::string(700, 'x') + "==";
  RdsLogin odd{"replica.cluster-ro-x.us-east-1.rds.amazonaws.com", 5432, "우동 reader+1@x", "us-east-1"};
  for (const RdsLogin& of : {login, odd})
    for (const AwsCredentials& with : {keys, of_role})
      CHECK(parts(make_rds_token(of, with, now)) == parts(by_botocore(of, with)));
}

TEST_CASE("the name of an RDS host says its region, other names say none") {
  CHECK(region_of_rds_host("orders.c9akciq32.ap-northeast-2.rds.amazonaws.com") == "ap-northeast-2");
  CHECK(region_of_rds_host("Orders.Cluster-ro-c9.CN-North-1.RDS.amazonaws.com.cn") == "cn-north-1");
  for (const char* host : {"127.0.0.1", "", "db.example.com", ".rds.amazonaws.com", "x.rds.amazonaws.com"})
    CHECK(region_of_rds_host(host).empty());
}

}  // namespace udon
