// The operator out of its shared object: against a server that answers exactly as told, and against Python's own, with
// TLS.
#include <fcntl.h>
#include <signal.h>

#include <charconv>

#include "base/subprocess.h"
#include "base/text.h"
#include "tests/data/operator_world.h"
#include "tests/support/eventually.h"
#include "tests/support/fault_server.h"

namespace udon {
namespace {

using test::FaultReply;
using test::FaultServer;
using test::OperatorRun;
using test::Parameters;
using test::reply;
using test::SeenRequest;

constexpr const char* json_header = "Content-Type: application/json\r\n";

struct Request : OperatorRun {
  Request(const std::string& uri, Parameters parameters) : OperatorRun("http", parameters) {
    if (uri.empty()) return;
    auto connection = parse_connection_uri("api", uri);
    if (!connection) FAIL(connection.error().message);
    context.connections["api"] = std::move(*connection);
  }
  Outcome success() {
    auto outcome = run();
    if (!outcome) FAIL(outcome.error().message);
    return std::move(*outcome);
  }
  std::string log() const { return join(context.lines, "\n"); }
};

void check_says(const Error& error, ErrorKind kind, const std::vector<std::string>& words) {
  INFO(error.message);
  CHECK(to_string(error.kind) == to_string(kind));
  for (const std::string& word : words) CHECK_THAT(error.message, Catch::Contains(word));
}

std::string as_uri(const FaultServer& server, const std::string& login = "", const std::string& rest = "") {
  return "http://" + (login.empty() ? "" : login + "@") + server.host() + rest;
}

Value map(Value::Map members) { return Value(std::move(members)); }

TEST_CASE("a map is sent as JSON by POST to the connection's address, and a JSON answer is handed on") {
  FaultServer server([](const SeenRequest&) { return reply(200, R"([{"id": 1, "이름": "우동"}])", json_header); });
  Request request(as_uri(server, "", "/services/T0/B0/SECRETPATH"),
                  {{"connection", "api"}, {"body", map({{"text", "총 3행"}, {"n", 3}})}});
  const Outcome outcome = request.success();
  CHECK(to_json(outcome.return_value) == R"([{"id":1,"이름":"우동"}])");
  CHECK(request.context.pushed["status"] == Value(200));
  CHECK(request.context.pushed["headers"].text("content-type") == "application/json");
  const SeenRequest seen = server.requests().at(0);
  CHECK(seen.method == "POST");
  CHECK(seen.target == "/services/T0/B0/SECRETPATH");
  CHECK(seen.header("content-type") == "application/json");
  CHECK(seen.body == R"({"text":"총 3행","n":3})");
  // A web hook's path is its secret.
  CHECK_THAT(outcome.message + request.log(), !Catch::Contains("SECRETPATH"));
}

TEST_CASE("url and query come behind the connection's path, encoded where they have to be") {
  FaultServer server([](const SeenRequest&) { return reply(200, "네"); });
  Request request(as_uri(server, "", "/base/v2"),
                  {{"connection", "api"},
                   {"url", "/상품 목록/%2F"},
                   {"query", map({{"a b", "x&y=우"}, {"n", Value(Value::List{1, true, 2.5})}, {"none", nullptr}})}});
  const Outcome outcome = request.success();
  CHECK(outcome.return_value == Value("네"));
  const SeenRequest seen = server.requests().at(0);
  CHECK(seen.method == "GET");
  CHECK(seen.target == "/base/v2/%EC%83%81%ED%92%88%20%EB%AA%A9%EB%A1%9D/%2F?a%20b=x%26y%3D%EC%9A%B0&n=1&n=true&n=2.5");
  CHECK_THAT(request.log(), Catch::Contains("200 OK, 3 bytes") && !Catch::Contains("x%26y"));
}

TEST_CASE("a connection's login, token and options become headers, which the task's own go before") {
  FaultServer server([](const SeenRequest&) { return reply(204); });
  const auto seen_with = [&](const std::string& login, const std::string& rest, Parameters more = {}) {
    more.emplace_back("connection", "api");
    Request request(as_uri(server, login, rest), more);
    CHECK(request.success().return_value.is_null());
    return server.requests().back();
  };
  CHECK(seen_with("kim:p%40ssword", "").header("authorization") == "Basic a2ltOnBAc3N3b3Jk");
  CHECK(seen_with(":long-token", "").header("authorization") == "Bearer long-token");
  CHECK(seen_with("kim:long-token", "/?auth=bearer").header("authorization") == "Bearer long-token");
  CHECK(seen_with("kim:password", "/?auth=none").header("authorization").empty());
  const SeenRequest seen = seen_with("", "/?X-Api-Key=secret-key&Accept=text/csv",
                                     {{"headers", map({{"accept", "application/json"}, {"X-Count", 5}})}});
  CHECK(seen.header("x-api-key") == "secret-key");
  CHECK(seen.header("accept") == "application/json");
  CHECK(seen.header("x-count") == "5");
  CHECK(seen.header("user-agent") == "udon");
}

TEST_CASE("a body is what it is: text, JSON or form fields") {
  FaultServer server([](const SeenRequest&) { return reply(200); });
  const auto seen_with = [&](Parameters parameters) {
    parameters.emplace_back("url", server.url());
    Request request("", parameters);
    request.success();
    return server.requests().back();
  };
  CHECK(seen_with({{"body", "글"}}).body == "글");
  CHECK(seen_with({{"body", Value(Value::List{1, nullptr})}}).body == "[1,null]");
  const Value form = map({{"Content-Type", "application/x-www-form-urlencoded"}});
  CHECK(seen_with({{"body", map({{"a", "1 2"}, {"b", "우"}})}, {"headers", form}}).body == "a=1%202&b=%EC%9A%B0");
  CHECK(seen_with({{"method", "PUT"}, {"body", 7}}).body == "7");
  CHECK(seen_with({{"method", "DELETE"}}).body.empty());
}

TEST_CASE("a status that is not expected is a failure of its kind, and says what the server said") {
  const std::vector<std::pair<int, ErrorKind>> kinds = {
      {400, ErrorKind::invalid},     {401, ErrorKind::denied},      {403, ErrorKind::denied},
      {404, ErrorKind::not_found},   {408, ErrorKind::timeout},     {409, ErrorKind::conflict},
      {410, ErrorKind::not_found},   {422, ErrorKind::invalid},     {429, ErrorKind::unavailable},
      {500, ErrorKind::unavailable}, {501, ErrorKind::unsupported}, {503, ErrorKind::unavailable}};
  for (const auto& [status, kind] : kinds) {
    FaultServer server([&, code = status](const SeenRequest&) {
      return reply(code, "{\"message\":\n  \"안 됩니다 long-token\"}", json_header);
    });
    Request request(as_uri(server, ":long-token", "/hook"), {{"connection", "api"}, {"url", "v1/a?b=c"}});
    const Outcome* none = nullptr;
    CHECK(none == nullptr);
    auto outcome = request.OperatorRun::run();
    REQUIRE_FALSE(outcome);
    check_says(outcome.error(), kind,
               {"GET " + server.url() + "/v1/a: " + std::to_string(status), "expected 2xx",
                "{\"message\": \"안 됩니다 ***\"}"});
    CHECK(is_transient(kind) == (status == 408 || status == 429 || status == 500 || status == 503));
  }
}

TEST_CASE("how long the server asks to wait is told") {
  FaultServer server([](const SeenRequest& seen) {
    return reply(seen.target == "/date" ? 503 : 429, "",
                 seen.target == "/date" ? "Retry-After: Fri, 31 Dec 2027 23:59:59 GMT\r\n" : "Retry-After: 120\r\n");
  });
  Request seconds("", {{"url", server.url() + "/seconds"}});
  check_says(seconds.failure(), ErrorKind::unavailable, {"429 Too Many Requests", "wait 120 s", "`retry_delay`"});
  Request date("", {{"url", server.url() + "/date"}});
  check_says(date.failure(), ErrorKind::unavailable, {"503", "until Fri, 31 Dec 2027 23:59:59 GMT"});
}

TEST_CASE("which statuses are expected can be said") {
  FaultServer server([](const SeenRequest&) { return reply(404, "no"); });
  for (const Value& expected : {Value(404), Value("4xx"), Value("400-404"), Value(Value::List{200, "404"})}) {
    Request request("", {{"url", server.url()}, {"expected_status", expected}});
    CHECK(request.success().return_value == Value("no"));
  }
  for (const Value& wrong : {Value("ok"), Value(99), Value("9xx"), Value("300-200"), Value(Value::List{})}) {
    Request request("", {{"url", server.url()}, {"expected_status", wrong}});
    check_says(request.failure(), ErrorKind::invalid, {"expected_status"});
  }
  CHECK(server.requests().size() == 4);  // what is wrong is seen before anything is sent
}

TEST_CASE("members of the answer can be asked for") {
  FaultServer server(
      [](const SeenRequest&) { return reply(200, R"({"state": "failed", "items": [{"id": 7.0}]})", json_header); });
  const auto with = [&](Value::Map expect) {
    return Request("", {{"url", server.url()}, {"response", "none"}, {"expect", map(std::move(expect))}});
  };
  CHECK(with({{"items.0.id", 7}}).success().return_value.is_null());
  check_says(with({{"state", "done"}}).failure(), ErrorKind::data, {"`state` = \"failed\"", "expected \"done\""});
  check_says(with({{"items.1.id", 7}}).failure(), ErrorKind::data, {"no `items.1.id`"});
}

TEST_CASE("an answer that is not what it says, or has no place, is an error of the data") {
  FaultServer server([](const SeenRequest& seen) {
    if (seen.target == "/broken") return reply(200, "{\"a\": ", json_header);
    if (seen.target == "/large") return reply(200, std::string((1 << 20) + 1, 'x'), "Content-Type: text/plain\r\n");
    return reply(200, "\xff\xd8\xff\xe0", "Content-Type: image/jpeg\r\n");
  });
  const auto get = [&](const std::string& path, Parameters more = {}) {
    more.emplace_back("url", server.url() + path);
    return Request("", more);
  };
  check_says(get("/broken").failure(), ErrorKind::data,
             {"not the JSON", "`response: text` to take it as it is: {\"a\":"});
  CHECK(get("/broken", {{"response", "text"}}).success().return_value == Value("{\"a\": "));
  check_says(get("/large").failure(), ErrorKind::data, {"1048576", "`response: none`"});
  CHECK(get("/large", {{"response", "none"}}).success().return_value.is_null());
  CHECK(get("/image").success().return_value.is_null());
  check_says(get("/image", {{"response", "text"}}).failure(), ErrorKind::data, {"UTF-8", "image/jpeg"});
}

TEST_CASE("an answer that nobody keeps may be of any length") {
  FaultServer server([](const SeenRequest&) { return reply(200, std::string(24 << 20, 'x')); });
  Request kept("", {{"url", server.url()}});
  check_says(kept.failure(), ErrorKind::data, {"longer than"});
  Request dropped("", {{"url", server.url()}, {"response", "none"}});
  CHECK(dropped.success().return_value.is_null());
}

TEST_CASE("a redirect is followed: POST becomes GET or stays, and credentials stay with their host") {
  FaultServer other([](const SeenRequest& seen) { return reply(200, seen.method + " " + seen.body); });
  FaultServer server([&](const SeenRequest& seen) {
    if (seen.target == "/here/303") return reply(303, "", "Location: ../there?x=1#part\r\n");
    if (seen.target == "/here/307") return reply(307, "", "Location: /there\r\n");
    if (seen.target == "/here/other") return reply(308, "", "Location: " + other.url() + "/a\r\n");
    if (seen.target == "/here/loop") return reply(302, "", "Location: loop\r\n");
    if (seen.target == "/here/ftp") return reply(302, "", "Location: ftp://example.com/\r\n");
    return reply(200, seen.method + " " + seen.target + " " + seen.body + " " + seen.header("authorization"));
  });
  const auto post = [&](const std::string& path, Parameters more = {}) {
    more.insert(more.end(), {{"connection", "api"}, {"url", "here/" + path}, {"body", "b"}});
    return Request(as_uri(server, ":long-token", "/?X-Api-Key=secret-key"), more);
  };
  const auto text = [](Request request) { return request.success().return_value; };
  // (The token is in the answer here on purpose, so it is looked at without the check that no message holds it.)
  Request see_other = post("303");
  see_other.context.connections["api"].password = "abc";
  CHECK(see_other.success().return_value == Value("GET /here/../there?x=1  Bearer abc"));
  Request same_method = post("307");
  same_method.context.connections["api"].password = "abc";
  CHECK(same_method.success().return_value == Value("POST /there b Bearer abc"));

  CHECK(text(post("other")) == Value("POST b"));
  CHECK(other.requests().at(0).header("authorization").empty());
  CHECK(other.requests().at(0).header("x-api-key").empty());
  CHECK(other.requests().at(0).header("content-type") == "text/plain; charset=utf-8");

  check_says(post("loop", {{"method", "GET"}}).failure(), ErrorKind::data, {"again and again"});
  check_says(post("ftp").failure(), ErrorKind::invalid, {"`ftp:`"});
  check_says(post("303", {{"redirects", "none"}}).failure(), ErrorKind::invalid,
             {"303 See Other", "`redirects: none`"});
  CHECK(post("303", {{"redirects", "none"}, {"expected_status", 303}}).success().return_value.is_null());
}

TEST_CASE("what is wrong with address or connection is said before anything is sent") {
  const auto failure = [](const std::string& uri, Parameters parameters) {
    if (!uri.empty()) parameters.emplace_back("connection", "api");
    return Request(uri, std::move(parameters)).failure();
  };
  check_says(failure("", {}), ErrorKind::invalid, {"url: is missing", "`connection`"});
  check_says(failure("", {{"url", "v1/a"}}), ErrorKind::invalid, {"`v1/a` is relative"});
  check_says(failure("", {{"url", "ftp://a/b"}}), ErrorKind::invalid, {"url"});
  check_says(failure("", {{"url", "https://kim:pw@a/b"}}), ErrorKind::invalid, {"login", "connection"});
  check_says(failure("mysql://h", {}), ErrorKind::invalid, {"`api`", "of type mysql"});
  check_says(failure("https://:secret-token@a.example/", {{"url", "https://b.example/x"}}), ErrorKind::invalid,
             {"https://b.example is not https://a.example", "`api`"});
  check_says(failure("https://a/?auth=beaver", {}), ErrorKind::invalid, {"auth=beaver", "did you mean `bearer`?"});
  check_says(failure("https://a/?ssl_mode=disabled", {}), ErrorKind::invalid, {"verify_identity"});
  check_says(failure("https://a/?timeout=5", {}), ErrorKind::invalid, {"option `timeout`"});
  check_says(failure("https://a", {{"headers", map({{"Content-Length", 1}})}}), ErrorKind::invalid, {"Content-Length"});
  check_says(failure("https://a", {{"headers", map({{"X", map({})}})}}), ErrorKind::invalid, {"`X`"});
  check_says(failure("https://a", {{"query", map({{"q", map({})}})}}), ErrorKind::invalid, {"query: `q`"});
}

TEST_CASE("a server that is not there, hangs up or falls silent is told apart, and a retry may help") {
  check_says(Request("", {{"url", "http://127.0.0.1:1/x"}}).failure(), ErrorKind::unavailable,
             {"GET http://127.0.0.1:1/x", "is the server up"});
  FaultServer closes([](const SeenRequest&) { return test::hang_up(); });
  CHECK(Request("", {{"url", closes.url()}}).failure().kind == ErrorKind::unavailable);
  FaultServer silent([](const SeenRequest&) {
    return FaultReply{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", FaultReply::Then::fall_silent};
  });
  check_says(Request("", {{"url", silent.url()}, {"request_timeout", "250ms"}}).failure(), ErrorKind::timeout,
             {silent.url(), "not done within 250ms (`request_timeout`)"});
}

TEST_CASE("a try that is asked to stop stops waiting") {
  Request* running = nullptr;
  FaultServer server([&](const SeenRequest&) {
    running->context.stop.request_stop();
    return FaultReply{"", FaultReply::Then::fall_silent};
  });
  Request request("", {{"url", server.url()}});
  running = &request;
  CHECK(request.failure().kind == ErrorKind::cancelled);
}

// tests/http/server.py.
class PythonServer {
 public:
  explicit PythonServer(const Path& folder, const std::vector<std::string>& arguments = {}) {
    const Path output = folder / "port";
    auto file = open_file(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(file);
    const std::string source = std::getenv("UDON_SOURCE");
    SpawnRequest request{.argv = {"python3", source + "/tests/http/server.py"}, .environment = current_environment()};
    request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
    request.stdout_fd = file->get();
    request.stderr_fd = 2;
    const auto started = spawn(request);
    REQUIRE(started);
    pid_ = *started;
    REQUIRE(test::eventually([&] { return read_file(output).value_or("").ends_with('\n'); }));
    const std::string text = read_file(output).value_or("");
    std::from_chars(text.data(), text.data() + text.size(), port_);
    REQUIRE(port_ > 0);
  }
  ~PythonServer() {
    ::kill(pid_, SIGKILL);
    static_cast<void>(wait_child(pid_));
  }
  PythonServer(const PythonServer&) = delete;
  PythonServer& operator=(const PythonServer&) = delete;
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  pid_t pid_ = 0;
  int port_ = 0;
};

TEST_CASE("Python's server understands every method, with Korean in path and body") {
  const TemporaryFolder folder;
  const PythonServer server(folder.path());
  for (const std::string method : {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    Request request("http://kim:%ED%95%9C%EA%B8%80@" + server.address(),
                    {{"connection", "api"}, {"url", "주문/1"}, {"method", method}, {"body", map({{"이름", "우동"}})}});
    request.context.connections["api"].password = "한";
    const Outcome outcome = request.success();
    CHECK(outcome.return_value.text("method") == method);
    CHECK(outcome.return_value.text("path") == "/%EC%A3%BC%EB%AC%B8/1");
    CHECK(outcome.return_value.text("body") == R"({"이름":"우동"})");
    CHECK(request.context.pushed["status"] == Value(method == "POST" ? 201 : 200));
  }
  Request head("", {{"url", "http://" + server.address() + "/x"}, {"method", "HEAD"}});
  CHECK(head.success().return_value.is_null());
}

TEST_CASE("a certificate is verified, unless the connection says otherwise") {
  const TemporaryFolder folder;
  const auto certificate = [&](const std::string& name) {
    const Path file = folder.path() / (name + ".crt");
    const auto made = run_command(
        {.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                  "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                  "-keyout", (folder.path() / (name + ".key")).string(), "-out", file.string()},
         .environment = current_environment()},
        std::chrono::seconds(60));
    REQUIRE((made && made->status.succeeded()));
    return file.string();
  };
  const std::string own = certificate("own"), other = certificate("other");
  const PythonServer server(folder.path(), {own, (folder.path() / "own.key").string()});
  const auto request = [&](const std::string& options) {
    return Request("https://:long-token@" + server.address() + "/" + options,
                   {{"connection", "api"}, {"url", "a"}, {"response", "none"}});
  };
  CHECK(request("?ssl_ca=" + own).success().return_value.is_null());
  check_says(request("?ssl_ca=" + other).failure(), ErrorKind::denied, {"certificate is not trusted"});
  CHECK(request("?ssl_mode=required&ssl_ca=" + other).success().return_value.is_null());
  CHECK(request("?verify=false&ssl_ca=" + other).success().return_value.is_null());
  // Airflow's way to say https.
  Request airflow("http://" + server.address() + "/https?ssl_ca=" + own, {{"connection", "api"}, {"response", "none"}});
  CHECK(airflow.success().return_value.is_null());
}

}  // namespace
}  // namespace udon
