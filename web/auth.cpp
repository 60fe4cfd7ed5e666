#include "web/auth.h"

#include <pwd.h>
#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <semaphore>
#include <vector>

#include "base/ensure.h"
#include "base/text.h"
#include "base/value.h"

namespace udon::web {
namespace {

constexpr const char* invalid_token =
    "Invalid JWT token: POST /auth/token with `username` and `password` gives a valid one";

void start_sodium() {
  static const bool started = sodium_init() >= 0;
  ENSURE(started, "libsodium has no source of randomness");
}

constexpr unsigned long long argon2_passes = 2;
constexpr size_t argon2_bytes = 19 << 20;
std::counting_semaphore<2>& hashing() {
  static std::counting_semaphore<2> two_at_a_time(2);
  return two_at_a_time;
}

std::span<const unsigned char> bytes_of(std::string_view text) {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

// RFC 4648 §5 without padding.
std::string to_base64url(std::string_view text) {
  std::string encoded = to_base64(bytes_of(text));
  while (!encoded.empty() && encoded.back() == '=') encoded.pop_back();
  std::replace(encoded.begin(), encoded.end(), '+', '-');
  std::replace(encoded.begin(), encoded.end(), '/', '_');
  return encoded;
}
std::optional<std::string> from_base64url(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '-', '+');
  std::replace(plain.begin(), plain.end(), '_', '/');
  while (plain.size() % 4 != 0) plain += '=';
  const auto bytes = from_base64(plain);
  if (!bytes) return std::nullopt;
  return std::string(bytes->begin(), bytes->end());
}

// {"alg":"HS256","typ":"JWT"}
const std::string& token_header() {
  static const std::string header = to_base64url(R"({"alg":"HS256","typ":"JWT"})");
  return header;
}

// Changes with the password, tells nothing about it.
std::string fingerprint(std::string_view key, const UserRecord& user) {
  const std::string mac = hmac_sha256(key, "password:" + user.password_hash);
  return to_hex(bytes_of(mac).first(8));
}

tl::unexpected<Response> refuse(int status, const char* why) {
  Response response = error_response(status, why);
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return tl::unexpected(std::move(response));
}

std::string name_of_uid(uid_t uid) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->pw_name;
  return std::to_string(uid);
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  start_sodium();
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, bytes_of(key).data(), key.size());
  crypto_auth_hmacsha256_update(&state, bytes_of(text).data(), text.size());
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac;
  crypto_auth_hmacsha256_final(&state, mac.data());
  return {mac.begin(), mac.end()};
}

bool equal_secretly(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<std::string> hash_password(std::string_view password) {
  start_sodium();
  std::array<char, crypto_pwhash_STRBYTES> hash{};
  hashing().acquire();
  const int failed = crypto_pwhash_str_alg(hash.data(), password.data(), password.size(), argon2_passes, argon2_bytes,
                                           crypto_pwhash_ALG_ARGON2ID13);
  hashing().release();
  if (failed) return Error{ErrorKind::unavailable, "not enough memory to hash a password"};
  return std::string(hash.data());
}

bool verify_password(const std::string& hash, std::string_view password) {
  start_sodium();
  hashing().acquire();
  const bool matches = crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
  hashing().release();
  return matches;
}

std::optional<std::string> problem_of_password(std::string_view password) {
  if (password.size() < 8) return "a password has at least 8 characters";
  if (password.size() > 1024) return "a password has at most 1,024 bytes";
  return std::nullopt;
}

std::optional<Duration> LoginBrake::take(const std::string& who, Duration now) {
  constexpr size_t buckets_max = 10'000;
  const std::lock_guard lock(mutex_);
  const auto refilled = [&](const Bucket& bucket) {
    return std::max(
        0.0, bucket.used - static_cast<double>((now - bucket.at).count()) / static_cast<double>(refill_.count()));
  };
  if (buckets_.size() >= buckets_max)
    std::erase_if(buckets_, [&](const auto& entry) { return refilled(entry.second) == 0; });
  if (buckets_.size() >= buckets_max && !buckets_.contains(who)) return refill_;  // under attack: everybody new waits
  Bucket& bucket = buckets_[who];
  bucket.used = refilled(bucket);
  bucket.at = now;
  if (bucket.used + 1 > burst_)
    return Duration(static_cast<int64_t>((bucket.used + 1 - burst_) * static_cast<double>(refill_.count())));
  bucket.used += 1;
  return std::nullopt;
}

void LoginBrake::forgive(const std::string& who) {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(who);
  if (found != buckets_.end()) found->second.used = std::max(0.0, found->second.used - 1);
}

Authenticator::Authenticator(std::string key, StoreSettings& settings, const Clock& clock)
    : key_(std::move(key)), settings_(settings), clock_(clock), brake_(10, std::chrono::seconds(10)) {
  ENSURE(key_.size() >= 16, "the key that signs tokens is too short");
}

std::string Authenticator::sign(const UserRecord& user, Role role, Duration life) const {
  const auto seconds = [](TimePoint time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  };
  const TimePoint now = clock_.now();
  const Value claims = Value::Map{{"sub", user.name},
                                  {"role", std::string(to_string(role))},
                                  {"fingerprint", fingerprint(key_, user)},
                                  {"iat", int64_t{seconds(now)}},
                                  {"exp", int64_t{seconds(now + life)}}};
  const std::string text = token_header() + "." + to_base64url(to_json(claims));
  return text + "." + to_base64url(hmac_sha256(key_, text));
}

Login Authenticator::login(const std::string& name, const std::string& password, const std::string& from,
                           Duration life) {
  const std::string by_address = "address " + from, by_name = "user " + name;
  const Duration now = clock_.monotonic();
  std::optional<Duration> wait = brake_.take(by_address, now);
  if (!wait) wait = brake_.take(by_name, now);
  if (wait) return {.verdict = Login::Verdict::braked, .wait = *wait};
  const Result<std::optional<UserRecord>> user = settings_.user(name);
  if (!user) return {.verdict = Login::Verdict::failed, .error = user.error()};
  // An unknown name must take as long as a wrong password.
  static const std::string nobody = hash_password("nobody").value_or("");
  const bool matches = verify_password(*user ? (*user)->password_hash : nobody, password);
  if (!*user || !matches) return {.verdict = Login::Verdict::refused};
  brake_.forgive(by_address);
  brake_.forgive(by_name);
  return {.verdict = Login::Verdict::accepted,
          .token = sign(**user, parse_role((*user)->role).value_or(Role::viewer), life)};
}

Result<std::string> Authenticator::make_token(const std::string& name, Role role, Duration life) {
  TRY_ASSIGN(const std::optional<UserRecord> user, settings_.user(name));
  if (!user) return Error{ErrorKind::not_found, "The User with name: `" + name + "` was not found"};
  return sign(*user, role, life);
}

tl::expected<User, Response> Authenticator::authenticate(const Request& request) {
  if (const std::string* header = request.header("authorization")) {
    // RFC 7235: the scheme's case does not matter.
    if (header->size() > 7 && lower_ascii(header->substr(0, 7)) == "bearer ")
      return check_token(trim(header->substr(7)));
    return refuse(401, "Not authenticated");
  }
  // A task's own process runs as the same user; what it asks as a try must not be answered as to an administrator.
  if (request.header("x-udon-try")) return refuse(401, "Not authenticated");
  if (request.peer.is_local_socket && request.peer.uid && (*request.peer.uid == ::geteuid() || *request.peer.uid == 0))
    return User{name_of_uid(*request.peer.uid), Role::admin};
  return refuse(401, "Not authenticated");
}

tl::expected<User, Response> Authenticator::check_token(std::string_view token) {
  const size_t last_dot = token.rfind('.');
  const size_t first_dot = token.find('.');
  if (first_dot == std::string_view::npos || first_dot == last_dot) return refuse(403, invalid_token);
  // Only what we sign ourselves is read: the header must be ours to the letter, so "alg":"none" never gets this far.
  if (token.substr(0, first_dot) != token_header()) return refuse(403, invalid_token);
  const auto signature = from_base64url(token.substr(last_dot + 1));
  if (!signature || !equal_secretly(*signature, hmac_sha256(key_, token.substr(0, last_dot))))
    return refuse(403, invalid_token);
  const auto text = from_base64url(token.substr(first_dot + 1, last_dot - first_dot - 1));
  const Result<Value> claims = text ? parse_json(*text) : Result<Value>(Error{ErrorKind::invalid, ""});
  if (!claims) return refuse(403, invalid_token);
  const TimePoint expires{std::chrono::seconds(claims->integer("exp"))};
  if (expires <= clock_.now()) return refuse(401, "Token Expired");
  const std::string name = claims->text("sub");
  const Result<std::optional<UserRecord>> user = settings_.user(name);
  if (!user) return tl::unexpected(error_response(user.error()));
  if (!*user || claims->text("fingerprint") != fingerprint(key_, **user)) return refuse(401, "Token Expired");
  const Role role = std::min(parse_role((*user)->role).value_or(Role::viewer),
                             parse_role(claims->text("role")).value_or(Role::viewer));
  return User{name, role};
}

}  // namespace udon::web
