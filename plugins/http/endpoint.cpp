#include "plugins/http/endpoint.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "plugins/http/content.h"

namespace udon {
namespace {

constexpr std::string_view path_characters = "/:@!$&'()*+,;=";

// What a person writes into a URL and a server takes only encoded. Anything else stays as it is, also `%`.
Result<std::string> encoded_url(std::string_view url) {
  std::string encoded;
  for (const char c : url) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return Error{ErrorKind::invalid, "url: it holds a control character"};
    if (byte == ' ' || byte >= 0x80 || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' || c == '`' ||
        c == '{' || c == '|' || c == '}')
      encoded += percent_encode(std::string_view(&c, 1));
    else
      encoded += c;
  }
  return encoded;
}

// Options of Python's requests, which Airflow takes out of a connection. As headers they would do nothing, unseen.
constexpr std::array<std::string_view, 10> refused_options = {
    "allow_redirects", "auth_type", "cert",           "check_response", "max_redirects",
    "proxies",         "stream",    "tcp_keep_alive", "timeout",        "trust_env"};

class ConnectionReader {
 public:
  explicit ConnectionReader(const Connection& connection) : connection_(connection) {}

  // "https://host:port/base"; empty: the connection names no host.
  Result<std::string> address() const {
    std::string scheme = connection_.type;
    if (scheme != "http" && scheme != "https")
      return problem("is of type " + connection_.type + "; http takes http and https");
    std::string host = connection_.host;
    if (const size_t end = host.find("://"); end != std::string::npos) {  // as Airflow allows it
      scheme = lower_ascii(host.substr(0, end));
      host.erase(0, end + 3);
    }
    std::string base = connection_.schema;
    if (base == "https" || base == "http") {  // Airflow's way to say the scheme
      scheme = base;
      base.clear();
    }
    if (host.empty()) return std::string();
    if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
    std::string address = scheme + "://" + host;
    if (connection_.port != 0) address += ":" + std::to_string(connection_.port);
    return address + "/" + percent_encode(base, path_characters);
  }

  Result<void> read_options(HttpEndpoint& endpoint) const {
    std::string auth = connection_.login.empty() ? (connection_.password.empty() ? "none" : "bearer") : "basic";
    for (const auto& [key, value] : connection_.extra.as_map()) {
      const auto text = header_text(value);
      if (!text) return problem("option `" + key + "` is no text or number");
      if (key == "auth") {
        auth = *text;
      } else if (key == "ssl_ca") {
        endpoint.tls_authorities = *text;
      } else if (key == "ssl_mode") {
        TRY(read_ssl_mode(*text, endpoint));
      } else if (key == "verify") {
        endpoint.is_tls_verified = lower_ascii(*text) != "false" && *text != "0";
      } else if (std::ranges::find(refused_options, key) != refused_options.end()) {
        return problem("option `" + key + "` means nothing here; time and redirects are parameters of the task");
      } else {
        endpoint.headers.emplace_back(key, *text);  // Airflow's rule
      }
    }
    return add_credentials(auth, endpoint.headers);
  }

 private:
  Error problem(const std::string& what) const {
    return {ErrorKind::invalid, "connection `" + connection_.id + "`: " + what};
  }

  Result<void> read_ssl_mode(const std::string& mode, HttpEndpoint& endpoint) const {
    static const std::vector<std::string> modes{"required", "verify_identity"};
    if (mode != "required" && mode != "verify_identity")
      return problem("ssl_mode=" + mode + " is not one of " + join(modes, ", ") + did_you_mean(mode, modes));
    endpoint.is_tls_verified = mode == "verify_identity";
    return {};
  }

  Result<void> add_credentials(const std::string& auth, HttpHeaders& headers) const {
    static const std::vector<std::string> ways{"basic", "bearer", "none"};
    if (auth == "none") return {};
    if (auth == "bearer") {
      if (connection_.password.empty()) return problem("auth=bearer needs the token as its password");
      headers.emplace_back("Authorization", "Bearer " + connection_.password);
      return {};
    }
    if (auth != "basic")
      return problem("auth=" + auth + " is not one of " + join(ways, ", ") + did_you_mean(auth, ways));
    const std::string both = connection_.login + ":" + connection_.password;
    headers.emplace_back("Authorization",
                         "Basic " + to_base64({reinterpret_cast<const unsigned char*>(both.data()), both.size()}));
    return {};
  }

  const Connection& connection_;
};

bool is_absolute(std::string_view url) {
  const std::string start = lower_ascii(url.substr(0, 8));
  return start.starts_with("http://") || start.starts_with("https://");
}

// "items?x=1" behind "https://host/api/v2".
std::string joined(std::string base, const std::string& rest) {
  if (rest.empty()) return base;
  const bool is_path = !rest.starts_with('?');
  if (is_path) {
    while (base.ends_with('/')) base.pop_back();
    if (!rest.starts_with('/')) base += '/';
  }
  return base + rest;
}

std::string without_query(std::string_view url) { return std::string(url.substr(0, url.find_first_of("?#"))); }

}  // namespace

Result<HttpEndpoint> make_endpoint(const std::optional<Connection>& connection, const std::string& url,
                                   const Value& query) {
  HttpEndpoint endpoint;
  std::string base;
  if (connection) {
    const ConnectionReader reader(*connection);
    TRY_ASSIGN(base, reader.address());
    TRY(reader.read_options(endpoint));
  }
  TRY_ASSIGN(const std::string encoded, encoded_url(url));
  if (is_absolute(encoded)) {
    endpoint.url = encoded;
  } else if (base.empty()) {
    return Error{ErrorKind::invalid, std::string("url: ") +
                                         (url.empty() ? "is missing" : "`" + without_query(url) + "` is relative") +
                                         (connection ? ", and connection `" + connection->id + "` names no host"
                                                     : "; write https://host/path, or say `connection`")};
  } else {
    endpoint.url = joined(base, encoded);
  }
  const auto parsed = parse_http_url(endpoint.url);
  if (!parsed) return parsed.error().within(is_absolute(encoded) ? "url" : "connection `" + connection->id + "`");
  if (!base.empty()) {
    TRY_ASSIGN(const HttpUrl own, parse_http_url(base));
    if (own.origin() != parsed->origin())
      return Error{ErrorKind::invalid, "url: " + parsed->origin() + " is not " + own.origin() +
                                           ", the address of connection `" + connection->id +
                                           "`, whose credentials it would get; leave out the host, or the connection"};
  }
  const std::string own_part = is_absolute(encoded) ? parsed->target : encoded;
  endpoint.shown = parsed->origin() + joined("/", without_query(own_part));

  TRY_ASSIGN(const std::string fields, form_encoded(query, "query"));
  if (!fields.empty()) endpoint.url += (endpoint.url.find('?') == std::string::npos ? '?' : '&') + fields;
  return endpoint;
}

Result<std::string> form_encoded(const Value& fields, std::string_view what) {
  std::string encoded;
  if (fields.is_null()) return encoded;
  const auto add = [&](const std::string& name, const Value& value) -> Result<void> {
    const auto text = header_text(value);
    if (!text)
      return Error{ErrorKind::invalid, std::string(what) + ": `" + name + "` is " + std::string(value.type_name()) +
                                           "; expected a text, a number, true, false, or a list of them"};
    encoded += (encoded.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(*text);
    return {};
  };
  for (const auto& [name, value] : fields.as_map()) {
    if (value.is_null()) continue;
    if (!value.is_list()) {
      TRY(add(name, value));
      continue;
    }
    for (const Value& item : value.as_list()) TRY(add(name, item));
  }
  return encoded;
}

Result<std::string> resolve_location(const std::string& url, const std::string& location) {
  TRY_ASSIGN(const HttpUrl from, parse_http_url(url));
  TRY_ASSIGN(std::string to, encoded_url(location.substr(0, location.find('#'))));
  if (to.starts_with("//")) return from.scheme + ":" + to;
  if (is_absolute(to)) return to;
  if (to.starts_with('/')) return from.origin() + to;
  const std::string path = without_query(from.target);
  if (to.starts_with('?')) return from.origin() + path + to;
  const size_t colon = to.find(':');
  if (colon != std::string::npos && colon < to.find('/'))
    return Error{ErrorKind::invalid, "it redirects to `" + to.substr(0, colon) + ":`, which is neither http nor https"};
  return from.origin() + path.substr(0, path.rfind('/') + 1) + to;
}

}  // namespace udon
