#pragma once
// A bucket of the real store for tests of operators, and what stands in it.
#include <map>

#include "tests/data/store_proxy.h"
#include "tests/support/s3_operator.h"

namespace udon::test {

struct S3Bucket {
  explicit S3Bucket(std::string bucket_name) : name(std::move(bucket_name)), lake(Services().s3(name)) {}
  std::string name;
  Connection lake;
  std::unique_ptr<FileSystem> files = open_store(lake, name);
};

// A prefix of its own.
struct S3Place {
  S3Bucket& bucket;
  TemporaryFolder home;
  std::string prefix = make_secret(8) + "/";
  std::string uri = "s3://" + bucket.name + "/" + prefix;

  void put(const std::string& key, std::string_view content, const PutOptions& options = {}) const {
    const auto written = bucket.files->write(uri + key, content, options);
    if (!written) FAIL(written.error().message);
  }
  // By name below the prefix (and `folder` in it): the contents.
  std::map<std::string, std::string> there(const std::string& folder = {}) const {
    std::map<std::string, std::string> found;
    const auto objects = bucket.files->list(uri + folder);
    REQUIRE(objects);
    for (const ObjectInfo& object : *objects) {
      const auto content = bucket.files->read(object.uri, 64 << 20);
      REQUIRE(content);
      found[object.uri.substr(uri.size() + folder.size())] = *content;
    }
    return found;
  }
  std::vector<std::string> names(const std::string& folder = {}) const {
    std::vector<std::string> found;
    const auto objects = bucket.files->list(uri + folder);
    REQUIRE(objects);
    for (const ObjectInfo& object : *objects) found.push_back(object.uri.substr(uri.size() + folder.size()));
    return found;
  }
  Connection through(const std::string& endpoint) const {
    Connection connection = bucket.lake;
    connection.extra.set("endpoint_url", endpoint);
    return connection;
  }
};

}  // namespace udon::test
