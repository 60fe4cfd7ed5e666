// Many bytes at once find what one after the other finds, wherever it stands, and whatever stands beside the bytes.
#include <catch2/catch.hpp>
#include <string>

#include "plugins/data/byte_scan.h"

namespace udon::data {
namespace {

TEST_CASE("the end of a field is found at every place of texts of every length") {
  for (size_t length = 0; length < 70; ++length) {
    for (size_t before = 0; before < 20; ++before) {
      // What is looked for stands before and behind the bytes that are asked about.
      std::string text = std::string(before, ',') + std::string(length, 'x') + ",\n\r\"\\";
      const char* const begin = text.data();
      const char* const at = begin + before;
      const char* const end = at + length;
      REQUIRE(find_field_end(at, begin, end, ',') == end);
      REQUIRE(find_field_end(at, at, end, ',') == end);
      for (size_t place = 0; place < length; ++place) {
        for (const char found : {',', '\n', '\r'}) {
          text[before + place] = found;
          if (place + 1 < length) text[before + length - 1] = ',';  // a later one does not matter
          REQUIRE(find_field_end(at, begin, end, ',') == at + place);
          REQUIRE(find_field_end(at, at, end, ',') == at + place);
          text[before + place] = text[before + length - 1] = 'x';
        }
      }
    }
  }
}

TEST_CASE("each byte that a text of JSON cannot simply hold is found, and no other") {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool is_special = byte < 0x20 || c == '"' || c == '\\';
    for (size_t length : {1, 15, 16, 17, 33}) {
      for (size_t place = 0; place < length; ++place) {
        std::string text(length, 'x');
        text[place] = c;
        const char* const end = text.data() + length;
        INFO(byte << " at " << place << " of " << length);
        REQUIRE(find_in_json_text(text.data(), text.data(), end) == (is_special ? text.data() + place : end));
      }
    }
  }
}

TEST_CASE("bytes are counted, more than a byte can count, too") {
  for (size_t length : {0, 1, 15, 16, 17, 4079, 4080, 4081, 10'000}) {
    const std::string all(length, '\n');
    CHECK(count_bytes(all.data(), all.data() + length, '\n') == static_cast<int64_t>(length));
    CHECK(count_bytes(all.data(), all.data() + length, 'x') == 0);
    std::string some(length, 'x');
    for (size_t i = 0; i < length; i += 7) some[i] = '\n';
    CHECK(count_bytes(some.data(), some.data() + length, '\n') == static_cast<int64_t>((length + 6) / 7));
  }
}

}  // namespace
}  // namespace udon::data
