#include "tests/support/services.h"

#include <cstdlib>
#include <regex>
#include <stdexcept>

#include "base/subprocess.h"
#include "base/text.h"

namespace udon::test {

std::string Services::run(const std::string& name, const std::string& verb, const std::string& node) const {
  const char* source = std::getenv("UDON_SOURCE");
  SpawnRequest request;
  request.argv = {std::string(source ? source : ".") + "/scripts/services/" + name, verb};
  if (!node.empty()) request.argv.push_back(node);
  for (const std::string& variable : current_environment()) {
    // A folder of its own has ports of its own.
    bool is_of_shared = variable.starts_with("UDON_SERVICES_DIR=") || variable.starts_with("UDON_MARIADB_") ||
                        variable.starts_with("UDON_POSTGRES_") || variable.starts_with("UDON_S3_");
    if (folder_.empty() || !is_of_shared) request.environment.push_back(variable);
  }
  if (!folder_.empty()) request.environment.push_back("UDON_SERVICES_DIR=" + folder_.string());
  auto output = run_command(request, std::chrono::minutes(4));
  if (!output) throw std::runtime_error(output.error().message);
  if (!output->status.succeeded()) throw std::runtime_error(name + " " + verb + ": " + output->standard_error);
  return output->standard_output;
}

std::string Services::setting(const std::string& name, const std::string& variable) const {
  for (const std::string& line : split(run(name, "env"), '\n')) {
    const std::string prefix = "export " + variable + "=";
    if (!line.starts_with(prefix)) continue;
    std::string value = line.substr(prefix.size());
    if (value.size() >= 2 && value.front() == '\'') value = value.substr(1, value.size() - 2);
    return value;
  }
  throw std::runtime_error("no " + variable + " from scripts/services/" + name);
}

std::string Services::certificate(const std::string& name) const {
  return setting(name, name == "mariadb" ? "UDON_MARIADB_CA" : "UDON_POSTGRES_CA");
}

Connection Services::s3(const std::string& bucket) const {
  run("s3", "bucket", bucket);
  Connection connection{.id = "store", .type = "aws", .login = "udon", .password = "udonsecret"};
  connection.extra.set("endpoint_url", setting("s3", "UDON_S3_ENDPOINT"));
  connection.extra.set("region_name", "us-east-1");
  return connection;
}

Connection Services::connection(const std::string& name, const std::string& variable) const {
  static const std::regex form("(\\w+)://(\\w+):(\\w+)@([^:/]+):(\\d+)/(\\w+)");
  const std::string uri = setting(name, variable);
  std::smatch parts;
  if (!std::regex_match(uri, parts, form)) throw std::runtime_error("unexpected " + variable);
  Connection connection;
  connection.id = "test";
  connection.type = parts[1];
  connection.login = parts[2];
  connection.password = parts[3];
  connection.host = parts[4];
  connection.port = std::stoi(parts[5]);
  connection.schema = parts[6];
  return connection;
}

}  // namespace udon::test
