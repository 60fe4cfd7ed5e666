#include "notify/sender/deliver.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"
#include "base/net/http_client.h"
#include "base/net/mail.h"
#include "base/subprocess.h"
#include "base/text.h"
#include "connections/redaction.h"

namespace udon {
namespace {

using Verdict = DeliveryAnswer::Verdict;

constexpr size_t shown_bytes_max = 300;
// Of the connection's own, not part of a webhook's URL.
constexpr std::string_view tls_authorities_option = "ssl_ca";

// The first line, as much of it as a list can show.
std::string shortened(std::string_view text) {
  text = trim(text);
  std::string line(text.substr(0, text.find('\n')));
  if (line.size() <= shown_bytes_max) return line;
  size_t end = shown_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
  return line.substr(0, end) + "…";
}

// The whole URL of a webhook is a secret with most services: what it has beside the host is taken out of messages.
Redactor redactor_of(const Connection& connection) {
  Redactor redactor;
  redactor.add_secrets_of(connection);
  if (!connection.schema.empty()) redactor.add(connection.schema);
  for (const std::string& segment : split(connection.schema, '/')) redactor.add(segment);
  for (const auto& [key, value] : connection.extra.as_map())
    if (value.is_string() && key != tls_authorities_option) redactor.add(value.as_string());
  return redactor;
}

Result<std::string> webhook_url(const Connection& connection) {
  if (connection.type != "http" && connection.type != "https") {
    return Error{ErrorKind::invalid, "connection `" + connection.id + "` is of type " + connection.type +
                                         "; a webhook's is its URL, such as https://hooks.slack.com/services/…"};
  }
  const bool is_ipv6 = connection.host.find(':') != std::string::npos;
  std::string url = connection.type + "://" + (is_ipv6 ? "[" + connection.host + "]" : connection.host);
  if (connection.port != 0) url += ":" + std::to_string(connection.port);
  url += "/" + percent_encode(connection.schema, "/");
  char separator = '?';
  for (const auto& [key, value] : connection.extra.as_map()) {
    if (key == tls_authorities_option || !value.is_string()) continue;
    url += separator + percent_encode(key) + "=" + percent_encode(value.as_string());
    separator = '&';
  }
  return url;
}

DeliveryAnswer send_webhook(const DeliveryOrder& order, const Connection& connection) {
  const auto url = webhook_url(connection);
  if (!url) return {Verdict::refused, url.error().message};
  const Value* body = order.settings.find("body");
  const std::string json = to_json(body != nullptr ? *body : Value(Value::Map{{"text", order.settings.text("text")}}));
  bool was_sent = false;
  size_t done = 0;
  HttpRequest request;
  request.method = "POST";
  request.url = *url;
  request.headers = {
      {"Content-Type", "application/json; charset=utf-8"}, {"Idempotency-Key", order.key}, {"User-Agent", "udon"}};
  if (!connection.password.empty()) {
    const std::string pair = connection.login + ":" + connection.password;
    request.headers.emplace_back(
        "Authorization",
        connection.login.empty()
            ? "Bearer " + connection.password
            : "Basic " + to_base64({reinterpret_cast<const unsigned char*>(pair.data()), pair.size()}));
  }
  // Tells whether anything of it can have arrived; and such a body is never sent twice behind our back.
  request.body =
      HttpBodySource{.length = static_cast<int64_t>(json.size()), .read = [&](std::span<char> to) -> Result<size_t> {
                       was_sent = true;
                       const size_t n = std::min(to.size(), json.size() - done);
                       std::copy_n(json.data() + done, n, to.data());
                       done += n;
                       return n;
                     }};
  request.timeouts.connect = std::min<Duration>(order.timeout, std::chrono::seconds(10));
  request.timeouts.stall = order.timeout;
  request.timeouts.total = order.timeout;
  request.response_bytes_kept = 4096;
  request.tls_authorities = connection.option(tls_authorities_option);
  HttpClient client;
  const auto response = client.send(request);
  if (!response) {
    const bool is_hopeless = response.error().kind == ErrorKind::denied || response.error().kind == ErrorKind::invalid;
    return {was_sent ? Verdict::unknown : is_hopeless ? Verdict::refused : Verdict::not_now, response.error().message};
  }
  std::string said = "HTTP " + std::to_string(response->status);
  if (response->status >= 200 && response->status < 300) return {Verdict::accepted, said};
  if (!trim(response->body).empty()) said += ": " + shortened(response->body);
  const bool may_pass = response->status >= 500 || response->status == 429 || response->status == 408;
  return {may_pass ? Verdict::not_now : Verdict::refused, said};
}

DeliveryAnswer send_email(const DeliveryOrder& order, const Connection& connection, const Clock& clock) {
  if (connection.type != "smtp" && connection.type != "smtps") {
    return {Verdict::refused, "connection `" + connection.id + "` is of type " + connection.type +
                                  "; that of an e-mail is smtp://login:password@host:587 or smtps://…"};
  }
  const MailServer server{.host = connection.host,
                          .port = connection.port,
                          .tls_from_start = connection.type == "smtps",
                          .starttls_demanded = connection.option("starttls") != "off",
                          .login = connection.login,
                          .password = connection.password,
                          .tls_authorities = connection.option(tls_authorities_option)};
  const std::string domain = connection.login.find('@') != std::string::npos
                                 ? connection.login.substr(connection.login.rfind('@') + 1)
                                 : connection.host;
  Mail mail{.from = connection.option("from", "udon@" + domain),
            .to = {},
            .subject = order.settings.text("subject"),
            .text = order.settings.text("text"),
            .message_id = order.key + "@udon." + domain,
            .date = clock.now()};
  for (const Value& to : order.settings.get("to").as_list()) mail.to.push_back(to.is_string() ? to.as_string() : "");
  const auto answer = send_mail(server, mail, order.timeout);
  if (!answer) return {Verdict::refused, answer.error().message};
  switch (answer->verdict) {
    case MailAnswer::Verdict::accepted: return {Verdict::accepted, answer->message};
    case MailAnswer::Verdict::refused: return {Verdict::refused, answer->message};
    case MailAnswer::Verdict::not_reached: return {Verdict::not_now, answer->message};
    case MailAnswer::Verdict::unknown: break;
  }
  return {Verdict::unknown, answer->message};
}

DeliveryAnswer run_notice_command(const DeliveryOrder& order) {
  SpawnRequest request;
  for (const Value& word : order.settings.get("argv").as_list())
    request.argv.push_back(word.is_string() ? word.as_string() : to_json(word));
  request.environment = current_environment();
  request.environment.push_back("UDON_NOTIFICATION_KEY=" + order.key);
  const FileDescriptor input(memfd_create("notification", MFD_CLOEXEC));
  if (!input) return {Verdict::not_now, io_error("make", "a file in memory", errno).message};
  const auto written = write_all(input.get(), to_json(order.context) + "\n", "a file in memory");
  if (!written || lseek(input.get(), 0, SEEK_SET) != 0) return {Verdict::not_now, "its context cannot be handed over"};
  request.stdin_fd = input.get();
  if (const auto good = check_spawn_request(request); !good) return {Verdict::refused, good.error().message};
  const auto ended = run_command(request, std::chrono::ceil<std::chrono::milliseconds>(order.timeout), 1 << 20);
  if (!ended) {
    const ErrorKind kind = ended.error().kind;
    const bool has_begun = kind == ErrorKind::timeout || kind == ErrorKind::data;
    return {has_begun ? Verdict::unknown : Verdict::refused, ended.error().message};
  }
  if (ended->status.succeeded()) return {Verdict::accepted, describe(ended->status)};
  std::string said = describe(ended->status);
  if (!trim(ended->standard_error).empty()) said += ": " + shortened(ended->standard_error);
  // Killed in the middle of what it did, by somebody; an exit code is its own word that it did not succeed.
  return {ended->status.signal != 0 ? Verdict::unknown : Verdict::not_now, said};
}

}  // namespace

DeliveryAnswer deliver(const DeliveryOrder& order, const Clock& clock) {
  DeliveryAnswer answer;
  if (order.way == NoticeWay::command) {
    answer = run_notice_command(order);
  } else if (!order.connection) {
    return {Verdict::refused, "it names no connection"};
  } else {
    answer = order.way == NoticeWay::webhook ? send_webhook(order, *order.connection)
                                             : send_email(order, *order.connection, clock);
    answer.message = redactor_of(*order.connection).redact(answer.message);
  }
  return answer;
}

int deliver_main(const Clock& clock) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string text;
  for (char buffer[64 << 10];;) {
    const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  const auto value = parse_json(text);
  const auto order = value ? parse_delivery_order(*value) : Result<DeliveryOrder>(value.error());
  if (!order) {
    static_cast<void>(write_all(
        STDOUT_FILENO, to_json(to_value(DeliveryAnswer{Verdict::refused, order.error().message})), "the server"));
    return 0;
  }
  // The last resort, should a library pass over the limit that it was given.
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(order->timeout).count() + 10;
  alarm(static_cast<unsigned>(std::clamp<int64_t>(seconds, 1, 1 << 20)));
  const DeliveryAnswer answer = deliver(*order, clock);
  static_cast<void>(write_all(STDOUT_FILENO, to_json(to_value(answer)), "the server"));
  return 0;
}

}  // namespace udon
