#pragma once
// Who somebody is: passwords, bearer tokens, and the brake on guessing. What somebody may do stands at each route.
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "store/settings.h"
#include "web/http.h"
#include "web/router.h"

namespace udon::web {

// HMAC-SHA-256; `key` of any length.
std::string hmac_sha256(std::string_view key, std::string_view text);
// In a time that does not depend on where they differ.
bool equal_secretly(std::string_view a, std::string_view b);

// Argon2id in libsodium's string form, 19 MiB and two passes (OWASP's choice): 256 answering threads must not need
// gigabytes, so hashing is done by two threads at a time at most.
Result<std::string> hash_password(std::string_view password);
bool verify_password(const std::string& hash, std::string_view password);
// What is wrong with a password that somebody chose, or nothing.
std::optional<std::string> problem_of_password(std::string_view password);

// Slows down guessing: after `burst` failures one more is allowed each `refill`. Thread-safe; bounded memory.
class LoginBrake {
 public:
  LoginBrake(int burst, Duration refill) : burst_(burst), refill_(refill) {}
  // Nothing: go on. Else how long to wait. Takes one from the allowance; `forgive` gives it back after a success.
  std::optional<Duration> take(const std::string& who, Duration now);
  void forgive(const std::string& who);

 private:
  struct Bucket {
    double used = 0;
    Duration at{};
  };
  const int burst_;
  const Duration refill_;
  std::mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_;
};

// What became of a login.
struct Login {
  enum class Verdict { accepted, refused, braked, failed };
  Verdict verdict = Verdict::refused;
  std::string token;  // accepted
  Duration wait{};    // braked: too many failures from this address or for this name
  Error error;        // failed: the store did not answer
};

// Bearer tokens: JWT, HS256. They name the user and carry a fingerprint of the password hash: a token ends when its
// user is deleted, demoted or given another password, not only when it expires.
class Authenticator {
 public:
  // `key` signs tokens: the same after a restart, never in the store. References outlive it.
  Authenticator(std::string key, StoreSettings& settings, const Clock& clock);

  static constexpr Duration login_life = std::chrono::hours(24);
  static constexpr Duration cli_life = std::chrono::hours(1);

  // Refused alike whether the name or the password is wrong, and after the same time.
  Login login(const std::string& name, const std::string& password, const std::string& from, Duration life);
  // A token for somebody who need not show a password (an administrator makes it); its role is the lesser of `role`
  // and the user's own at the time of use.
  Result<std::string> make_token(const std::string& name, Role role, Duration life);
  // What Router wants: `Authorization: Bearer`, or, without one, a process of our own user (or root) at the local
  // socket, which is admin: it could read the store's file as well.
  tl::expected<User, Response> authenticate(const Request& request);

 private:
  std::string sign(const UserRecord& user, Role role, Duration life) const;
  tl::expected<User, Response> check_token(std::string_view token);

  const std::string key_;
  StoreSettings& settings_;
  const Clock& clock_;
  LoginBrake brake_;
};

}  // namespace udon::web
