// publish_victim STAGED[,STAGED...] TO TRY_ID STEP PENDING [ENDPOINT]: publishes the staged files to a local folder, or
// to the tests' store at this endpoint, and kills itself before the step with this number (0 is the first; -1: never)
// or of this name. Prints the steps' number if it lives to the end.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "plugins/data/certifier.h"
#include "plugins/data/publisher.h"
#include "plugins/io/make_file_system.h"
#include "tests/data/no_file_system.h"

int main(int argc, char** argv) {
  if (argc != 6 && argc != 7) return 2;
  udon::data::PublishRequest request;
  for (const std::string& file : udon::split(argv[1], ',')) request.staged.emplace_back(file);
  request.to = argv[2];
  request.try_id = argv[3];
  request.pending_folder = argv[5];
  request.certificate.id = std::string("certificate of ") + argv[3];
  for (const udon::Path& file : request.staged) {
    const auto sha256 = udon::data::sha256_of_file(file);
    if (!sha256) return 3;
    request.certificate.files.push_back({.rows = 1, .bytes = std::filesystem::file_size(file), .sha256 = *sha256});
  }
  int step = 0;
  request.on_step = [&step, last = std::string(argv[4])](std::string_view name) {
    if (std::to_string(step++) == last || name == last) std::raise(SIGKILL);
  };
  request.part_bytes = 5 << 20;
  udon::test::NoFileSystem none;
  const udon::SystemClock clock;
  std::unique_ptr<udon::FileSystem> store;
  if (argc == 7) {
    udon::Connection connection{.id = "store", .type = "aws", .login = "udon", .password = "udonsecret"};
    connection.extra.set("endpoint_url", argv[6]);
    auto made = udon::make_file_system(request.to, connection, {.clock = clock, .environment = {}});
    if (!made) return 4;
    store = std::move(*made);
  }
  const auto published = udon::data::publish(store ? *store : none, request);
  if (!published) {
    std::fprintf(stderr, "%s\n", published.error().message.c_str());
    return 1;
  }
  std::printf("%d\n", step);
  return 0;
}
