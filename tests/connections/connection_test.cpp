#include "connections/connection.h"

#include <catch2/catch.hpp>

using udon::Connection;
using udon::parse_connection_uri;
using udon::Value;

namespace {

Connection parsed(std::string_view uri) {
  auto connection = parse_connection_uri("c", uri);
  INFO(uri);
  if (!connection) FAIL(connection.error().message);
  return *connection;
}

std::string problem(std::string_view uri) {
  const auto connection = parse_connection_uri("market", uri);
  INFO(uri);
  REQUIRE_FALSE(connection);
  CHECK(connection.error().kind == udon::ErrorKind::invalid);
  return connection.error().message;
}

}  // namespace

TEST_CASE("a URI with every part is taken apart and decoded") {
  const Connection c =
      parsed("mysql://us%20er:p%40ss%2F%3A%3F@db.example.com:3306/mar%20ket?charset=utf8mb4&ssl_ca=%2Fetc%2Fca.pem");
  CHECK(c.id == "c");
  CHECK(c.type == "mysql");
  CHECK(c.login == "us er");
  CHECK(c.password == "p@ss/:?");
  CHECK(c.host == "db.example.com");
  CHECK(c.port == 3306);
  CHECK(c.schema == "mar ket");
  CHECK(c.option("charset") == "utf8mb4");
  CHECK(c.option("ssl_ca") == "/etc/ca.pem");
  CHECK(c.option("nothing", "other") == "other");
}

TEST_CASE("parts that a URI leaves out are empty") {
  CHECK(parsed("aws://") == Connection{.id = "c", .type = "aws"});
  CHECK(parsed("aws://?region=ap-northeast-2").option("region") == "ap-northeast-2");
  CHECK(parsed("aws://key:secret@").password == "secret");
  CHECK(parsed("mysql://host").host == "host");
  CHECK(parsed("mysql://host/").schema.empty());
  CHECK(parsed("mysql://host/?a=").option("a", "x").empty());
  CHECK(parsed("mysql://user@host").login == "user");
  CHECK(parsed("http://:token@host").password == "token");
  CHECK(parsed("  mysql://host\n").host == "host");
}

TEST_CASE("other names of a type are read as that type") {
  CHECK(parsed("mariadb://h").type == "mysql");
  CHECK(parsed("postgres://h").type == "postgresql");
  CHECK(parsed("s3://h").type == "aws");
  CHECK(parsed("Google-Cloud-Platform://").type == "google_cloud_platform");
}

TEST_CASE("a host may be an IPv6 address or a socket's path") {
  const Connection six = parsed("postgresql://u:p@[2001:db8::1]:5433/db");
  CHECK(six.host == "2001:db8::1");
  CHECK(six.port == 5433);
  CHECK(six.display() == "postgresql://[2001:db8::1]:5433/db");
  CHECK(parsed("postgresql://[::1]/db").host == "::1");
  CHECK(parsed("postgresql://%2Frun%2Fpg/db").host == "/run/pg");
}

TEST_CASE("a password that holds an unescaped @ is still the password") {
  CHECK(parsed("mysql://u:p@ss@h/db").password == "p@ss");
}

TEST_CASE("options that are no text come as one JSON object, as Airflow writes them") {
  const Connection c =
      parsed("http://h/?__extra__=%7B%22verify%22%3A%20false%2C%20%22deep%22%3A%20%7B%22a%22%3A%201%7D%7D");
  CHECK(c.extra.flag("verify", true) == false);
  CHECK(c.extra.get("deep").integer("a") == 1);
  CHECK(parsed("http://h/?note=a+b").option("note") == "a b");
}

TEST_CASE("a wrong URI is refused with a hint and without its text") {
  for (const char* uri :
       {"", "h\"unter2", "://hunter2", "mysql:/hunter2", "my sql://hunter2", "mysql://u:hunter2%@h",
        "mysql://u:hunter2%zz@h", "mysql://u:hun/ter2@h:1", "mysql://u:hun#ter2@h", "mysql://h:hunter2",
        "mysql://h:0/hunter2", "mysql://h:65536/hunter2", "mysql://h:33 06/hunter2", "mysql://[::1/hunter2",
        "mysql://[::1]hunter2", "mysql://u:hunter2%00@h", "mysql://h/?a=hunter2&a=hunter2",
        "mysql://h/?__extra__=hunter2", "mysql://h/?__extra__=%5B%22hunter2%22%5D"}) {
    const std::string message = problem(uri);
    CHECK(message.starts_with("connection `market`: "));
    CHECK(message.find("unter2") == message.npos);
    CHECK(message.find("ter2") == message.npos);
  }
  CHECK(problem(std::string("mysql://u@[::") + '\0' + "1]").ends_with("its host has a zero byte"));
  CHECK(problem("http://h/?__extra__=%7B%22a%22%3A%22%5Cu0000%22%7D").ends_with("its option `a` has a zero byte"));
  CHECK(problem("http://h/?__extra__=%7B%22%5Cu0000%22%3A1%7D").ends_with("its options has a zero byte"));
  CHECK(problem("mysql://u:hun/ter2@h:1").find("%2F") != std::string::npos);
  CHECK(problem("mysql://u:hun#ter2@h").find("%23") != std::string::npos);
}

TEST_CASE("what to_uri writes reads back to the same connection") {
  const Connection plain{
      .id = "c", .type = "mysql", .host = "h", .port = 3306, .login = "u", .password = "p", .schema = "d"};
  Connection strange{
      .id = "c", .type = "google_cloud_platform", .host = "::1", .login = "한글@:/?#[]%", .password = "암호+ &=%@:/?#"};
  strange.schema = "스키마/하나?";
  strange.extra = Value::Map{{"a b", "c+d&e=f%"}, {"빈", ""}};
  Connection nested = plain;
  nested.extra = Value::Map{{"verify", false}, {"n", 3}, {"m", Value::Map{{"x", Value::List{1, "둘"}}}}};
  Connection odd = plain;
  odd.extra = Value::Map{{"__extra__", "{}"}};
  const Connection only_password{.id = "c", .type = "http", .password = "t"};
  Connection options_only{.id = "c", .type = "aws"};
  options_only.extra = Value::Map{{"region", "ap-northeast-2"}};
  Connection socket{.id = "c", .type = "postgresql", .host = "/run/postgresql"};
  for (const Connection& c :
       {plain, strange, nested, only_password, options_only, socket, Connection{.id = "c", .type = "aws"}}) {
    CHECK(parsed(to_uri(c)) == c);
  }
  CHECK(to_uri(plain) == "mysql://u:p@h:3306/d");
}

TEST_CASE("what is shown of a connection holds neither login nor password nor options") {
  CHECK(parsed("mysql://user:hunter2@host:3306/db?token=hunter2").display() == "mysql://host:3306/db");
  CHECK(parsed("aws://key:hunter2@?region=x").display() == "aws://");
}

TEST_CASE("keys of options that hold secrets are known") {
  for (const char* key : {"password", "aws_secret_access_key", "aws_session_token", "token", "key", "private_key",
                          "API_KEY", "passphrase", "keyfile_dict", "ssl_key", "client_secret", "Authorization"}) {
    INFO(key);
    CHECK(udon::is_secret_key(key));
  }
  for (const char* key :
       {"endpoint_url", "region", "charset", "ssl_ca", "aws_access_key_id", "timeout", "keyspace", ""}) {
    INFO(key);
    CHECK_FALSE(udon::is_secret_key(key));
  }
}
