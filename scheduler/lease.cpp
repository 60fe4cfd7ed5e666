#include "scheduler/lease.h"

namespace udon {

Result<Lease> Lease::acquire(const Path& home) {
  TRY(make_directories(home));
  auto lock = FileLock::acquire(home / "lock");
  if (lock) return Lease(std::move(*lock));
  if (lock.error().kind != ErrorKind::conflict) return lock.error();
  return Error{ErrorKind::conflict, "another scheduler runs for " + home.string() + ": " + lock.error().message};
}

}  // namespace udon
