#pragma once
// SQLite stores in folders of their own, which go with them.
#include "base/id.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/store/scene.h"

namespace udon::test {

struct Folder {
  Path path = std::filesystem::temp_directory_path() / ("udon-store-" + make_secret(8));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

inline std::shared_ptr<const Cipher> test_cipher() {
  static const auto cipher = *make_cipher(make_cipher_key());
  return cipher;
}

class SqliteWorld final : public World {
 public:
  SqliteWorld() { reopen(); }
  // Whatever a test did: what the file promises holds.
  ~SqliteWorld() override {
    close();
    const auto check = check_sqlite_store(file());
    CHECK(check);
    if (check) CHECK(check->problems == std::vector<std::string>());
  }
  Store& store() override { return *store_; }
  SqliteStore& sqlite() { return *store_; }
  Path file() const { return folder_.path / "udon.db"; }
  void close() { store_.reset(); }
  void reopen(const SqliteOptions& options = {}) {
    store_.reset();
    store_ = must(open_sqlite_store(file(), test_cipher(), OpenMode::create_or_migrate, options));
  }

 private:
  Folder folder_;
  std::unique_ptr<SqliteStore> store_;
};

}  // namespace udon::test
