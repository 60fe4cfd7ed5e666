#include "connections/secrets/cipher.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/ensure.h"
#include "base/id.h"
#include "base/text.h"

namespace udon {

namespace {

constexpr size_t key_bytes = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
constexpr size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::string_view version = "v1:";

using Key = std::array<unsigned char, key_bytes>;

void begin_sodium() { ENSURE(sodium_init() >= 0, "libsodium cannot start: the kernel gives no random bytes"); }

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string fingerprint_of(const Key& key) {
  constexpr std::string_view purpose = "udon secret key fingerprint";
  std::array<unsigned char, crypto_generichash_BYTES_MIN> hash{};
  crypto_generichash(hash.data(), hash.size(), bytes_of(purpose), purpose.size(), key.data(), key.size());
  return to_hex(std::span(hash).first<8>());
}

class SodiumCipher final : public Cipher {
 public:
  explicit SodiumCipher(const Key& key) : key_(key), fingerprint_(fingerprint_of(key)) {}
  ~SodiumCipher() override { sodium_memzero(key_.data(), key_.size()); }
  SodiumCipher(const SodiumCipher&) = delete;
  SodiumCipher& operator=(const SodiumCipher&) = delete;

  Result<std::string> encrypt(std::string_view plain, std::string_view context) const override {
    std::vector<unsigned char> sealed(nonce_bytes + plain.size() + tag_bytes);
    randombytes_buf(sealed.data(), nonce_bytes);
    unsigned long long length = 0;
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data() + nonce_bytes, &length, bytes_of(plain), plain.size(),
                                               bytes_of(context), context.size(), nullptr, sealed.data(), key_.data());
    return std::string(version) + fingerprint_ + ":" + to_base64(sealed);
  }

  Result<std::string> decrypt(std::string_view sealed, std::string_view context) const override {
    const Error damaged{ErrorKind::data, "the secret of " + std::string(context) +
                                             " is damaged, or was copied from elsewhere; enter it again"};
    const size_t colon = sealed.find(':', version.size());
    if (!sealed.starts_with(version) || colon == std::string_view::npos) return damaged;
    const std::string_view maker = sealed.substr(version.size(), colon - version.size());
    if (maker != fingerprint_) {
      return Error{ErrorKind::denied, "the secret of " + std::string(context) + " was encrypted with the key " +
                                          std::string(maker) + ", but the key given is " + fingerprint_ +
                                          "; give the right key (UDON__CORE__SECRET_KEY, or secret.key in UDON_HOME), "
                                          "or enter the secret again"};
    }
    const auto bytes = from_base64(sealed.substr(colon + 1));
    if (!bytes || bytes->size() < nonce_bytes + tag_bytes) return damaged;
    std::string plain(bytes->size() - nonce_bytes - tag_bytes, '\0');
    unsigned long long length = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            reinterpret_cast<unsigned char*>(plain.data()), &length, nullptr, bytes->data() + nonce_bytes,
            bytes->size() - nonce_bytes, bytes_of(context), context.size(), bytes->data(), key_.data()) != 0) {
      return damaged;
    }
    return plain;
  }

  std::string fingerprint() const override { return fingerprint_; }

 private:
  Key key_;
  std::string fingerprint_;
};

Result<std::string> read_key(const Path& file) {
  TRY_ASSIGN(const FileDescriptor fd, open_file(file, O_RDONLY));
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return io_error("stat", file, errno);
  if ((status.st_mode & 077) != 0) {
    return Error{ErrorKind::denied, file.string() +
                                        " is open to other users; it holds the key of all secrets: run "
                                        "chmod 600 " +
                                        shell_quote(file.string())};
  }
  TRY_ASSIGN(const std::string text, read_file(file, 4096));
  const std::string key(trim(text));
  // Said here, because only here the file is known.
  if (const auto cipher = make_cipher(key); !cipher) return cipher.error().within(file.string());
  return key;
}

}  // namespace

Result<std::shared_ptr<const Cipher>> make_cipher(std::string_view key_base64) {
  begin_sodium();
  auto bytes = from_base64(trim(key_base64));
  if (!bytes || bytes->size() != key_bytes) {
    return Error{ErrorKind::invalid,
                 "the secret key must be 32 bytes as base64 (44 characters, such as `openssl rand "
                 "-base64 32` prints); what was given is " +
                     (bytes ? std::to_string(bytes->size()) + " bytes" : "no base64")};
  }
  Key key;
  std::memcpy(key.data(), bytes->data(), key.size());
  auto cipher = std::make_shared<const SodiumCipher>(key);
  sodium_memzero(bytes->data(), bytes->size());
  sodium_memzero(key.data(), key.size());
  return std::shared_ptr<const Cipher>(std::move(cipher));
}

std::string make_cipher_key() {
  begin_sodium();
  Key key;
  randombytes_buf(key.data(), key.size());
  return to_base64(key);
}

Result<std::string> read_or_make_cipher_key(const Path& file) {
  auto key = read_key(file);
  if (key || key.error().kind != ErrorKind::not_found) return key;
  // Written whole beside it, then linked: whoever comes second finds the first one's key, never half of one.
  const Path fresh = file.string() + ".new-" + make_secret(8);
  TRY(write_file_atomically(fresh, make_cipher_key() + "\n", Durability::survives_power_loss, 0600));
  const int linked = link(fresh.c_str(), file.c_str());
  const int error_number = errno;
  unlink(fresh.c_str());
  if (linked != 0 && error_number != EEXIST) return io_error("link", file, error_number);
  TRY(sync_directory(file.parent_path().empty() ? Path(".") : file.parent_path()));
  return read_key(file);
}

}  // namespace udon
