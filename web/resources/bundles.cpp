// Git repositories whose DAG files are run, and the webhook by which they say that something was pushed.
#include "base/text.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

constexpr Duration look_takes_max = std::chrono::seconds(60);

Value show_bundle(const BundleStatus& status) {
  return Value::Map{
      {"name", status.spec.name},
      {"url", status.spec.url},
      {"tracking_ref", status.spec.ref.name},
      {"tracking_kind", to_string(status.spec.ref).substr(0, to_string(status.spec.ref).find(' '))},
      {"subfolder", text_or_null(status.spec.subfolder)},
      {"refresh_interval", format_duration(status.spec.every)},
      {"version", text_or_null(status.commit)},
      {"version_since", show_time(status.since)},
      {"last_refreshed", show_time(status.looked_at)},
      {"problem", text_or_null(status.problem)},
      {"refused_version", text_or_null(status.refused_commit)},
      {"warning", text_or_null(status.warning)},
      {"has_webhook", !status.spec.webhook_connection.empty() || !status.spec.webhook_secret_file.empty()}};
}

Result<std::vector<BundleStatus>> bundles_of(World& world) {
  if (!world.bundles)
    return Error{ErrorKind::unavailable, "no server runs here that looks at bundles; start `udon standalone`"};
  return world.bundles();
}

Result<Response> list(World& world, const Call&) {
  TRY_ASSIGN(const std::vector<BundleStatus> bundles, bundles_of(world));
  Value::List rows;
  for (const BundleStatus& status : bundles) rows.push_back(show_bundle(status));
  const auto total = static_cast<int64_t>(rows.size());
  Value shown = show_list("bundles", std::move(rows), total);
  shown.set("problem_of_file", text_or_null(world.problem_of_bundles_file ? world.problem_of_bundles_file() : ""));
  return json_response(200, std::move(shown));
}

Result<BundleStatus> need_bundle(World& world, const std::string& name) {
  TRY_ASSIGN(const std::vector<BundleStatus> bundles, bundles_of(world));
  std::vector<std::string> names;
  for (const BundleStatus& status : bundles) {
    if (status.spec.name == name) return status;
    names.push_back(status.spec.name);
  }
  return Error{ErrorKind::not_found, "There is no bundle `" + name + "`" + did_you_mean(name, names)};
}

Result<Response> refresh(World& world, const Call& call) {
  TRY(need_bundle(world, call.part("name")));
  TRY(world.look_at_bundle(call.part("name"), look_takes_max));
  TRY_ASSIGN(const BundleStatus status, need_bundle(world, call.part("name")));
  return json_response(200, show_bundle(status));
}

std::string hex_of(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

// In GitHub's form. It needs no token: the signature shows that the sender knows the secret. Who does not, learns not
// even whether there is such a bundle.
Result<Response> webhook(World& world, const Call& call) {
  const Error refused{ErrorKind::denied, "the signature does not fit"};
  const std::string* signature = call.request.header("x-hub-signature-256");
  const Result<std::string> secret =
      world.webhook_secret ? world.webhook_secret(call.part("name")) : Result<std::string>(refused);
  const std::string expected = "sha256=" + hex_of(hmac_sha256(secret ? *secret : "no such bundle", call.request.body));
  if (signature == nullptr || !equal_secretly(lower_ascii(*signature), expected) || !secret) return refused;
  const std::string* event = call.request.header("x-github-event");
  if (event != nullptr && *event == "ping") return json_response(200, Value::Map{{"status", "pong"}});
  if (event != nullptr && *event != "push" && *event != "create")
    return json_response(200, Value::Map{{"status", "ignored"}});
  TRY(world.ask_for_bundle(call.part("name")));
  return json_response(202, Value::Map{{"status", "looking"}});
}

}  // namespace

void add_bundles(Router& router, World& world) {
  router.add("GET", "/api/udon/bundles", at_least(Role::viewer), "Git repositories whose DAG files are run",
             [&world](const Call& call) { return list(world, call); });
  router.add("POST", "/api/udon/bundles/{name}/refresh", at_least(Role::op), "Looks at a repository at once",
             [&world](const Call& call) { return refresh(world, call); });
  router.add("POST", "/api/udon/bundles/{name}/webhook", open_to_all,
             "Looks at a repository at once; for its webhook, signed as GitHub does",
             [&world](const Call& call) { return webhook(world, call); });
}

}  // namespace udon::web
