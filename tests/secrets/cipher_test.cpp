#include "connections/secrets/cipher.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <set>
#include <thread>
#include <vector>

#include "base/id.h"
#include "base/text.h"

using namespace udon;

namespace {

struct Folder {
  Path path = std::filesystem::temp_directory_path() / ("udon-cipher-" + make_secret(8));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("what was encrypted comes back, whatever bytes it has") {
  const auto cipher = *make_cipher(make_cipher_key());
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes.push_back(static_cast<char>(i));
  for (const std::string& plain : {std::string(), std::string("비밀 p@ss"), all_bytes, std::string(1 << 20, 'x')}) {
    const std::string sealed = *cipher->encrypt(plain, "connection market");
    CHECK(*cipher->decrypt(sealed, "connection market") == plain);
    CHECK(is_valid_utf8(sealed));
    if (!plain.empty()) CHECK(sealed.find(plain) == std::string::npos);
  }
}

TEST_CASE("the same secret looks different each time") {
  const auto cipher = *make_cipher(make_cipher_key());
  CHECK(*cipher->encrypt("secret", "a") != *cipher->encrypt("secret", "a"));
}

TEST_CASE("a wrong key is named, not obeyed") {
  const auto ours = *make_cipher(make_cipher_key());
  const auto theirs = *make_cipher(make_cipher_key());
  const auto opened = theirs->decrypt(*ours->encrypt("secret", "connection market"), "connection market");
  REQUIRE(!opened);
  CHECK(opened.error().kind == ErrorKind::denied);
  CHECK_THAT(opened.error().message, Catch::Contains("connection market") && Catch::Contains(ours->fingerprint()) &&
                                         Catch::Contains(theirs->fingerprint()) &&
                                         Catch::Contains("UDON__CORE__SECRET_KEY"));
}

TEST_CASE("a damaged or transplanted secret does not open") {
  const auto cipher = *make_cipher(make_cipher_key());
  const std::string sealed = *cipher->encrypt("secret", "connection a");
  CHECK(cipher->decrypt(sealed, "connection b").error().kind == ErrorKind::data);
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK(!cipher->decrypt(changed, "connection a"));
    CHECK(!cipher->decrypt(sealed.substr(0, i), "connection a"));
  }
}

TEST_CASE("a key that is no key is refused without quoting it") {
  for (const std::string& key : {std::string(), std::string("hunter2"), to_base64(std::vector<unsigned char>(31)),
                                 to_base64(std::vector<unsigned char>(33))}) {
    const auto cipher = make_cipher(key);
    REQUIRE(!cipher);
    CHECK(cipher.error().kind == ErrorKind::invalid);
    CHECK_THAT(cipher.error().message, Catch::Contains("32 bytes as base64"));
    if (!key.empty()) CHECK(cipher.error().message.find(key) == std::string::npos);
  }
  const std::string key = make_cipher_key();
  CHECK((*make_cipher(key))->fingerprint() == (*make_cipher("  " + key + "\n"))->fingerprint());
}

TEST_CASE("the key file is made once, private, and the same for all who start at once") {
  const Folder folder;
  const Path file = folder.path / "secret.key";
  std::vector<std::string> keys(8);
  {
    std::vector<std::jthread> starters;
    for (std::string& key : keys) {
      starters.emplace_back([&] {
        const auto got = read_or_make_cipher_key(file);
        key = got ? *got : got.error().message;
      });
    }
  }
  CHECK(std::set(keys.begin(), keys.end()).size() == 1);
  CHECK(make_cipher(keys[0]));
  struct stat status {};
  REQUIRE(stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);

  REQUIRE(chmod(file.c_str(), 0644) == 0);
  const auto open_to_all = read_or_make_cipher_key(file);
  REQUIRE(!open_to_all);
  CHECK(open_to_all.error().kind == ErrorKind::denied);
  CHECK_THAT(open_to_all.error().message, Catch::Contains("chmod 600"));

  REQUIRE(write_file_atomically(file, "not a key\n", Durability::survives_kill, 0600));
  const auto broken = read_or_make_cipher_key(file);
  REQUIRE(!broken);
  CHECK_THAT(broken.error().message, Catch::Contains("secret.key"));
  CHECK(broken.error().message.find("not a key") == std::string::npos);
  CHECK(read_or_make_cipher_key(folder.path / "absent" / "secret.key").error().kind == ErrorKind::not_found);
}
