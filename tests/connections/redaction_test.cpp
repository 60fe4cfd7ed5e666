#include "connections/redaction.h"

#include <catch2/catch.hpp>

#include "base/text.h"

using udon::Redactor;

namespace {

Redactor with(std::initializer_list<std::string_view> secrets) {
  Redactor redactor;
  for (const std::string_view secret : secrets) redactor.add(secret);
  return redactor;
}

std::string base64(std::string_view text) {
  return udon::to_base64({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
}

// Cut into chunks of `size` bytes.
std::string streamed(Redactor redactor, std::string_view text, size_t size) {
  std::string printed;
  for (size_t at = 0; at < text.size(); at += size) printed += redactor.feed(text.substr(at, size));
  return printed + redactor.flush();
}

}  // namespace

TEST_CASE("a secret becomes stars wherever it stands") {
  const Redactor r = with({"hunter2"});
  CHECK(r.redact("hunter2") == "***");
  CHECK(r.redact("a hunter2 b hunter2") == "a *** b ***");
  CHECK(r.redact("hunter2hunter2") == "******");
  CHECK(r.redact("hunter") == "hunter");
  CHECK(r.redact("").empty());
  CHECK(Redactor().redact("hunter2") == "hunter2");
  CHECK(Redactor().flush().empty());
}

TEST_CASE("a secret is found encoded in the ways in which programs print it") {
  const std::string secret = "p@ss \"단어\"/+?";
  const Redactor r = with({secret});
  CHECK(r.redact("mysql://u:" + udon::percent_encode(secret) + "@h") == "mysql://u:***@h");
  CHECK(r.redact("?p=p%40ss+%22%EB%8B%A8%EC%96%B4%22%2F%2B%3F&x") == "?p=***&x");
  CHECK(r.redact(udon::to_json(udon::Value(secret))) == "\"***\"");
  CHECK(r.redact(R"("p@ss \"\ub2e8\uc5b4\"/+?")") == "\"***\"");
  CHECK(r.redact("key: " + base64(secret)) == "key: ***");
}

TEST_CASE("a secret inside a longer text that is encoded in base64 is masked at each alignment") {
  const std::string secret = "a longer secret with more bytes";
  const Redactor r = with({secret});
  for (const char* before : {"", "u", "us", "use"}) {
    for (const char* after : {"", "x", "xy"}) {
      const std::string printed = r.redact(base64(before + secret + after));
      INFO(before << "|" << after << ": " << printed);
      CHECK(printed.find("***") != printed.npos);
      CHECK(printed.size() <= 3 + 12);
    }
  }
}

TEST_CASE("the header that HTTP makes of login and password is masked") {
  Redactor r;
  r.add_secrets_of({.id = "c", .type = "http", .login = "u", .password = "pass"});
  CHECK(r.redact("Authorization: Basic " + base64("u:pass")) == "Authorization: Basic ***");
}

TEST_CASE("short values are not masked") {
  CHECK(with({"", "a", "abc"}).redact("a abc") == "a abc");
  CHECK(with({"abcd"}).redact("abcd") == "***");
}

TEST_CASE("of secrets that begin alike or overlap nothing is left over") {
  CHECK(with({"abcd", "abcdef"}).redact("abcdef abcd abcde") == "*** *** ***e");
  CHECK(with({"abcd", "cdef"}).redact("abcdef") == "***");
  CHECK(with({"abcdefgh", "cdef"}).redact("xabcdefghx") == "x***x");
  CHECK(with({"aaaa"}).redact("aaaaaaab") == "***b");
}

TEST_CASE("chunks of any size give what the whole text gives") {
  const Redactor r = with({"hunter2", "hunter2 and more", "2 and", "aaaa", "비밀번호"});
  const std::string text =
      "start hunter2 and mo hunter2 and more\nhunterhunter2 aaa aaaaaaaaa 비밀번호 비밀 aaaa 2 and hunter2 "
      "an";
  const std::string whole = r.redact(text);
  CHECK(whole == "start *** mo ***\nhunter*** aaa *** *** 비밀 *** *** *** an");
  for (size_t size = 1; size <= text.size(); ++size) {
    INFO(size);
    CHECK(streamed(r, text, size) == whole);
  }
}

TEST_CASE("what cannot be the start of a secret is printed at once") {
  Redactor r = with({"hunter2"});
  CHECK(r.feed("no secret here\n") == "no secret here\n");
  CHECK(r.feed("a hunt") == "a ");
  CHECK(r.feed("ing season") == "hunting season");
  CHECK(r.feed("hunter") == "");
  CHECK(r.feed("2!") == "***!");
}

TEST_CASE("an endless row of overlapping secrets is not kept in memory") {
  Redactor r = with({"aaaa"});
  std::string printed;
  for (int i = 0; i < 10'000; ++i) printed += r.feed(std::string(100, 'a'));
  CHECK(printed + r.feed("b") == "***b");
}

TEST_CASE("each long line of a key that has several lines is masked") {
  const Redactor r = with({"-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"});
  CHECK(r.redact("line: hkiG9w0BAQEFAASC") == "line: ***");
}

TEST_CASE("the secrets of a connection are its password and the options that are named like secrets") {
  udon::Connection c{.id = "c", .type = "aws", .host = "somehost", .login = "somelogin", .password = "somepassword"};
  c.extra = udon::Value::Map{{"region", "ap-northeast-2"},
                             {"aws_session_token", "sometoken"},
                             {"deep", udon::Value::Map{{"private_key", "somekey"}, {"other", "thing"}}},
                             {"all", udon::Value::List{udon::Value::Map{{"secret", "listed"}}}}};
  Redactor r;
  r.add_secrets_of(c);
  CHECK(r.redact("somehost somelogin somepassword ap-northeast-2 sometoken somekey thing listed") ==
        "somehost somelogin *** ap-northeast-2 *** *** thing ***");
}
