#include "base/net/mail.h"

#include <catch2/catch.hpp>

#include "base/text.h"

namespace udon {
namespace {

using namespace std::chrono_literals;

Mail make_mail() {
  return {.from = "udon@example.com",
          .to = {"data@example.com"},
          .subject = "done",
          .text = "all is well",
          .message_id = "key@udon",
          .date = *parse_time("2026-01-31T09:05:00Z")};
}

std::string text_of(const Mail& mail) {
  const auto text = mail_text(mail);
  INFO((text ? "" : text.error().message));
  REQUIRE(text);
  return *text;
}

TEST_CASE("an e-mail has its headers, and its text as base64 in lines that every relay lets through") {
  CHECK(text_of(make_mail()) ==
        "Date: Sat, 31 Jan 2026 09:05:00 +0000\r\n"
        "From: udon@example.com\r\n"
        "To: data@example.com\r\n"
        "Subject: done\r\n"
        "Message-ID: <key@udon>\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        "\r\n"
        "YWxsIGlzIHdlbGw=\r\n");
  Mail empty = make_mail();
  empty.text.clear();
  CHECK(text_of(empty).ends_with("base64\r\n\r\n"));
}

TEST_CASE("no line of an e-mail is too long, and no character of its subject is cut") {
  Mail mail = make_mail();
  mail.subject.clear();
  for (int i = 0; i < 100; ++i) mail.subject += "가나a다";
  mail.text = std::string(5000, 'x');
  const std::string text = text_of(mail);
  std::string subject;
  for (const std::string& line : split(text, '\n')) {
    CHECK(line.size() <= 77);
    const size_t begin = line.find("=?UTF-8?B?");
    if (begin == std::string::npos) continue;
    const auto bytes = from_base64(line.substr(begin + 10, line.find("?=", begin) - begin - 10));
    REQUIRE(bytes);
    // Each word by itself is whole UTF-8: it begins with no continuation byte.
    CHECK((bytes->front() & 0xc0) != 0x80);
    subject.append(bytes->begin(), bytes->end());
  }
  CHECK(subject == mail.subject);
}

TEST_CASE("nothing that is told can add a header or somebody who gets it") {
  Mail mail = make_mail();
  mail.subject = "a\r\nBcc: all@example.com\r\n\r\nb";
  CHECK(text_of(mail).find("\nBcc:") == std::string::npos);
  for (const char* to : {"a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com", "nobody",
                         "@example.com", "a@", "a b@example.com", "<a@example.com", ""}) {
    mail.to = {to};
    INFO(to);
    CHECK(mail_text(mail).error().kind == ErrorKind::invalid);
  }
}

TEST_CASE("names of people stand beside their addresses, in any script") {
  Mail mail = make_mail();
  mail.to = {"데이터 팀 <data@example.com>", "\"Kim, \\ Ops\" <ops@example.com>"};
  const std::string text = text_of(mail);
  CHECK(text.find("To: =?UTF-8?B?642w7J207YSwIO2MgA==?= <data@example.com>,\r\n \"Kim,  Ops\" <ops@example.com>\r\n") !=
        std::string::npos);
}

TEST_CASE("a mail server that nobody is, is not reached") {
  const auto answer = send_mail({.host = "127.0.0.1", .port = 1}, make_mail(), 5s);
  REQUIRE(answer);
  CHECK(answer->verdict == MailAnswer::Verdict::not_reached);
  CHECK(answer->message.starts_with("127.0.0.1:1: "));
}

}  // namespace
}  // namespace udon
