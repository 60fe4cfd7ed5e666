#include "plugins/connection_test/finding.h"

#include <algorithm>

#include "base/text.h"

namespace udon {
namespace {

// Besides what the session itself advises: it knows neither this program's verbs nor the network's owners.
std::string next_step(const Error& error, const std::string& id) {
  switch (error.kind) {
    case ErrorKind::denied:
      if (error.message.find("ssl_ca") != std::string::npos)
        return "`udon connections add " + id + " URI --replace` with another ssl_ca";
      return "`udon connections add " + id + " URI --replace` sets login and password anew";
    case ErrorKind::unavailable:
    case ErrorKind::timeout:
      return "look at what stands between this machine and the server too: firewall, security group, VPN";
    case ErrorKind::not_found:
    case ErrorKind::invalid:
    case ErrorKind::unsupported:
    case ErrorKind::conflict:
    case ErrorKind::data:
    case ErrorKind::io:
    case ErrorKind::cancelled: break;
  }
  return {};
}

}  // namespace

void Finding::ok(std::string feature, std::string found) {
  checks.push_back({std::move(feature), CheckState::ok, std::move(found), {}});
}
void Finding::missing(std::string feature, std::string found, std::string remedy) {
  checks.push_back({std::move(feature), CheckState::missing, std::move(found), std::move(remedy)});
}
void Finding::unknown(std::string feature, std::string found) {
  checks.push_back({std::move(feature), CheckState::unknown, std::move(found), {}});
}
bool Finding::has_missing() const {
  return std::ranges::find(checks, CheckState::missing, &Check::state) != checks.end();
}

std::string_view to_string(CheckState state) {
  switch (state) {
    case CheckState::ok: return "ok";
    case CheckState::missing: return "missing";
    case CheckState::unknown: return "unknown";
  }
  return "?";
}

Value to_value(const Finding& finding) {
  Value::List checks;
  for (const Check& check : finding.checks)
    checks.push_back(Value::Map{{"feature", check.feature},
                                {"state", std::string(to_string(check.state))},
                                {"found", check.found},
                                {"remedy", check.remedy}});
  return Value::Map{{"ok", !finding.has_missing()}, {"facts", finding.facts}, {"checks", std::move(checks)}};
}

bool TestQuestion::wants(std::string_view feature) const {
  if (features.empty()) return feature != "archive";
  return std::ranges::find(features, feature) != features.end();
}

Result<void> check_features(const TestQuestion& question, const std::string& type,
                            const std::vector<std::string>& known) {
  for (const std::string& feature : question.features)
    if (std::ranges::find(known, feature) == known.end())
      return Error{ErrorKind::invalid, "for: a connection of type " + type + " has no `" + feature +
                                           "`; it can be asked for " +
                                           (known.empty() ? "nothing besides whether it opens" : join(known, ", "))};
  return {};
}

Error with_next_step(const Error& error, const std::string& connection_id) {
  const std::string next = next_step(error, connection_id);
  return {error.kind, "connection `" + connection_id + "`: " + error.message + (next.empty() ? "" : "; next: " + next)};
}

std::string tls_text(bool is_encrypted, bool is_verified) {
  if (!is_encrypted) return "no: all that is read goes over the network in clear";
  return is_verified ? "yes, the server's certificate and name verified"
                     : "yes, but nobody has verified who the server is (ssl_mode=verify_identity does)";
}

}  // namespace udon
