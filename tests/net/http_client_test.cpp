#include "base/net/http_client.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <thread>

#include "base/subprocess.h"
#include "base/text.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/fault_server.h"

namespace udon {
namespace {

using namespace std::chrono_literals;
using test::FaultReply;
using test::FaultServer;
using test::reply;
using test::SeenRequest;

// A port on which nobody listens: bound, not listening.
class ClosedPort {
 public:
  ClosedPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  int port = 0;

 private:
  FileDescriptor socket_;
};

TEST_CASE("a request arrives as it was made, and its answer too") {
  FaultServer server(
      [](const SeenRequest& seen) { return reply(207, "answer to " + seen.body, "X-One: 1\r\nX-Two:  two \r\n"); });
  HttpClient client;
  const auto response =
      client.send({.method = "PUT",
                   .url = server.url() + "/a//b/../c%20d?x=1&y",
                   .headers = {{"X-Text", "한글 text"}, {"X-Empty", ""}, {"Content-Type", "text/plain"}},
                   .body = std::string("question")});
  REQUIRE(response);
  CHECK(response->status == 207);
  CHECK(response->body == "answer to question");
  CHECK(response->header("x-one") == "1");
  CHECK(response->header("x-two") == "two");
  CHECK(response->header("x-three").empty());
  const SeenRequest seen = server.requests().at(0);
  CHECK(seen.method == "PUT");
  CHECK(seen.target == "/a//b/../c%20d?x=1&y");
  CHECK(seen.header("x-text") == "한글 text");
  CHECK(seen.headers.contains("x-empty"));
  CHECK(seen.header("content-length") == "8");
  CHECK(seen.header("host") == server.host());
  CHECK_FALSE(seen.headers.contains("expect"));
}

TEST_CASE("methods without a body send none, HEAD gets none, POST says that it has none") {
  FaultServer server([](const SeenRequest& seen) {
    if (seen.method == "HEAD") return FaultReply{"HTTP/1.1 200 OK\r\nContent-Length: 4711\r\n\r\n"};
    return reply(200, seen.method);
  });
  HttpClient client;
  for (const std::string method : {"GET", "DELETE", "POST", "PUT", "PATCH", "OPTIONS"}) {
    const auto response = client.send({.method = method, .url = server.url()});
    REQUIRE(response);
    CHECK(response->body == method);
  }
  const auto head = client.send({.method = "HEAD", .url = server.url()});
  REQUIRE(head);
  CHECK(head->header("content-length") == "4711");
  CHECK(head->body.empty());
  for (const SeenRequest& seen : server.requests()) {
    const bool has_length = seen.method == "POST" || seen.method == "PUT" || seen.method == "PATCH";
    CHECK(seen.header("content-length") == (has_length ? "0" : ""));
  }
}

TEST_CASE("a body may be a part of a file, or made while it is sent") {
  FaultServer server([](const SeenRequest& seen) { return reply(200, seen.body); });
  HttpClient client;
  const TemporaryFolder folder;
  const std::string content(3'000'000, 'x');
  const Path path = folder.path() / "file";
  REQUIRE(write_file_atomically(path, "head" + content + "tail", Durability::survives_kill));
  const auto file = open_file(path, O_RDONLY);
  REQUIRE(file);
  HttpRequest request{.method = "PUT",
                      .url = server.url(),
                      .body = FileRange{file->get(), 4, 3'000'000, path},
                      .expect_continue = true};
  auto response = client.send(request);
  REQUIRE(response);
  CHECK((response->body == content));
  CHECK(server.requests().at(0).header("expect") == "100-continue");

  int left = 3;
  const auto made = [&left](std::span<char> to) -> Result<size_t> {
    if (left-- <= 0) return size_t{0};
    to[0] = 'a', to[1] = 'b';
    return size_t{2};
  };
  request.body = HttpBodySource{-1, made};
  response = client.send(request);
  REQUIRE(response);
  CHECK(response->body == "ababab");
  left = 3;
  request.body = HttpBodySource{6, made};
  response = client.send(request);
  REQUIRE(response);
  CHECK(response->body == "ababab");

  request.body = FileRange{file->get(), 0, 4'000'000, path};
  CHECK(client.send(request).error().kind == ErrorKind::data);  // the file is shorter
  request.body = HttpBodySource{10, [](std::span<char>) -> Result<size_t> {
                                  return Error{ErrorKind::io, "disk on fire"};
                                }};
  CHECK(client.send(request).error() == Error{ErrorKind::io, "disk on fire"});
}

TEST_CASE("connections are used again") {
  FaultServer server([](const SeenRequest&) { return reply(200, "x"); });
  HttpClient client;
  for (int i = 0; i < 20; ++i) REQUIRE(client.send({.url = server.url()}));
  CHECK(server.requests().back().connection == 1);
}

TEST_CASE("a kept connection that the server closed meanwhile is no error") {
  FaultServer server([](const SeenRequest&) {
    FaultReply answer = reply(200, "x");
    answer.then = FaultReply::Then::close;  // without saying so
    return answer;
  });
  HttpClient client;
  for (int i = 0; i < 20; ++i)
    REQUIRE(client.send({.method = "PUT", .url = server.url(), .body = std::string("body")}));
}

TEST_CASE("a request that was sent twice, as a kept connection died under it, says so") {
  int number = 0;  // of one connection after the other
  FaultServer server([&](const SeenRequest&) { return ++number == 2 ? test::hang_up() : reply(200, "x"); });
  HttpClient client;
  for (const int times : {1, 2, 1}) {
    const auto answer = client.send({.method = "POST", .url = server.url(), .body = std::string("body")});
    REQUIRE(answer);
    CHECK(answer->times_sent == times);
  }
  CHECK(server.requests().size() == 4);
}

TEST_CASE("many threads share a client") {
  FaultServer server([](const SeenRequest& seen) { return reply(200, seen.target); });
  HttpClient client;
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          const std::string target = "/" + std::to_string(t) + "/" + std::to_string(i);
          const auto response = client.send({.url = server.url() + target});
          if (response && response->body == target) ++right;
        }
      });
    }
  }
  CHECK(right == 400);
}

TEST_CASE("errors name the host and what happened, and never the query") {
  HttpClient client;
  const ClosedPort closed;
  const std::string host = "127.0.0.1:" + std::to_string(closed.port);
  const auto refused = client.send({.url = "http://" + host + "/?token=secret"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::unavailable);
  CHECK_THAT(refused.error().message, Catch::StartsWith(host + " takes no connection: "));
  CHECK_THAT(refused.error().message, !Catch::Contains("secret"));

  const auto unknown = client.send({.url = "http://no-such-host.invalid/?token=secret"});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error() ==
        Error{ErrorKind::unavailable, "host no-such-host.invalid is not known here (name resolution failed)"});

  FaultServer cutting([](const SeenRequest& seen) {
    if (seen.target.starts_with("/half")) {
      return FaultReply{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", FaultReply::Then::close};
    }
    return test::hang_up();
  });
  for (const std::string target : {"/half?token=secret", "/none?token=secret"}) {
    const auto cut = client.send({.url = cutting.url() + target});
    REQUIRE_FALSE(cut);
    CHECK(cut.error().kind == ErrorKind::unavailable);
    CHECK_THAT(cut.error().message, Catch::StartsWith(cutting.host() + ": the connection was cut: "));
    CHECK_THAT(cut.error().message, !Catch::Contains("secret"));
  }
}

TEST_CASE("silence and dawdling end at their limits") {
  FaultServer server([](const SeenRequest& seen) {
    if (seen.target == "/half")
      return FaultReply{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", FaultReply::Then::fall_silent};
    return FaultReply{"", FaultReply::Then::fall_silent};
  });
  HttpClient client;
  for (const std::string target : {"/half", "/none"}) {
    CHECK(client.send({.url = server.url() + target, .timeouts = {.stall = 100ms}}).error() ==
          Error{ErrorKind::timeout, server.host() + ": silent for 100ms"});
  }
  CHECK(client.send({.url = server.url(), .timeouts = {.total = 50ms}}).error() ==
        Error{ErrorKind::timeout, server.host() + ": not done within 50ms"});
}

TEST_CASE("a stop ends a request at once") {
  std::stop_source stop;
  FaultServer server([&](const SeenRequest&) {
    stop.request_stop();
    return FaultReply{"", FaultReply::Then::fall_silent};
  });
  HttpClient client;
  const auto response = client.send({.url = server.url()}, stop.get_token());
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == ErrorKind::cancelled);
  CHECK(client.send({.url = server.url()}, stop.get_token()).error().kind == ErrorKind::cancelled);
  CHECK(server.requests().size() == 1);
}

TEST_CASE("an answer longer than expected is refused") {
  FaultServer server([](const SeenRequest&) { return reply(200, std::string(1001, 'x')); });
  HttpClient client;
  CHECK(client.send({.url = server.url(), .response_bytes_max = 1000}).error() ==
        Error{ErrorKind::data, server.host() + ": the answer is longer than 1000 bytes"});
  CHECK(client.send({.url = server.url(), .response_bytes_max = 1001}));
}

TEST_CASE("redirects are not followed") {
  FaultServer server([](const SeenRequest&) { return reply(302, "", "Location: http://127.0.0.1:1/\r\n"); });
  HttpClient client;
  const auto response = client.send({.url = server.url()});
  REQUIRE(response);
  CHECK(response->status == 302);
  CHECK(response->header("location") == "http://127.0.0.1:1/");
}

TEST_CASE("a header cannot smuggle another one") {
  HttpClient client;
  for (const HttpHeaders& headers :
       {HttpHeaders{{"x-a", "1\r\nx-b: 2"}}, HttpHeaders{{"x-a\nx-b", "1"}}, HttpHeaders{{"", "1"}}}) {
    CHECK(client.send({.url = "http://127.0.0.1:1/", .headers = headers}).error().kind == ErrorKind::invalid);
  }
}

TEST_CASE("URLs that are none are refused before anything is sent") {
  HttpClient client;
  for (const std::string url :
       {"", "example.com", "ftp://example.com/", "http://", "http://:80/", "http://user:pass@host/",
        "http://host:port/", "http://host:70000/", "http://ho st/", "http://host/#part"}) {
    INFO(url);
    const auto response = client.send({.url = url});
    REQUIRE_FALSE(response);
    CHECK(response.error().kind == ErrorKind::invalid);
    CHECK_THAT(response.error().message, !Catch::Contains("pass@"));
  }
  const auto url = parse_http_url("HTTPS://Example.COM:443?q=1");
  REQUIRE(url);
  CHECK(url->origin() == "https://example.com");
  CHECK(url->target == "/?q=1");
  CHECK(parse_http_url("http://[::1]:8080/x")->authority() == "[::1]:8080");
}

TEST_CASE("only this machine is loopback") {
  for (const char* host : {"localhost", "127.0.0.1", "127.8.9.10", "[::1]"}) CHECK(is_loopback(host));
  for (const char* host :
       {"127.0.0.1.example.com", "127.example.com", "localhost.example.com", "128.0.0.1", "[::2]", ""}) {
    CHECK_FALSE(is_loopback(host));
  }
}

TEST_CASE("a unix socket takes the place of the host") {
  const TemporaryFolder folder;
  FaultServer server([](const SeenRequest& seen) { return reply(200, seen.header("host")); }, folder.path() / "sock");
  HttpClient client;
  const auto response = client.send({.url = "http://udon/task/v1", .unix_socket = folder.path() / "sock"});
  REQUIRE(response);
  CHECK(response->body == "udon");
}

TEST_CASE("the environment's proxy is used, but never to this machine") {
  FaultServer proxy([](const SeenRequest& seen) { return reply(200, "proxied " + seen.target); });
  FaultServer server([](const SeenRequest&) { return reply(200, "direct"); });
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  HttpClient client;
  const auto far = client.send({.url = "http://store.invalid/key"});
  const auto near = client.send({.url = server.url()});
  ::unsetenv("http_proxy");
  REQUIRE(far);
  CHECK(far->body == "proxied http://store.invalid/key");
  REQUIRE(near);
  CHECK(near->body == "direct");
}

// OpenSSL's own server with a certificate made for the test.
class TlsServer {
 public:
  explicit TlsServer(const Path& folder, const std::string& name) : certificate(folder / (name + ".crt")) {
    const Path key = folder / (name + ".key");
    const auto made =
        run_command({.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                              "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1",
                              "-keyout", key.string(), "-out", certificate.string()},
                     .environment = current_environment()},
                    60s);
    REQUIRE(made);
    REQUIRE(made->status.succeeded());
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    output_ = FileDescriptor(ends[0]);
    const FileDescriptor write_end(ends[1]);
    auto started = spawn({.argv = {"openssl", "s_server", "-www", "-accept", "127.0.0.1:0", "-cert",
                                   certificate.string(), "-key", key.string()},
                          .environment = current_environment(),
                          .stdout_fd = write_end.get()});
    REQUIRE(started);
    pid_ = *started;
  }
  ~TlsServer() {
    ::kill(pid_, SIGKILL);
    static_cast<void>(wait_child(pid_));
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  // "ACCEPT 127.0.0.1:PORT" is its first line.
  std::string url() {
    std::string line;
    char c = 0;
    while (line_.empty() && ::read(output_.get(), &c, 1) == 1) {
      if (c == '\n' && line.starts_with("ACCEPT ")) line_ = line.substr(7);
      c == '\n' ? line.clear() : line.push_back(c);
    }
    REQUIRE_FALSE(line_.empty());
    return "https://" + line_ + "/";
  }
  const Path certificate;

 private:
  FileDescriptor output_;
  std::string line_;
  pid_t pid_ = 0;
};

TEST_CASE("a certificate must be of the authorities that are given; without them loopback is trusted") {
  const TemporaryFolder folder;
  TlsServer server(folder.path(), "right");
  const TlsServer other(folder.path(), "other");
  const std::string url = server.url();
  HttpClient client;
  CHECK(client.send({.url = url}));
  CHECK(client.send({.url = url, .tls_authorities = server.certificate}));
  const auto refused = client.send({.url = url, .tls_authorities = other.certificate});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::denied);
  CHECK_THAT(refused.error().message, Catch::Contains("its certificate is not trusted"));
  CHECK(client.send({.url = url, .tls_authorities = other.certificate, .tls_verified = false}));
  CHECK(client.send({.url = url, .tls_authorities = folder.path() / "absent"}).error().kind == ErrorKind::denied);
}

}  // namespace
}  // namespace udon
