#pragma once
// Encryption at rest of what the store keeps and others must not read: passwords, tokens, keys. The key is not in the
// database: whoever gets only a copy of the file learns nothing.
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace udon {

class Cipher {
 public:
  virtual ~Cipher() = default;
  // Text that can be stored and shown, other each time: "v1:<key's fingerprint>:<base64>". `context` says what the
  // secret belongs to ("connection market") and must be the same again to open it: a sealed text copied elsewhere does
  // not open.
  virtual Result<std::string> encrypt(std::string_view plain, std::string_view context) const = 0;
  // denied: sealed with another key (names both fingerprints). data: damaged, or sealed for another context.
  virtual Result<std::string> decrypt(std::string_view sealed, std::string_view context) const = 0;
  // Tells keys apart without telling anything of them; 16 hex digits.
  virtual std::string fingerprint() const = 0;
};

// XChaCha20-Poly1305 (libsodium). The key: 32 bytes as base64. Errors never quote it.
Result<std::shared_ptr<const Cipher>> make_cipher(std::string_view key_base64);

// A new random key as base64.
std::string make_cipher_key();

// The key in `file`; made there, mode 0600, if there is none. Two processes that start at once get the same. A file
// that others may read is an error (denied).
Result<std::string> read_or_make_cipher_key(const Path& file);

}  // namespace udon
