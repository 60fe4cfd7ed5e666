#include "web/http_server.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/web/raw_client.h"

using namespace udon;
using namespace udon::web;
using udon::test::RawClient;

namespace {

// Says back what it understood.
Response echo(const Request& request) {
  Value::List path, query;
  for (const std::string& segment : request.path) path.push_back(segment);
  for (const auto& [name, value] : request.query) query.push_back(name + "=" + value);
  return json_response(200,
                       Value::Map{{"method", request.method},
                                  {"path", path},
                                  {"query", query},
                                  {"body", request.body},
                                  {"local", request.peer.is_local_socket},
                                  {"uid", request.peer.uid ? static_cast<int64_t>(*request.peer.uid) : int64_t{-1}}});
}

struct TestServer {
  explicit TestServer(HttpServer::Handler handler = echo, HttpServerOptions options = {})
      : server(options, clock, std::move(handler)) {
    const Result<int> listening = server.listen_tcp("127.0.0.1", 0);
    REQUIRE(listening);
    port = *listening;
    REQUIRE(server.listen_unix(folder.path() / "udon.sock"));
    REQUIRE(server.start());
  }
  RawClient client() const { return RawClient::tcp(port); }

  SystemClock clock;
  TemporaryFolder folder;
  HttpServer server;
  int port = 0;
};

std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"; }
std::string post(const std::string& body, const std::string& headers = {}) {
  return "POST /p HTTP/1.1\r\nHost: x\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

}  // namespace

TEST_CASE("a connection carries one request after another") {
  TestServer server;
  RawClient client = server.client();
  CHECK_THAT(client.ask(get("/a/b%2Fc?x=1&y=%ED%95%9C+%EA%B8%80&flag")),
             Catch::Contains(R"({"method":"GET","path":["a","b/c"],"query":["x=1","y=한 글","flag="],"body":"")"));
  CHECK_THAT(client.ask(post("안녕")), Catch::Contains(R"("body":"안녕")"));
  // Two at once, before the first is answered.
  REQUIRE(client.send(get("/one") + get("/two")));
  CHECK_THAT(client.receive(), Catch::Contains("one"));
  CHECK_THAT(client.receive(), Catch::Contains("two"));
  for (const char* method : {"PUT", "PATCH", "DELETE"})
    CHECK_THAT(client.ask(std::string(method) + " /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"),
               Catch::Contains("\"method\":\"" + std::string(method) + "\""));
}

TEST_CASE("a request that states no length has no body, and its sender is not waited for") {
  TestServer server;
  RawClient client = server.client();
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"})
    CHECK_THAT(client.ask(std::string(method) + " /x HTTP/1.1\r\nHost: x\r\n\r\n"), Catch::Contains(R"("body":"")"));
  CHECK_THAT(client.ask(get("/next")), Catch::Contains("next"));
}

TEST_CASE("a client that asks for the end of its connection gets it") {
  TestServer server;
  RawClient client = server.client();
  CHECK_THAT(client.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), Catch::StartsWith("HTTP/1.1 200"));
  CHECK(client.is_closed());
}

TEST_CASE("what is no HTTP, or no UTF-8, is refused in the API's form") {
  TestServer server;
  CHECK_THAT(server.client().ask("BREW /coffee HTCPCP/1.0\r\n\r\n"), Catch::StartsWith("HTTP/1.1 400"));
  for (const char* target : {"/%", "/%zz", "/a?b=%f", "/%ff%fe", "/a%00b"}) {
    const std::string answer = server.client().ask(get(target));
    CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 400"));
    CHECK_THAT(answer, Catch::Contains(R"({"detail":)"));
  }
}

TEST_CASE("a body over the limit is refused, however it is sent") {
  HttpServerOptions options;
  options.body_bytes_max = 100'000;
  TestServer server(echo, options);
  const std::string at_limit(100'000, 'x');
  CHECK_THAT(server.client().ask(post(at_limit)), Catch::StartsWith("HTTP/1.1 200"));
  const std::string refused = server.client().ask(post(at_limit + "x"));
  CHECK_THAT(refused, Catch::StartsWith("HTTP/1.1 413"));
  CHECK_THAT(refused, Catch::Contains("a body may have 100000 bytes"));
  // Whatever it calls itself: what `curl -d` and `curl -F` say is not taken apart.
  for (const char* type : {"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"}) {
    const std::string header = "Content-Type: " + std::string(type) + "\r\n";
    CHECK_THAT(server.client().ask(post(at_limit, header)), Catch::Contains(at_limit));
    CHECK_THAT(server.client().ask(post("{\"a\": \"b&c=%20\"}", header)), Catch::Contains("b&c=%20"));
    CHECK_THAT(server.client().ask(post(at_limit + "x", header)), Catch::StartsWith("HTTP/1.1 413"));
  }
  // A length that lies, and no length at all.
  CHECK_THAT(server.client().ask("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
             !Catch::StartsWith("HTTP/1.1 200"));
  RawClient chunked = server.client();
  chunked.send("POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "2710\r\n" + std::string(10'000, 'x') + "\r\n";
  bool was_cut = false;
  for (int i = 0; i < 10'000 && !was_cut; ++i) was_cut = !chunked.send(chunk);
  CHECK(was_cut);
}

TEST_CASE("the type of a body is what its sender said, and nothing else can say it") {
  TestServer server([](const Request& request) {
    Value::List types;
    for (const auto& [name, value] : request.headers)
      if (name.find("content-type") != name.npos) types.push_back(name + "=" + value);
    return json_response(200, types);
  });
  CHECK_THAT(server.client().ask(post("x", "x-udon-content-type: a/b\r\n")), Catch::EndsWith("[]"));
  CHECK_THAT(server.client().ask(post("x", "Content-Type: c/d\r\nX-Udon-Content-Type: a/b\r\n")),
             Catch::EndsWith("[\"content-type=c/d\"]"));
}

TEST_CASE("headers without end are cut off") {
  TestServer server;
  RawClient client = server.client();
  client.send("GET / HTTP/1.1\r\n");
  bool was_cut = false;
  for (int i = 0; i < 100'000 && !was_cut; ++i)
    was_cut = !client.send("X-" + std::to_string(i) + ": " + std::string(1000, 'y') + "\r\n");
  CHECK(was_cut);
  // The server is well.
  CHECK_THAT(server.client().ask(get("/")), Catch::StartsWith("HTTP/1.1 200"));
}

TEST_CASE("a packed body is refused instead of being unpacked without limit") {
  TestServer server;
  CHECK_THAT(server.client().ask(post("\x1f\x8b\x08", "Content-Encoding: gzip\r\n")),
             Catch::StartsWith("HTTP/1.1 415"));
}

TEST_CASE("the body of a GET is never taken for the next request") {
  TestServer server;
  RawClient client = server.client();
  const std::string smuggled = get("/smuggled");
  client.send("GET /first HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(smuggled.size()) + "\r\n\r\n" +
              smuggled);
  CHECK_THAT(client.receive(), Catch::Contains("first"));
  CHECK(client.is_closed());
}

TEST_CASE("a request that does not end in time is let go") {
  HttpServerOptions options;
  options.request_timeout = std::chrono::milliseconds(50);
  TestServer server(echo, options);
  RawClient client = server.client();
  client.send("GET / HTT");
  CHECK(client.is_closed());
}

TEST_CASE("a head that does not end in time is let go sooner than a body") {
  HttpServerOptions options;
  options.header_timeout = std::chrono::milliseconds(50);
  TestServer server(echo, options);
  RawClient slow_head = server.client(), slow_body = server.client();
  REQUIRE(slow_body.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"));
  REQUIRE(slow_head.send("GET / HTTP/1.1\r\nHost: x\r\nX: "));
  CHECK_THAT(slow_head.receive(), !Catch::Contains(" 200 "));
  CHECK(slow_head.is_closed());
  REQUIRE(slow_body.send("llo"));
  CHECK_THAT(slow_body.receive(), Catch::Contains("hello"));
}

TEST_CASE("strangers who keep every thread and connection busy keep nobody from the local socket") {
  HttpServerOptions options;
  options.threads_max = 4;
  options.connections_max = 20;
  TestServer server(echo, options);
  std::vector<RawClient> strangers;
  for (int i = 0; i < 30; ++i) {
    strangers.push_back(server.client());
    static_cast<void>(strangers.back().send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"));
  }
  std::vector<RawClient> local;
  for (int i = 0; i < 30; ++i) {
    local.push_back(RawClient::local(server.folder.path() / "udon.sock"));
    REQUIRE_THAT(local.back().ask(get("/ours")), Catch::Contains("ours"));
  }
  // And they get their turn.
  REQUIRE(strangers[0].send("llo"));
  CHECK_THAT(strangers[0].receive(), Catch::Contains("hello"));
}

TEST_CASE("connections that are idle for too long are closed") {
  HttpServerOptions options;
  options.keep_alive = std::chrono::milliseconds(1);
  TestServer server(echo, options);
  RawClient client = server.client();
  CHECK_THAT(client.ask(get("/")), Catch::StartsWith("HTTP/1.1 200"));
  CHECK(client.is_closed());
}

TEST_CASE("idle connections hold no thread") {
  HttpServerOptions options;
  options.threads_max = 2;
  TestServer server(echo, options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(server.client());
    REQUIRE_THAT(clients.back().ask(get("/")), Catch::StartsWith("HTTP/1.1 200"));
  }
  for (RawClient& client : clients) REQUIRE_THAT(client.ask(get("/again")), Catch::Contains("again"));
}

TEST_CASE("no descriptor of the server is inherited by a child") {
  TestServer server;
  RawClient over_tcp = server.client(), over_unix = RawClient::local(server.folder.path() / "udon.sock");
  REQUIRE_THAT(over_tcp.ask(get("/")), Catch::StartsWith("HTTP/1.1 200"));
  REQUIRE_THAT(over_unix.ask(get("/")), Catch::StartsWith("HTTP/1.1 200"));
  int sockets = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename().string());
    struct stat status {};
    if (fd <= 2 || ::fstat(fd, &status) != 0) continue;
    std::error_code ignored;
    const std::string target = std::filesystem::read_symlink(entry.path(), ignored).string();
    if (!target.starts_with("socket:") && !target.starts_with("anon_inode:")) continue;
    ++sockets;
    INFO(fd << " " << target);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(sockets >= 6);  // two listeners, two ends of two connections, epoll and its waker besides
}

TEST_CASE("the local socket is for its owner only, and tells who is at the other end") {
  TestServer server;
  const Path path = server.folder.path() / "udon.sock";
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK_THAT(RawClient::local(path).ask(get("/")),
             Catch::Contains(R"("local":true,"uid":)" + std::to_string(::getuid())));
  CHECK_THAT(server.client().ask(get("/")), Catch::Contains(R"("local":false,"uid":-1)"));
}

TEST_CASE("a second server takes the local socket's place, and takes it away when it ends") {
  TemporaryFolder folder;
  const SystemClock clock;
  // Longer than an address of a socket can be.
  const Path deep = folder.path() / std::string(120, 'd');
  REQUIRE(make_directories(deep));
  const Path path = deep / "udon.sock";
  REQUIRE(write_file_atomically(path, "left over", Durability::survives_kill));
  {
    HttpServer server({}, clock, echo);
    REQUIRE(server.listen_unix(path));
    REQUIRE(server.start());
    CHECK(std::filesystem::is_socket(path));
  }
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE("a port that another program has is an error that says so") {
  TestServer server;
  HttpServer second({}, server.clock, echo);
  const Result<int> listening = second.listen_tcp("127.0.0.1", server.port);
  REQUIRE(!listening);
  CHECK(listening.error().kind == ErrorKind::unavailable);
  CHECK_THAT(listening.error().message, Catch::Contains(std::to_string(server.port)));
}

TEST_CASE("stopping lets the request in progress end, and closes the idle connections") {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_inside = false, may_go_on = false;
  auto server = std::make_unique<TestServer>([&](const Request&) {
    std::unique_lock lock(mutex);
    is_inside = true;
    changed.notify_all();
    changed.wait(lock, [&] { return may_go_on; });
    return json_response(200, "finished");
  });
  RawClient idle = server->client(), busy = server->client();
  REQUIRE(busy.send(get("/")));
  {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return is_inside; }));
  }
  std::thread stopper([&] { server->server.stop(); });
  CHECK(idle.is_closed());
  {
    const std::lock_guard lock(mutex);
    may_go_on = true;
    changed.notify_all();
  }
  CHECK_THAT(busy.receive(), Catch::Contains("finished"));
  CHECK(busy.is_closed());
  stopper.join();
}

TEST_CASE("a reader that takes nothing is let go, and others are served meanwhile") {
  HttpServerOptions options;
  options.response_timeout = std::chrono::milliseconds(100);
  options.threads_max = 2;
  TestServer server(
      [](const Request& request) {
        return json_response(200, std::string(request.path[0] == "big" ? 64 << 20 : 1, 'x'));
      },
      options);
  RawClient lazy = server.client();
  REQUIRE(lazy.send(get("/big")));
  CHECK_THAT(server.client().ask(get("/small")), Catch::Contains("\"x\""));
  pollfd until_closed{lazy.descriptor(), POLLRDHUP, 0};
  REQUIRE(::poll(&until_closed, 1, 30'000) == 1);
  // Less than all of it came.
  CHECK(lazy.receive().size() < (64 << 20));
}
