#include "base/text.h"
#include "base/unicode.h"

#include <catch2/catch.hpp>

#include "base/random.h"

using namespace udon;
using Texts = std::vector<std::string>;

TEST_CASE("split keeps empty parts and join undoes it") {
  CHECK(split("a,,b", ',') == Texts{"a", "", "b"});
  CHECK(split("", ',') == Texts{""});
  CHECK(split(",", ',') == Texts{"", ""});
  CHECK(join(split("a,,b", ','), ",") == "a,,b");
  CHECK(join(Texts{}, ",").empty());
}

TEST_CASE("trim and lower_ascii leave the inside and other scripts alone") {
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(trim(" \n").empty());
  CHECK(lower_ascii("ÄB가Z") == "Äb가z");
}

TEST_CASE("every sequence of bytes is valid UTF-8 if it is one character after the other") {
  const std::string bytes = {'a',    '\x7f', '\x80', '\x8f', '\x90', '\x9f', '\xa0', '\xbf', '\xc0', '\xc2', '\xdf',
                             '\xe0', '\xe1', '\xec', '\xed', '\xee', '\xef', '\xf0', '\xf1', '\xf4', '\xf5'};
  const auto by_characters = [](std::string_view text) {
    while (!text.empty()) {
      const CodePoint point = decode_utf8(text);
      if (!point.is_valid) return false;
      text.remove_prefix(static_cast<size_t>(point.bytes));
    }
    return true;
  };
  for (const std::string before : {"", "1234567", "12345678", "123456789"})
    for (const char a : bytes)
      for (const char b : bytes)
        for (const char c : bytes)
          for (const char d : bytes) {
            const std::string text = before + a + b + c + d;
            if (is_valid_utf8(text) != by_characters(text)) FAIL(before << ": differs");
          }
}

TEST_CASE("UTF-8 is valid only in its shortest form and without surrogates") {
  CHECK(is_valid_utf8("plain, 가나다, é, 😀"));
  for (const char* broken : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                             "\xf4\x90\x80\x80", "\xff", "a\xe4\xb8"}) {
    INFO(broken);
    CHECK_FALSE(is_valid_utf8(broken));
  }
}

TEST_CASE("wide characters take two columns, combining marks none") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("주문") == 4);
  CHECK(display_width("주문_daily") == 10);
  CHECK(display_width("漢字カナ") == 8);
  CHECK(display_width("ＡＢ") == 4);
  CHECK(display_width("ｶﾅ") == 2);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("\u1112\u1161\u11ab") == 2);  // one syllable, written as its three letters
  CHECK(display_width("😀✅") == 4);
  CHECK(display_width("→│é") == 3);
  CHECK(display_width("a\u200bb") == 2);
}

TEST_CASE("the nearest name is found when it is near enough to be meant") {
  const Texts names{"replica_export", "python", "bash", "http_sensor", "주문_내보내기"};
  CHECK(nearest("replica_exprot", names) == "replica_export");
  CHECK(nearest("Bash", names) == "bash");
  CHECK(nearest("bsah", names) == "bash");
  CHECK(nearest("주문_내보네기", names) == "주문_내보내기");
  CHECK_FALSE(nearest("snowflake", names));
  CHECK_FALSE(nearest("", names));
  CHECK_FALSE(nearest(std::string(100'000, 'a'), names));
  CHECK(did_you_mean("pyhton", names) == "; did you mean `python`?");
  CHECK(did_you_mean("zzzzzz", names).empty());
}

TEST_CASE("a quoted word is one word for the shell") {
  CHECK(shell_quote("it's $HOME") == R"('it'\''s $HOME')");
  CHECK(shell_quote("") == "''");
}

TEST_CASE("percent encoding keeps the unreserved characters of RFC 3986") {
  CHECK(percent_encode("a-z_0.9~") == "a-z_0.9~");
  CHECK(percent_encode("a b/é") == "a%20b%2F%C3%A9");
  CHECK(percent_encode("a b/c", "/") == "a%20b/c");
  CHECK(percent_decode("a%20b%2fc+") == "a b/c+");
  CHECK_FALSE(percent_decode("%2"));
  CHECK_FALSE(percent_decode("%zz"));
}

TEST_CASE("base64 follows the test vectors of RFC 4648") {
  const auto bytes = [](std::string_view text) { return std::vector<unsigned char>(text.begin(), text.end()); };
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    CHECK(to_base64(bytes(plain)) == encoded);
    CHECK(from_base64(encoded) == bytes(plain));
  }
  for (const char* broken : {"Zg", "Zg=", "Zh==", "Z===", "====", "Zm9v\n", "Zm-v", "Zg==Zg=="}) {
    INFO(broken);
    CHECK_FALSE(from_base64(broken));
  }
}

TEST_CASE("any bytes survive base64") {
  Random random(7);
  for (size_t length = 0; length < 200; ++length) {
    std::vector<unsigned char> bytes(length);
    for (auto& byte : bytes) byte = static_cast<unsigned char>(random.next());
    REQUIRE(from_base64(to_base64(bytes)) == bytes);
  }
}

TEST_CASE("sizes are read in decimal and binary units") {
  CHECK(parse_bytes("1048576") == 1048576);
  CHECK(parse_bytes("512MB") == 512'000'000);
  CHECK(parse_bytes("64KiB") == 65536);
  CHECK(parse_bytes("1 GB") == 1'000'000'000);
  CHECK(parse_bytes("0B") == 0);
  for (const char* broken : {"", "MB", "-1", "1.5GB", "1XB", "9223372036854775808", "9000000TiB", " 1"}) {
    INFO(broken);
    CHECK_FALSE(parse_bytes(broken));
  }
}

TEST_CASE("an id has letters and digits of any script, and is safe as a file name") {
  for (const char* good : {"orders", "주문-일별.v2", "été_1", "データ", "...", "-", "٣"}) {
    INFO(good);
    CHECK_FALSE(problem_of_id(good));
  }
  CHECK(problem_of_id("") == "is empty");
  CHECK(problem_of_id("..") == "is the name of a folder");
  CHECK(problem_of_id("a/b") == "has `/`; only letters, digits, `_`, `-` and `.` are allowed");
  CHECK(problem_of_id("a\nb") == "has U+000A; only letters, digits, `_`, `-` and `.` are allowed");
  CHECK(problem_of_id("a\u200bb") == "has U+200B; only letters, digits, `_`, `-` and `.` are allowed");
  CHECK(problem_of_id("a😀") == "has `😀`; only letters, digits, `_`, `-` and `.` are allowed");
  CHECK(problem_of_id("a\xff") == "is not valid UTF-8");
  CHECK_FALSE(problem_of_id(std::string(250, 'a')));
  CHECK(problem_of_id(std::string(251, 'a')) == "has 251 bytes; at most 250 are allowed");
}
