#pragma once
// Real servers for tests: what scripts/services/ starts.
#include <string>
#include <vector>

#include "base/file.h"
#include "connections/connection.h"

namespace udon::test {

// The servers of one folder. The shared ones by default, which every test may use in databases, tables and
// users of its own; a test that stops servers or breaks replication has its own folder.
class Services {
 public:
  Services() = default;
  explicit Services(Path folder) : folder_(std::move(folder)) {}

  // scripts/services/NAME VERB [NODE]: its output; throws with the script's messages if it fails.
  std::string run(const std::string& name, const std::string& verb, const std::string& node = {}) const;

  Connection mariadb() const { return connection("mariadb", "UDON_MARIADB_URL"); }
  Connection mariadb_replica() const { return connection("mariadb", "UDON_MARIADB_REPLICA_URL"); }
  Connection postgres() const { return connection("postgres", "UDON_POSTGRES_URL"); }
  Connection postgres_replica() const { return connection("postgres", "UDON_POSTGRES_REPLICA_URL"); }
  // An aws connection with the store's keys and endpoint; in it the bucket, made if it is not there.
  Connection s3(const std::string& bucket) const;
  // The file with the certificate that the server shows.
  std::string certificate(const std::string& name) const;

 private:
  std::string setting(const std::string& name, const std::string& variable) const;
  Connection connection(const std::string& name, const std::string& variable) const;
  Path folder_;
};

}  // namespace udon::test
