#include "plugins/data/mask.h"

#include <catch2/catch.hpp>

#include "base/text.h"
#include "tests/data/arrays.h"

namespace udon::data {
namespace {

// base64 of the 32 bytes 0x00 … 0x1f.
constexpr const char* key_text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

std::string masked(const std::shared_ptr<arrow::Array>& values, int64_t at = 0) {
  const auto key = MaskKey::parse(key_text, "lake_mask");
  REQUIRE(key);
  const auto result = key->mask(*values);
  REQUIRE(result);
  return static_cast<const arrow::StringArray&>(**result).GetString(at);
}

// python3 -c 'import hmac; print(hmac.new(bytes(range(32)), "김민준@우동.한국".encode(), "sha256").hexdigest())'
TEST_CASE("a masked text is HMAC-SHA-256 of its UTF-8, in hex") {
  CHECK(masked(test::texts({"김민준@우동.한국"})) ==
        "29bb5237c24d74361514b5c460ea4d0577300b3c94ffb2ee53222fdd13d5df44");
  CHECK(masked(test::texts({""})) == "d38b42096d80f45f826b44a9d5607de72496a415d3f4a1a8c88e3bb9da8dc1cb");
}

// … hmac.new(bytes(range(32)), struct.pack("<q", -5), "sha256")
TEST_CASE("a masked integer is over its 8 bytes, so that columns of different widths still join") {
  CHECK(masked(test::ints({-5})) == "5e308f3addfa2f12209a2c69ab2cecbe3b8fdc25f3578f94a790956b13dc58bb");
  CHECK(masked(test::array_of<arrow::Int16Builder, int16_t>({int16_t{-5}})) ==
        "5e308f3addfa2f12209a2c69ab2cecbe3b8fdc25f3578f94a790956b13dc58bb");
}

TEST_CASE("NULL stays NULL") {
  const auto key = MaskKey::parse(key_text, "lake_mask");
  const auto result = key->mask(*test::texts({"a", std::nullopt, "a"}));
  REQUIRE(result);
  CHECK((*result)->IsNull(1));
  const auto& array = static_cast<const arrow::StringArray&>(**result);
  CHECK(array.GetString(0) == array.GetString(2));
}

TEST_CASE("a key longer than a block of SHA-256 is hashed first, as HMAC says") {
  std::vector<unsigned char> bytes(100, 'k');
  const auto key = MaskKey::parse(to_base64(bytes), "lake_mask");
  REQUIRE(key);
  const auto result = key->mask(*test::texts({"a"}));
  REQUIRE(result);
  CHECK(static_cast<const arrow::StringArray&>(**result).GetString(0) ==
        "dd696f0644cab7b29da3485019a14760309158b646c88d66edf3ff6066a55ddf");
}

TEST_CASE("a key that is too short or no base64 is refused without being shown") {
  for (const std::string text : {"", "c2hvcnQ=", "not base64 !!", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}) {
    const auto key = MaskKey::parse(text, "lake_mask");
    REQUIRE_FALSE(key);
    CHECK(key.error().message.find("lake_mask") != std::string::npos);
    if (!text.empty()) CHECK(key.error().message.find(text) == std::string::npos);
  }
}

TEST_CASE("two keys have two fingerprints, one key always the same") {
  std::vector<unsigned char> other(32, 9);
  CHECK(MaskKey::parse(key_text, "a")->fingerprint() == MaskKey::parse(key_text, "b")->fingerprint());
  CHECK(MaskKey::parse(key_text, "a")->fingerprint() != MaskKey::parse(to_base64(other), "a")->fingerprint());
  CHECK(MaskKey::parse(key_text, "a")->fingerprint().size() == 16);
}

}  // namespace
}  // namespace udon::data
