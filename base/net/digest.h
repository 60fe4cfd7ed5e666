#pragma once
// SHA-256 and MD5 by OpenSSL. MD5 only where a protocol's answer is one (an ETag).
#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace udon {

using Sha256Digest = std::array<unsigned char, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::string_view bytes);
  Sha256Digest finish();  // once; the object is spent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256Digest sha256(std::string_view bytes);
Sha256Digest hmac_sha256(std::string_view key, std::string_view text);
std::array<unsigned char, 16> md5(std::string_view bytes);

// A digest's bytes as text, for use as the next key or in a sum of sums.
inline std::string_view as_text(std::span<const unsigned char> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace udon
