#pragma once
// One e-mail over SMTP by libcurl: TLS verified, UTF-8 in subject, names and text.
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace udon {

struct MailServer {
  std::string host;
  int port = 0;                 // 0: 465 with TLS from the start, else 587
  bool tls_from_start = false;  // smtps
  // With smtp: STARTTLS is demanded, except of this machine itself, where it is used if it is offered.
  bool starttls_demanded = true;
  std::string login;  // empty: none
  std::string password;
  Path tls_authorities;  // instead of the system's
};

struct Mail {
  std::string from;  // "a@b" or "이름 <a@b>"
  std::vector<std::string> to;
  std::string subject;
  std::string text;
  std::string message_id;  // without <>; the same for all sendings of one mail
  TimePoint date{};
};

struct MailAnswer {
  enum class Verdict {
    accepted,
    refused,      // for good: an unknown address, a wrong password
    not_reached,  // not taken in; later it may be
    unknown,      // all of it was sent, and the answer did not come
  };
  Verdict verdict = Verdict::not_reached;
  std::string message;  // names the host, never login or password
};

// invalid: an address that none can be, a line break in an address.
Result<MailAnswer> send_mail(const MailServer& server, const Mail& mail, Duration timeout);
// As it goes over the wire, lines ending in CR LF; for tests.
Result<std::string> mail_text(const Mail& mail);

}  // namespace udon
