#include "base/net/mail.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <span>

#include "base/ensure.h"
#include "base/net/http_client.h"
#include "base/text.h"

namespace udon {
namespace {

constexpr size_t encoded_word_bytes_max =
    39;  // before base64: a line of a word and its header's name has at most 76 characters
constexpr size_t base64_line = 76;

std::string base64(std::string_view bytes) {
  return to_base64({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; }) && text.find("=?") == text.npos;
}

// RFC 2047, never cutting a character.
std::string header_text(std::string_view text) {
  if (is_plain(text) && text.size() <= base64_line) return std::string(text);
  std::string encoded;
  while (!text.empty()) {
    size_t size = std::min(text.size(), encoded_word_bytes_max);
    while (size > 1 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
    if (!encoded.empty()) encoded += "\r\n ";
    encoded += "=?UTF-8?B?" + base64(text.substr(0, size)) + "?=";
    text.remove_prefix(size);
  }
  return encoded;
}

struct Address {
  std::string name, address;
};
Result<Address> parse_address(std::string_view text) {
  Address parsed;
  std::string_view address = trim(text);
  if (const size_t open = address.find('<'); open != address.npos && address.ends_with('>')) {
    parsed.name = std::string(trim(address.substr(0, open)));
    address = trim(address.substr(open + 1, address.size() - open - 2));
  }
  if (parsed.name.size() >= 2 && parsed.name.starts_with('"') && parsed.name.ends_with('"'))
    parsed.name = parsed.name.substr(1, parsed.name.size() - 2);
  const size_t at = address.rfind('@');
  const bool is_good = at != address.npos && at > 0 && at + 1 < address.size() && is_plain(address) &&
                       address.find_first_of(" <>,;\"") == address.npos;
  const bool has_break = std::ranges::any_of(text, [](char c) { return c >= 0 && c < 0x20; });
  if (!is_good || has_break) {
    return Error{ErrorKind::invalid, "`" + std::string(text) + "` is no e-mail address such as data@example.com"};
  }
  parsed.address = std::string(address);
  return parsed;
}

std::string header_of(const Address& address) {
  if (address.name.empty()) return address.address;
  std::string name = header_text(address.name);
  if (is_plain(address.name)) {
    std::erase_if(name, [](char c) { return c == '"' || c == '\\'; });
    name = "\"" + name + "\"";
  }
  return name + " <" + address.address + ">";
}

std::string date_text(TimePoint time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char rest[64];
  std::strftime(rest, sizeof rest, "%Y %H:%M:%S +0000", &parts);
  return std::string(days[parts.tm_wday]) + ", " + std::to_string(parts.tm_mday) + " " + months[parts.tm_mon] + " " +
         rest;
}

struct Upload {
  std::string_view left;
  bool is_done = false;

  static size_t read(char* to, size_t size, size_t count, void* self) {
    auto* upload = static_cast<Upload*>(self);
    const size_t n = std::min(size * count, upload->left.size());
    std::copy_n(upload->left.data(), n, to);
    upload->left.remove_prefix(n);
    if (upload->left.empty()) upload->is_done = true;
    return n;
  }
};

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};

class Transfer {
 public:
  Transfer() : easy_(curl_easy_init()) { ENSURE(easy_ != nullptr, "there is memory for an e-mail"); }
  template <class T>
  void set(CURLoption option, T value) {
    ENSURE(curl_easy_setopt(easy_.get(), option, value) == CURLE_OK, "libcurl knows option " + std::to_string(option));
  }
  CURL* get() const { return easy_.get(); }

 private:
  std::unique_ptr<CURL, FreeEasy> easy_;
};

MailAnswer verdict_of(CURLcode code, long status, bool was_sent, const std::string& host, const std::string& detail) {
  using Verdict = MailAnswer::Verdict;
  if (code == CURLE_OK) return {Verdict::accepted, host + " has taken it in"};
  const std::string said = host + ": " + detail;
  // 354 is the last word before the end of the text was sent; a code of success after it is of the text itself.
  if (was_sent && (status == 354 || status == 0)) return {Verdict::unknown, said};
  if (was_sent && status >= 200 && status < 300) return {Verdict::accepted, host + " has taken it in"};
  if (code == CURLE_LOGIN_DENIED) return {Verdict::refused, host + " refuses login or password"};
  if (status >= 500) return {Verdict::refused, said + " (" + std::to_string(status) + ")"};
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE: return {Verdict::refused, host + ": its certificate is not trusted: " + detail};
    case CURLE_USE_SSL_FAILED:
      return {Verdict::refused, host + " offers no TLS; `?starttls=off` in the connection allows to go without"};
    default: return {Verdict::not_reached, said};
  }
}

}  // namespace

Result<std::string> mail_text(const Mail& mail) {
  TRY_ASSIGN(const Address from, parse_address(mail.from));
  std::string to;
  for (const std::string& one : mail.to) {
    TRY_ASSIGN(const Address address, parse_address(one));
    to += (to.empty() ? "" : ",\r\n ") + header_of(address);
  }
  std::string subject;
  for (const char c : mail.subject) subject += c >= 0 && c < 0x20 ? ' ' : c;
  std::string text = "Date: " + date_text(mail.date) + "\r\nFrom: " + header_of(from) + "\r\nTo: " + to +
                     "\r\nSubject: " + header_text(trim(subject)) + "\r\nMessage-ID: <" + mail.message_id +
                     ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  const std::string body = base64(mail.text);
  for (size_t i = 0; i < body.size(); i += base64_line) text += body.substr(i, base64_line) + "\r\n";
  return text;
}

Result<MailAnswer> send_mail(const MailServer& server, const Mail& mail, Duration timeout) {
  TRY_ASSIGN(const std::string text, mail_text(mail));
  TRY_ASSIGN(const Address from, parse_address(mail.from));
  if (mail.to.empty()) return Error{ErrorKind::invalid, "an e-mail needs somebody who gets it"};
  const HttpClient starts_libcurl;
  Transfer transfer;
  char error[CURL_ERROR_SIZE] = {};
  const bool is_here = is_loopback(server.host);
  const int port = server.port != 0 ? server.port : server.tls_from_start ? 465 : 587;
  const std::string host = server.host + ":" + std::to_string(port);
  const std::string url =
      (server.tls_from_start ? "smtps://" : "smtp://") + host + "/" + from.address.substr(from.address.rfind('@') + 1);
  transfer.set(CURLOPT_ERRORBUFFER, error);
  transfer.set(CURLOPT_NOSIGNAL, 1L);
  transfer.set(CURLOPT_URL, url.c_str());
  if (is_here) transfer.set(CURLOPT_PROXY, "");
  const bool demands_tls = server.starttls_demanded && (!is_here || !server.tls_authorities.empty());
  transfer.set(CURLOPT_USE_SSL, static_cast<long>(demands_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
  const bool is_verified = !is_here || !server.tls_authorities.empty();
  transfer.set(CURLOPT_SSL_VERIFYPEER, is_verified ? 1L : 0L);
  transfer.set(CURLOPT_SSL_VERIFYHOST, is_verified ? 2L : 0L);
  if (!server.tls_authorities.empty()) transfer.set(CURLOPT_CAINFO, server.tls_authorities.c_str());
  if (!server.login.empty()) {
    transfer.set(CURLOPT_USERNAME, server.login.c_str());
    transfer.set(CURLOPT_PASSWORD, server.password.c_str());
  }
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  transfer.set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<int64_t>(milliseconds, 1)));
  transfer.set(CURLOPT_MAIL_FROM, from.address.c_str());
  curl_slist* list = nullptr;
  for (const std::string& one : mail.to) {
    const auto address = parse_address(one);
    list = curl_slist_append(list, address->address.c_str());
  }
  const std::unique_ptr<curl_slist, FreeList> recipients(list);
  transfer.set(CURLOPT_MAIL_RCPT, recipients.get());
  Upload upload{.left = text};
  transfer.set(CURLOPT_UPLOAD, 1L);
  transfer.set(CURLOPT_READFUNCTION, &Upload::read);
  transfer.set(CURLOPT_READDATA, static_cast<void*>(&upload));
  const CURLcode code = curl_easy_perform(transfer.get());
  long status = 0;
  curl_easy_getinfo(transfer.get(), CURLINFO_RESPONSE_CODE, &status);
  return verdict_of(code, status, upload.is_done, host, error[0] != '\0' ? error : curl_easy_strerror(code));
}

}  // namespace udon
