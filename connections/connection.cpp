#include "connections/connection.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace udon {
namespace {

// One JSON text instead of single options, as Airflow writes it where a value is no text.
constexpr std::string_view json_option = "__extra__";

// Never quotes the URI or a part of it that may hold a secret: after one unescaped '/' or '@' that can be any
// part.
class UriParser {
 public:
  UriParser(const std::string& id, std::string_view uri) : id_(id), rest_(uri) {}

  Result<Connection> parse() {
    Connection connection{.id = id_};
    TRY_ASSIGN(connection.type, take_type());
    if (rest_.find('#') != rest_.npos) return problem("it has a `#`; inside a login, password or option write %23");
    const size_t authority_end = std::min(rest_.find_first_of("/?"), rest_.size());
    std::string_view authority = rest_.substr(0, authority_end);
    rest_.remove_prefix(authority_end);
    // The last '@', as Python's urlsplit has it: hosts have none, while people forget to escape it in
    // passwords.
    if (const size_t at = authority.rfind('@'); at != authority.npos) {
      TRY(parse_login(authority.substr(0, at), connection));
      authority.remove_prefix(at + 1);
    }
    TRY(parse_host(authority, connection));
    const size_t path_end = std::min(rest_.find('?'), rest_.size());
    if (path_end > 0) {
      TRY_ASSIGN(connection.schema, decode(rest_.substr(1, path_end - 1), "database"));
    }
    if (path_end < rest_.size()) TRY(parse_options(rest_.substr(path_end + 1), connection.extra));
    return connection;
  }

 private:
  Error problem(const std::string& what) const {
    return {ErrorKind::invalid, "connection `" + id_ + "`: the URI is wrong: " + what};
  }

  Result<std::string> decode(std::string_view text, const std::string& part) const {
    const auto decoded = percent_decode(text);
    if (!decoded)
      return problem("in its " + part + " a `%` is not followed by two hex digits; write a `%` itself as %25");
    TRY(check_no_zero(*decoded, part));
    return *decoded;
  }

  // Client libraries take C strings and would silently cut it there.
  Result<void> check_no_zero(std::string_view text, const std::string& part) const {
    if (text.find('\0') != text.npos) return problem("its " + part + " has a zero byte");
    return {};
  }

  Result<std::string> take_type() {
    const size_t end = rest_.find("://");
    if (end == rest_.npos || end == 0) {
      return problem("expected TYPE://LOGIN:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE, such as mysql://… or aws://…");
    }
    std::string type = lower_ascii(rest_.substr(0, end));
    for (char& c : type) {
      if (c == '-') c = '_';  // Airflow's types have underscores, a URI's scheme can't
      const bool is_allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '.';
      if (!is_allowed)
        return problem("its type (what stands before ://) may have letters, digits, `+`, `-` and `.` only");
    }
    rest_.remove_prefix(end + 3);
    if (type == "mariadb") return std::string("mysql");
    if (type == "postgres") return std::string("postgresql");
    if (type == "s3") return std::string("aws");
    return type;
  }

  Result<void> parse_login(std::string_view text, Connection& connection) const {
    const size_t colon = std::min(text.find(':'), text.size());
    TRY_ASSIGN(connection.login, decode(text.substr(0, colon), "login"));
    if (colon < text.size()) {
      TRY_ASSIGN(connection.password, decode(text.substr(colon + 1), "password"));
    }
    return {};
  }

  Result<void> parse_host(std::string_view text, Connection& connection) const {
    std::string_view port;
    if (text.starts_with('[')) {
      const size_t close = text.find(']');
      if (close == text.npos) return problem("its host starts with `[` but has no `]`");
      connection.host = text.substr(1, close - 1);
      TRY(check_no_zero(connection.host, "host"));
      text.remove_prefix(close + 1);
      if (text.empty()) return {};
      if (!text.starts_with(':')) return problem("after the `]` of its host expected `:` and a port");
      port = text.substr(1);
    } else {
      const size_t colon = std::min(text.find(':'), text.size());
      TRY_ASSIGN(connection.host, decode(text.substr(0, colon), "host"));
      if (colon == text.size()) return {};
      port = text.substr(colon + 1);
    }
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), connection.port);
    if (error != std::errc() || end != port.data() + port.size() || connection.port < 1 || connection.port > 65535) {
      return problem(
          "expected a port from 1 to 65535 after its host; a `/`, `?` or `:` in a login or password is "
          "written %2F, %3F, %3A");
    }
    return {};
  }

  Result<void> parse_options(std::string_view text, Value& extra) const {
    for (const std::string& option : split(text, '&')) {
      if (option.empty()) continue;
      // As Airflow and HTML forms have it; what to_uri writes is read alike without this rule.
      std::string spaced = option;
      std::ranges::replace(spaced, '+', ' ');
      const size_t equals = std::min(spaced.find('='), spaced.size());
      TRY_ASSIGN(const std::string key, decode(std::string_view(spaced).substr(0, equals), "options"));
      TRY_ASSIGN(const std::string value,
                 decode(std::string_view(spaced).substr(std::min(equals + 1, spaced.size())), "option `" + key + "`"));
      if (extra.find(key)) return problem("option `" + key + "` is given twice");
      if (key == json_option) {
        auto json = parse_json(value);
        if (!json || !json->is_map()) return problem("option `" + key + "` is no JSON object");
        for (auto& [name, member] : json->as_map()) {
          if (extra.find(name)) return problem("option `" + name + "` is given twice");
          TRY(check_no_zero(name, "options"));
          if (member.is_string()) TRY(check_no_zero(member.as_string(), "option `" + name + "`"));
          extra.set(name, std::move(member));
        }
      } else {
        extra.set(key, value);
      }
    }
    return {};
  }

  const std::string& id_;
  std::string_view rest_;
};

bool is_ipv6(std::string_view host) {
  return host.find(':') != host.npos && host.find_first_not_of("0123456789abcdefABCDEF:.") == host.npos;
}

std::string host_and_port(const Connection& connection) {
  std::string text = is_ipv6(connection.host) ? "[" + connection.host + "]" : percent_encode(connection.host);
  if (connection.port != 0) text += ":" + std::to_string(connection.port);
  return text;
}

}  // namespace

std::string Connection::display() const {
  std::string text = type + "://" + host_and_port(*this);
  if (!schema.empty()) text += "/" + percent_encode(schema, "/");
  return text;
}

Result<Connection> parse_connection_uri(const std::string& id, std::string_view uri) {
  return UriParser(id, trim(uri)).parse();
}

std::string to_uri(const Connection& connection) {
  std::string uri = connection.type;
  std::ranges::replace(uri, '_', '-');
  uri += "://";
  if (!connection.login.empty() || !connection.password.empty()) {
    uri += percent_encode(connection.login);
    if (!connection.password.empty()) uri += ":" + percent_encode(connection.password);
    uri += "@";
  }
  uri += host_and_port(connection);
  if (!connection.schema.empty()) uri += "/" + percent_encode(connection.schema, "/");
  if (connection.extra.size() == 0) return uri;
  if (connection.schema.empty()) uri += "/";
  const auto is_plain = [](const Value::Member& member) {
    return member.second.is_string() && member.first != json_option;
  };
  if (!std::ranges::all_of(connection.extra.as_map(), is_plain)) {
    return uri + "?" + std::string(json_option) + "=" + percent_encode(to_json(connection.extra));
  }
  char separator = '?';
  for (const auto& [key, value] : connection.extra.as_map()) {
    uri += separator + percent_encode(key) + "=" + percent_encode(value.as_string());
    separator = '&';
  }
  return uri;
}

bool is_secret_key(std::string_view key) {
  // Airflow's list of sensitive names, and `key` itself or at the end of a name. Rather one too many: a path
  // that is shown as *** hurts less than a key that is shown.
  constexpr std::array<std::string_view, 14> parts = {
      "password", "passwd",        "passphrase", "secret", "token",        "apikey",          "api_key",
      "private",  "authorization", "credential", "cookie", "keyfile_dict", "service_account", "proxy"};
  const std::string lower = lower_ascii(key);
  const auto is_part = [&](std::string_view part) { return lower.find(part) != lower.npos; };
  return lower.ends_with("key") || std::ranges::any_of(parts, is_part);
}

}  // namespace udon
