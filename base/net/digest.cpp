#include "base/net/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/ensure.h"

namespace udon {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  ENSURE(state_->context && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "OpenSSL has SHA-256");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  ENSURE(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1,
         "a digest takes bytes until it is finished");
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest{};
  ENSURE(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1, "a digest is finished once");
  return digest;
}

Sha256Digest sha256(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish();
}

Sha256Digest hmac_sha256(std::string_view key, std::string_view text) {
  Sha256Digest digest{};
  unsigned size = 0;
  const auto* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  ENSURE(done && size == digest.size(), "OpenSSL has HMAC-SHA-256");
  return digest;
}

std::array<unsigned char, 16> md5(std::string_view bytes) {
  std::array<unsigned char, 16> digest{};
  unsigned size = 0;
  ENSURE(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_md5(), nullptr) == 1 && size == digest.size(),
         "OpenSSL has MD5");
  return digest;
}

}  // namespace udon
