#pragma once
// What tests of file systems share: the real store, boto3 beside us, files of known content.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/net/digest.h"
#include "base/random.h"
#include "base/subprocess.h"
#include "base/value.h"
#include "plugins/io/make_file_system.h"
#include "tests/golden.h"
#include "tests/support/services.h"

namespace udon::test {

inline const SystemClock system_clock;

// Without this machine's own AWS settings.
inline IoContext io_context() { return {.clock = system_clock, .environment = {}}; }

inline std::unique_ptr<FileSystem> open_store(const Connection& connection, const std::string& bucket,
                                              IoContext context = io_context()) {
  auto store = make_file_system("s3://" + bucket + "/", connection, std::move(context));
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

inline Value boto(const Connection& connection, std::vector<std::string> arguments) {
  std::vector<std::string> argv{(source_folder() / ".deps/venv/bin/python").string(),
                                (source_folder() / "tests/io/boto.py").string(), connection.option("endpoint_url")};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  auto output = run_command({.argv = argv, .environment = current_environment()}, std::chrono::minutes(2));
  REQUIRE(output);
  INFO(output->standard_error);
  REQUIRE(output->status.succeeded());
  auto answer = parse_json(output->standard_output);
  REQUIRE(answer);
  return std::move(*answer);
}

inline std::string random_bytes(size_t size, uint64_t seed) {
  Random random(seed);
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; i += 8) {
    const uint64_t word = random.next();
    for (size_t j = i; j < std::min(size, i + 8); ++j) bytes[j] = static_cast<char>(word >> (8 * (j - i)));
  }
  return bytes;
}

inline Path write_test_file(const Path& path, std::string_view content) {
  REQUIRE(write_file_atomically(path, content, Durability::survives_kill));
  return path;
}

}  // namespace udon::test
