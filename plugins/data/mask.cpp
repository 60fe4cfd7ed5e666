#include "plugins/data/mask.h"

#include <arrow/builder.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>

#include "base/ensure.h"
#include "base/text.h"
#include "plugins/data/array_hash.h"
#include "plugins/data/arrow_result.h"

namespace udon::data {
namespace {

constexpr size_t block_bytes = 64;  // of SHA-256
constexpr size_t digest_bytes = 32;
constexpr size_t key_bytes_min = 32;

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

Context started_with(const std::array<unsigned char, block_bytes>& block) {
  Context context(EVP_MD_CTX_new());
  ENSURE(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
             EVP_DigestUpdate(context.get(), block.data(), block.size()) == 1,
         "SHA-256 is always there");
  return context;
}

std::array<unsigned char, digest_bytes> sha256(std::string_view bytes) {
  std::array<unsigned char, digest_bytes> digest{};
  unsigned int length = 0;
  ENSURE(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1,
         "SHA-256 is always there");
  return digest;
}

}  // namespace

// The two halves of HMAC with the key already taken in: a value costs two copies instead of two key schedules.
struct MaskKey::State {
  Context inner;
  Context outer;
  Context scratch{EVP_MD_CTX_new()};
};

MaskKey::MaskKey(std::unique_ptr<State> state, std::string fingerprint)
    : state_(std::move(state)), fingerprint_(std::move(fingerprint)) {}
MaskKey::MaskKey(MaskKey&& other) noexcept = default;
MaskKey::~MaskKey() = default;

Result<MaskKey> MaskKey::parse(std::string_view base64, const std::string& connection_id) {
  auto key = from_base64(base64);
  if (!key || key->size() < key_bytes_min)
    return Error{ErrorKind::invalid,
                 fmt::format("the password of connection `{}` is no mask key: it must be at least {} random bytes in "
                             "base64. Make one with `head -c 32 /dev/urandom | base64`",
                             connection_id, key_bytes_min)};
  std::string named = "udon mask key";
  named.append(key->begin(), key->end());
  const auto print = sha256(named);
  OPENSSL_cleanse(named.data(), named.size());

  std::array<unsigned char, block_bytes> block{};
  if (key->size() > block_bytes) {
    const auto digest = sha256({reinterpret_cast<const char*>(key->data()), key->size()});
    std::memcpy(block.data(), digest.data(), digest.size());
  } else {
    std::memcpy(block.data(), key->data(), key->size());
  }
  OPENSSL_cleanse(key->data(), key->size());
  auto state = std::make_unique<State>();
  for (auto& byte : block) byte ^= 0x36;
  state->inner = started_with(block);
  for (auto& byte : block) byte ^= 0x36 ^ 0x5c;
  state->outer = started_with(block);
  OPENSSL_cleanse(block.data(), block.size());
  return MaskKey(std::move(state), to_hex({print.data(), 8}));
}

Result<std::shared_ptr<arrow::Array>> MaskKey::mask(const arrow::Array& values) const {
  TRY_ASSIGN(const std::vector<std::string> canonical, canonical_bytes(values));
  arrow::StringBuilder builder;
  TRY(from_arrow(builder.Reserve(values.length()), "mask"));
  TRY(from_arrow(builder.ReserveData(values.length() * 2 * static_cast<int64_t>(digest_bytes)), "mask"));
  std::array<unsigned char, digest_bytes> digest{};
  unsigned int length = 0;
  EVP_MD_CTX* scratch = state_->scratch.get();
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const std::string& bytes = canonical[static_cast<size_t>(i)];
    ENSURE(EVP_MD_CTX_copy_ex(scratch, state_->inner.get()) == 1 &&
               EVP_DigestUpdate(scratch, bytes.data(), bytes.size()) == 1 &&
               EVP_DigestFinal_ex(scratch, digest.data(), &length) == 1 &&
               EVP_MD_CTX_copy_ex(scratch, state_->outer.get()) == 1 &&
               EVP_DigestUpdate(scratch, digest.data(), digest.size()) == 1 &&
               EVP_DigestFinal_ex(scratch, digest.data(), &length) == 1,
           "SHA-256 of bytes in memory cannot fail");
    builder.UnsafeAppend(to_hex(digest));
  }
  std::shared_ptr<arrow::Array> masked;
  TRY(from_arrow(builder.Finish(&masked), "mask"));
  return masked;
}

}  // namespace udon::data
