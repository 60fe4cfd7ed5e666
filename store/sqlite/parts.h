#pragma once
// The three faces of SqliteStore, made of what they need.
#include <memory>
#include <mutex>

#include "connections/secrets/cipher.h"
#include "store/outbox.h"
#include "store/reader.h"
#include "store/settings.h"
#include "store/sqlite/database.h"
#include "store/sqlite/reader_pool.h"
#include "store/writer.h"

namespace udon::sqlite {

// The one connection that writes, of the loop and of settings. SQLite lets one write at a time anyway; waiting here is
// fair and wakes at once, while SQLite's own waiting sleeps. This is the one lock held over I/O: it is the
// connection's.
class WriteConnection {
 public:
  explicit WriteConnection(std::unique_ptr<Database> database) : database_(std::move(database)) {}  // none: read-only

  // f(Database&) in one transaction, committed if it returns without an error.
  template <class T, class F>
  Result<T> write(F f) {
    const std::lock_guard lock(mutex_);
    if (!database_) return Error{ErrorKind::denied, "the store was opened for reading only"};
    TRY_ASSIGN(Transaction transaction, Transaction::begin(*database_, Transaction::Kind::write));
    Result<T> result = f(*database_);
    if (!result) return result;
    TRY(transaction.commit());
    return result;
  }
  // Without a transaction.
  template <class T, class F>
  Result<T> use(F f) {
    const std::lock_guard lock(mutex_);
    if (!database_) return Error{ErrorKind::denied, "the store was opened for reading only"};
    return f(*database_);
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Database> database_;
};

std::unique_ptr<StoreReader> make_reader(ReaderPool& readers);
std::unique_ptr<StoreWriter> make_writer(WriteConnection& connection);
std::unique_ptr<StoreOutbox> make_outbox(ReaderPool& readers, WriteConnection& connection);
std::unique_ptr<StoreSettings> make_settings(ReaderPool& readers, WriteConnection& connection,
                                             std::shared_ptr<const Cipher> cipher);

}  // namespace udon::sqlite
