#pragma once
// Masks: a column's values replaced by keyed hashes, so that joins still work and nobody can guess back without the
// key.
//   HMAC-SHA-256 (RFC 2104) over the value's canonical bytes (canonical.h), as 64 lower-case hex digits; NULL stays
//   NULL.
#include <arrow/api.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace udon::data {

class MaskKey {
 public:
  // `base64`: at least 32 bytes. invalid otherwise; the message never quotes it.
  static Result<MaskKey> parse(std::string_view base64, const std::string& connection_id);
  ~MaskKey();
  MaskKey(MaskKey&& other) noexcept;
  MaskKey& operator=(MaskKey&&) = delete;
  MaskKey(const MaskKey&) = delete;

  // The first 16 hex digits of SHA-256("udon mask key" + key): tells keys apart, gives nothing away.
  const std::string& fingerprint() const { return fingerprint_; }
  Result<std::shared_ptr<arrow::Array>> mask(const arrow::Array& values) const;

 private:
  struct State;
  explicit MaskKey(std::unique_ptr<State> state, std::string fingerprint);
  std::unique_ptr<State> state_;
  std::string fingerprint_;
};

}  // namespace udon::data
