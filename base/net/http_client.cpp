#include "base/net/http_client.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <mutex>

#include "base/ensure.h"
#include "base/text.h"

namespace udon {
namespace {

constexpr long upload_buffer_bytes = 256 << 10;
// Bodies below this are not worth the larger buffer.
constexpr int64_t large_body_bytes = 1 << 20;
// Idle connections (each with its buffers) that a client keeps.
constexpr size_t idle_slots_max = 64;

void initialize_curl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_ALL);
  ENSURE(code == CURLE_OK, "libcurl starts");
}

// Reads a request's body for curl, and can go back to its start except for a HttpBodySource.
class BodyReader {
 public:
  explicit BodyReader(const HttpRequest& request) : body_(request.body) {
    if (const auto* text = std::get_if<std::string>(&body_)) text_ = *text;
    if (const auto* view = std::get_if<std::string_view>(&body_)) text_ = *view;
  }
  int64_t length() const {
    if (const auto* range = std::get_if<FileRange>(&body_)) return range->length;
    if (const auto* source = std::get_if<HttpBodySource>(&body_)) return source->length;
    return static_cast<int64_t>(text_.size());
  }
  const std::optional<Error>& error() const { return error_; }

  static size_t read(char* to, size_t size, size_t count, void* self) {
    return static_cast<BodyReader*>(self)->fill({to, size * count});
  }
  static int seek(void* self, curl_off_t offset, int origin) {
    auto* reader = static_cast<BodyReader*>(self);
    if (origin != SEEK_SET || std::holds_alternative<HttpBodySource>(reader->body_)) return CURL_SEEKFUNC_CANTSEEK;
    reader->done_ = offset;
    return CURL_SEEKFUNC_OK;
  }

 private:
  size_t fill(std::span<char> to) {
    Result<size_t> filled = 0;
    if (const auto* range = std::get_if<FileRange>(&body_)) {
      filled = read_range(*range, to);
    } else if (const auto* source = std::get_if<HttpBodySource>(&body_)) {
      filled = source->read(to);
    } else {
      filled = std::min(to.size(), text_.size() - static_cast<size_t>(done_));
      std::copy_n(text_.data() + done_, *filled, to.data());
    }
    if (!filled) {
      error_ = filled.error();
      return CURL_READFUNC_ABORT;
    }
    done_ += static_cast<int64_t>(*filled);
    return *filled;
  }
  Result<size_t> read_range(const FileRange& range, std::span<char> to) const {
    const int64_t wanted = std::min<int64_t>(static_cast<int64_t>(to.size()), range.length - done_);
    if (wanted <= 0) return size_t{0};
    for (;;) {
      const ssize_t n = ::pread(range.fd, to.data(), static_cast<size_t>(wanted), range.offset + done_);
      if (n > 0) return static_cast<size_t>(n);
      if (n == 0) return Error{ErrorKind::data, range.path.string() + " became shorter while it was being sent"};
      if (errno != EINTR) return io_error("read", range.path, errno);
    }
  }

  const std::variant<std::string, std::string_view, FileRange, HttpBodySource>& body_;
  std::string_view text_;
  int64_t done_ = 0;
  std::optional<Error> error_;
};

// Called before each sending: libcurl repeats what a kept connection died under without a word.
int count_sending(void* times, char*, char*, int, int) {
  ++*static_cast<int*>(times);
  return CURL_PREREQFUNC_OK;
}

struct Receiver {
  HttpResponse response;
  int64_t bytes_max = 0;
  int64_t bytes_kept = 0;
  int64_t bytes = 0;  // so far
  bool is_too_long = false;

  static size_t take_body(char* data, size_t size, size_t count, void* self) {
    auto* receiver = static_cast<Receiver*>(self);
    const size_t bytes = size * count;
    receiver->bytes += static_cast<int64_t>(bytes);
    if (receiver->bytes > receiver->bytes_max) {
      receiver->is_too_long = true;
      return 0;
    }
    const int64_t room = receiver->bytes_kept - static_cast<int64_t>(receiver->response.body.size());
    receiver->response.body.append(data, std::min(bytes, static_cast<size_t>(std::max<int64_t>(room, 0))));
    return bytes;
  }
  static size_t take_header(char* data, size_t size, size_t count, void* self) {
    auto& headers = static_cast<Receiver*>(self)->response.headers;
    const std::string_view line(data, size * count);
    const size_t colon = line.find(':');
    if (line.starts_with("HTTP/")) {
      headers.clear();
    } else if (colon != line.npos) {
      headers.emplace_back(lower_ascii(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
    }
    return line.size();
  }
};

class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(list_); }
  void add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list_, line.c_str());
    ENSURE(longer != nullptr, "there is memory for a header");
    list_ = longer;
  }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// This machine and its hypervisor (link-local addresses, where clouds hand out keys) are never asked through a proxy.
bool is_nearby(std::string_view host) {
  return is_loopback(host) || host.starts_with("169.254.") || host.starts_with("[fe80:") ||
         host.starts_with("[fd00:ec2:");
}

long milliseconds(Duration duration) {
  return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

bool has_body(const HttpRequest& request, const BodyReader& body) {
  return body.length() != 0 || request.method == "PUT" || request.method == "POST" || request.method == "PATCH";
}

}  // namespace

// An easy handle and the multi handle that drives it: the latter owns the connections and can be woken from another
// thread, so that a stop is obeyed at once.
struct HttpClient::Slot {
  CURL* easy = curl_easy_init();
  CURLM* multi = curl_multi_init();
  char error[CURL_ERROR_SIZE] = {};

  Slot() { ENSURE(easy && multi, "there is memory for a request"); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }

  template <class T>
  void set(CURLoption option, T value) {
    const CURLcode code = curl_easy_setopt(easy, option, value);
    ENSURE(code == CURLE_OK, std::string("libcurl knows option ") + std::to_string(option));
  }

  Result<HttpResponse> send(const HttpRequest& request, const HttpUrl& url, const std::stop_token& stop);
  void set_up(const HttpRequest& request, const HttpUrl& url);
  int64_t bytes_moved() const;
  Result<CURLcode> drive(Duration stall, const std::stop_token& stop);
  Error explain(CURLcode code, const HttpRequest& request, const HttpUrl& url) const;
};

struct HttpClient::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Slot>> idle;  // the one used last is taken first: its connection is the freshest

  std::unique_ptr<Slot> take() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        auto slot = std::move(idle.back());
        idle.pop_back();
        return slot;
      }
    }
    return std::make_unique<Slot>();
  }
  void give_back(std::unique_ptr<Slot> slot) {
    const std::lock_guard lock(mutex);
    if (idle.size() < idle_slots_max) idle.push_back(std::move(slot));
  }
};

void HttpClient::Slot::set_up(const HttpRequest& request, const HttpUrl& url) {
  curl_easy_reset(easy);
  error[0] = '\0';
  set(CURLOPT_ERRORBUFFER, error);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, std::max(1L, milliseconds(request.timeouts.connect)));
  set(CURLOPT_TIMEOUT_MS, milliseconds(request.timeouts.total));
  if (is_nearby(url.host)) set(CURLOPT_PROXY, "");
  if (!request.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  if (!request.tls_authorities.empty()) set(CURLOPT_CAINFO, request.tls_authorities.c_str());
  const bool is_verified = request.tls_verified && (!is_loopback(url.host) || !request.tls_authorities.empty());
  set(CURLOPT_SSL_VERIFYPEER, is_verified ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, is_verified ? 2L : 0L);
}

Result<HttpResponse> HttpClient::Slot::send(const HttpRequest& request, const HttpUrl& url,
                                            const std::stop_token& stop) {
  set_up(request, url);
  BodyReader body(request);
  Receiver receiver{.bytes_max = request.response_bytes_max, .bytes_kept = request.response_bytes_kept};
  HeaderList headers;
  for (const auto& [name, value] : request.headers) {
    // Without a value curl would take the header out.
    headers.add(value.empty() ? name + ";" : name + ": " + value);
  }
  if (!request.expect_continue) headers.add("Expect:");
  const auto is_accept = [](const auto& header) { return lower_ascii(header.first) == "accept"; };
  if (std::ranges::none_of(request.headers, is_accept)) headers.add("Accept: */*");
  if (has_body(request, body)) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, &BodyReader::read);
    set(CURLOPT_READDATA, static_cast<void*>(&body));
    set(CURLOPT_SEEKFUNCTION, &BodyReader::seek);
    set(CURLOPT_SEEKDATA, static_cast<void*>(&body));
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(body.length()));
    if (body.length() < 0) headers.add("Transfer-Encoding: chunked");
    if (body.length() >= large_body_bytes) set(CURLOPT_UPLOAD_BUFFERSIZE, upload_buffer_bytes);
    if (request.expect_continue) headers.add("Expect: 100-continue");
  } else if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  }
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_WRITEFUNCTION, &Receiver::take_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&receiver));
  set(CURLOPT_HEADERFUNCTION, &Receiver::take_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&receiver));
  int times_sent = 0;
  set(CURLOPT_PREREQFUNCTION, &count_sending);
  set(CURLOPT_PREREQDATA, static_cast<void*>(&times_sent));

  auto code = drive(request.timeouts.stall, stop);
  if (!code) return code.error().within(url.authority());
  if (body.error()) return *body.error();
  if (receiver.is_too_long) {
    return Error{ErrorKind::data, url.authority() + ": the answer is longer than " +
                                      std::to_string(request.response_bytes_max) + " bytes"};
  }
  if (*code != CURLE_OK) return explain(*code, request, url);
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  receiver.response.status = static_cast<int>(status);
  receiver.response.times_sent = std::max(1, times_sent);
  return std::move(receiver.response);
}

// curl's own watch over slow transfers looks at an average of some seconds; ours sees each byte.
int64_t HttpClient::Slot::bytes_moved() const {
  curl_off_t down = 0, up = 0;
  long headers = 0, request = 0;
  curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
  curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
  curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &headers);
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request);
  return down + up + headers + request;
}

Result<CURLcode> HttpClient::Slot::drive(Duration stall, const std::stop_token& stop) {
  using Steady = std::chrono::steady_clock;
  ENSURE(curl_multi_add_handle(multi, easy) == CURLM_OK, "a request is driven once at a time");
  struct Removal {
    Slot& slot;
    ~Removal() { curl_multi_remove_handle(slot.multi, slot.easy); }
  } removal{*this};
  const std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi); });
  int64_t moved = 0;
  Steady::time_point moved_at = Steady::now();
  for (;;) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped before the answer"};
    int running = 0;
    CURLMcode code = curl_multi_perform(multi, &running);
    if (code == CURLM_OK && running > 0) {
      const Steady::time_point now = Steady::now();
      // While it connects nothing moves: another limit.
      if (const int64_t bytes = bytes_moved(); bytes != moved || bytes == 0) moved = bytes, moved_at = now;
      const Duration left = stall - std::chrono::duration_cast<Duration>(now - moved_at);
      if (left <= Duration(0)) return Error{ErrorKind::timeout, "silent for " + format_duration(stall)};
      const Duration wait = std::min<Duration>(left, std::chrono::seconds(1));
      code = curl_multi_poll(multi, nullptr, 0, static_cast<int>(milliseconds(wait)), nullptr);
    }
    if (code != CURLM_OK) return Error{ErrorKind::io, curl_multi_strerror(code)};
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
  }
}

Error HttpClient::Slot::explain(CURLcode code, const HttpRequest& request, const HttpUrl& url) const {
  const std::string host = url.authority();
  const std::string detail = error[0] != '\0' ? error : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return {ErrorKind::unavailable, "host " + url.host + " is not known here (name resolution failed)"};
    case CURLE_COULDNT_RESOLVE_PROXY: return {ErrorKind::unavailable, "the proxy's name cannot be resolved: " + detail};
    case CURLE_COULDNT_CONNECT: return {ErrorKind::unavailable, host + " takes no connection: " + detail};
    case CURLE_OPERATION_TIMEDOUT: {
      curl_off_t connected = 0;
      curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
      if (connected == 0) {
        return {ErrorKind::timeout, host + ": no connection within " + format_duration(request.timeouts.connect)};
      }
      return {ErrorKind::timeout, host + ": not done within " + format_duration(request.timeouts.total)};
    }
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_SSL_CONNECT_ERROR: return {ErrorKind::unavailable, host + ": the connection was cut: " + detail};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR: return {ErrorKind::denied, host + ": its certificate is not trusted: " + detail};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return {ErrorKind::invalid, host + ": " + detail};
    default: return {ErrorKind::unavailable, host + ": " + detail};
  }
}

std::string_view HttpResponse::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, [](const auto& h) -> const std::string& { return h.first; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

HttpClient::HttpClient() : pool_(std::make_unique<Pool>()) { initialize_curl(); }
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::send(const HttpRequest& request, std::stop_token stop) {
  TRY_ASSIGN(const HttpUrl url, parse_http_url(request.url));
  for (const auto& [name, value] : request.headers) {
    const bool is_name_bad = name.empty() || name.find_first_of(std::string_view("\r\n\0: ;", 6)) != name.npos;
    if (is_name_bad || value.find_first_of(std::string_view("\r\n\0", 3)) != value.npos) {
      return Error{ErrorKind::invalid, url.authority() + ": header `" + name.substr(0, name.find_first_of("\r\n")) +
                                           "` has a character that no header may have"};
    }
  }
  auto slot = pool_->take();
  auto response = slot->send(request, url, stop);
  pool_->give_back(std::move(slot));
  return response;
}

std::string HttpUrl::authority() const { return port == 0 ? host : host + ":" + std::to_string(port); }

Result<HttpUrl> parse_http_url(std::string_view url) {
  const auto problem = [](const std::string& what) {
    return Error{ErrorKind::invalid, "expected a URL such as https://host:port/path: " + what};
  };
  HttpUrl parts;
  const size_t scheme_end = url.find("://");
  if (scheme_end == url.npos) return problem("no `://`");
  parts.scheme = lower_ascii(url.substr(0, scheme_end));
  if (parts.scheme != "http" && parts.scheme != "https") return problem("its scheme is neither http nor https");
  url.remove_prefix(scheme_end + 3);
  std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  parts.target = url.substr(authority.size());
  if (parts.target.find('#') != parts.target.npos) return problem("it has a `#`");
  if (!parts.target.starts_with('/')) parts.target.insert(0, "/");
  // A login in a URL would end up in messages; and curl would send it.
  if (authority.find('@') != authority.npos) return problem("it holds a login; give it in the connection");
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  parts.host = lower_ascii(authority.substr(0, colon));
  if (colon != authority.npos) {
    const std::string_view port = authority.substr(colon + 1);
    const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), parts.port);
    if (code != std::errc() || end != port.data() + port.size() || parts.port < 1 || parts.port > 65535) {
      return problem("its port is not a number from 1 to 65535");
    }
    if (parts.port == (parts.scheme == "https" ? 443 : 80)) parts.port = 0;
  }
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789.-_[]:";
  if (parts.host.empty() || parts.host.find_first_not_of(allowed) != parts.host.npos) return problem("no proper host");
  return parts;
}

bool is_loopback(std::string_view host) {
  // Not a name such as 127.example.com.
  const bool is_ipv4 = host.find_first_not_of("0123456789.") == host.npos;
  return host == "localhost" || (is_ipv4 && host.starts_with("127.")) || host == "[::1]" || host == "::1";
}

}  // namespace udon
