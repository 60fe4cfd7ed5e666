#pragma once
// An HTTP server that answers exactly as a test says, down to the byte at which it falls silent or hangs up.
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.h"

namespace udon::test {

struct SeenRequest {
  int connection = 0;  // from 1
  std::string method;
  std::string target;                          // as it came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // without the marks of chunks
  std::string header(const std::string& name) const;
};

struct FaultReply {
  std::string bytes;  // the whole answer, from "HTTP/1.1"
  enum class Then { keep, close, fall_silent };
  Then then = Then::keep;  // fall_silent: the connection stays open until the client or the server goes
};
// "HTTP/1.1 STATUS", the headers ("name: value\r\n" each), Content-Length and the body.
FaultReply reply(int status, std::string_view body = {}, std::string_view headers = {});
FaultReply hang_up();  // no answer at all

class FaultServer {
 public:
  // Called by the threads of connections, one request after the other.
  using Handler = std::function<FaultReply(const SeenRequest&)>;
  explicit FaultServer(Handler handler, const Path& unix_socket = {});
  ~FaultServer();
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;

  std::string url() const { return "http://" + host(); }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  std::vector<SeenRequest> requests() const;

 private:
  void accept_all();
  void serve(int fd, int number);

  const Handler handler_;
  FileDescriptor listener_;
  int port_ = 0;
  mutable std::mutex mutex_;  // of what follows, and of the handler
  bool is_over_ = false;
  std::vector<int> open_;
  std::vector<SeenRequest> seen_;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace udon::test
