#include "connections/secrets/aws_credentials.h"

#include <set>

#include "base/subprocess.h"
#include "base/text.h"
#include "connections/secrets/aws_providers.h"

namespace udon {
namespace {

// Long enough for what is signed now to arrive before the keys expire.
constexpr auto renewed_before = std::chrono::minutes(5);
constexpr std::string_view looked_in =
    "looked in the connection (login and password), the environment (AWS_ACCESS_KEY_ID), web identity, ~/.aws "
    "(profiles), the container's and the instance's metadata";

using Providers = std::vector<std::unique_ptr<AwsIdentityProvider>>;
using Profiles = std::map<std::string, AwsProfile>;

std::string sts_endpoint_of(const std::string& region) {
  if (region.empty()) return "https://sts.amazonaws.com";
  return "https://sts." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "");
}

// Builds the providers of one connection; its parts need the same five things.
class ChainBuilder {
 public:
  ChainBuilder(const Connection* connection, const Environment& environment, HttpClient& http, const Clock& clock,
               const std::string& remedy)
      : connection_(connection), environment_(environment), http_(http), clock_(clock), remedy_(remedy) {}

  Result<std::unique_ptr<AwsCredentialCache>> build() {
    TRY_ASSIGN(region_, aws_region(connection_, environment_));
    TRY_ASSIGN(Providers base, base_providers());
    const std::string role = option("role_arn");
    if (role.empty()) return cache(std::move(base));
    AwsRole named = make_role(role);
    named.external_id = option("external_id");
    if (const std::string name = option("role_session_name"); !name.empty()) named.session_name = name;
    if (const std::string endpoint = option("sts_endpoint_url"); !endpoint.empty()) named.sts_endpoint = endpoint;
    return cache(one(std::make_unique<RoleAwsProvider>(named, cache(std::move(base)), http_, clock_)));
  }

 private:
  std::string option(const char* name) const { return connection_ ? connection_->option(name) : ""; }
  std::string of(const char* name) const { return find_in(environment_, name); }
  std::unique_ptr<AwsCredentialCache> cache(Providers providers) const {
    return std::make_unique<AwsCredentialCache>(std::move(providers), clock_, remedy_);
  }
  static Providers one(std::unique_ptr<AwsIdentityProvider> provider) {
    Providers providers;
    providers.push_back(std::move(provider));
    return providers;
  }
  static std::unique_ptr<AwsIdentityProvider> keys(AwsCredentials keys, std::string source) {
    return std::make_unique<StaticAwsProvider>(AwsIdentity{std::move(keys), std::nullopt, std::move(source)});
  }
  AwsRole make_role(const std::string& arn) const {
    AwsRole role{.arn = arn, .region = region_.empty() ? "us-east-1" : region_};
    const std::string endpoint = of("AWS_ENDPOINT_URL_STS");
    role.sts_endpoint = endpoint.empty() ? sts_endpoint_of(region_) : endpoint;
    return role;
  }

  Result<Providers> base_providers() {
    if (connection_ && (!connection_->login.empty() || !connection_->password.empty())) {
      const std::string name = "connection `" + connection_->id + "`";
      if (connection_->login.empty() || connection_->password.empty()) {
        return Error{ErrorKind::invalid, name + ": it has only one of login (access key id) and password (secret key)"};
      }
      return one(keys({connection_->login, connection_->password, option("aws_session_token")}, name));
    }
    if (const std::string profile = option("profile_name"); !profile.empty()) {
      TRY_ASSIGN(const Profiles profiles, read_aws_profiles(environment_));
      return profile_providers(profiles, profile);
    }
    Providers chain;
    if (!of("AWS_ACCESS_KEY_ID").empty()) {
      if (of("AWS_SECRET_ACCESS_KEY").empty()) {
        return Error{ErrorKind::invalid, "the environment has AWS_ACCESS_KEY_ID but no AWS_SECRET_ACCESS_KEY"};
      }
      chain.push_back(keys({of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"), of("AWS_SESSION_TOKEN")},
                           "the environment (AWS_ACCESS_KEY_ID)"));
      return chain;  // nothing else would be asked
    }
    if (!of("AWS_WEB_IDENTITY_TOKEN_FILE").empty() && !of("AWS_ROLE_ARN").empty()) {
      AwsRole role = make_role(of("AWS_ROLE_ARN"));
      if (!of("AWS_ROLE_SESSION_NAME").empty()) role.session_name = of("AWS_ROLE_SESSION_NAME");
      chain.push_back(std::make_unique<WebIdentityAwsProvider>(role, of("AWS_WEB_IDENTITY_TOKEN_FILE"), http_));
    }
    TRY_ASSIGN(const Profiles profiles, read_aws_profiles(environment_));
    const std::string profile = aws_profile_name(environment_);
    if (profiles.contains(profile) || !of("AWS_PROFILE").empty()) {
      TRY_ASSIGN(Providers found, profile_providers(profiles, profile));
      for (auto& provider : found) chain.push_back(std::move(provider));
    }
    chain.push_back(std::make_unique<ContainerAwsProvider>(environment_, http_));
    chain.push_back(std::make_unique<InstanceAwsProvider>(environment_, http_));
    return chain;
  }

  Result<Providers> profile_providers(const Profiles& profiles, const std::string& name) {
    const auto found = profiles.find(name);
    if (found == profiles.end()) {
      std::vector<std::string> names;
      for (const auto& [other, settings] : profiles) names.push_back(other);
      return Error{ErrorKind::not_found, "there is no profile `" + name + "` in ~/.aws/config or ~/.aws/credentials" +
                                             did_you_mean(name, names)};
    }
    const AwsProfile& profile = found->second;
    const auto setting = [&](const char* key) {
      const auto at = profile.find(key);
      return at == profile.end() ? std::string() : at->second;
    };
    const std::string label = "profile `" + name + "`";
    const std::string role_arn = setting("role_arn");
    // A profile that is its own source gives its keys to its role.
    const bool is_asked_again = !visited_.insert(name).second;
    if (!role_arn.empty() && !is_asked_again) {
      AwsRole role = make_role(role_arn);
      role.external_id = setting("external_id");
      if (!setting("role_session_name").empty()) role.session_name = setting("role_session_name");
      if (!setting("web_identity_token_file").empty()) {
        return one(std::make_unique<WebIdentityAwsProvider>(role, setting("web_identity_token_file"), http_));
      }
      TRY_ASSIGN(Providers base,
                 source_of_role(profiles, label, setting("source_profile"), setting("credential_source")));
      return one(std::make_unique<RoleAwsProvider>(role, cache(std::move(base)), http_, clock_));
    }
    const AwsCredentials found_keys{setting("aws_access_key_id"), setting("aws_secret_access_key"),
                                    setting("aws_session_token")};
    if (!found_keys.access_key_id.empty() && !found_keys.secret_access_key.empty()) return one(keys(found_keys, label));
    if (is_asked_again) return Error{ErrorKind::invalid, label + ": its source_profile leads back to it"};
    for (const char* unread : {"sso_session", "sso_start_url", "credential_process"}) {
      if (!setting(unread).empty()) {
        return Error{ErrorKind::unsupported, label + ": it takes its keys by `" + std::string(unread) +
                                                 "`, which is not supported; use keys, a role or the environment"};
      }
    }
    return Providers{};  // it only says a region, for example
  }

  Result<Providers> source_of_role(const Profiles& profiles, const std::string& label,
                                   const std::string& source_profile, const std::string& credential_source) {
    if (!source_profile.empty()) return profile_providers(profiles, source_profile);
    if (credential_source == "Environment") {
      return one(
          keys({of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"), of("AWS_SESSION_TOKEN")}, "the environment"));
    }
    if (credential_source == "EcsContainer") return one(std::make_unique<ContainerAwsProvider>(environment_, http_));
    if (credential_source == "Ec2InstanceMetadata")
      return one(std::make_unique<InstanceAwsProvider>(environment_, http_));
    return Error{ErrorKind::invalid, label +
                                         ": a role_arn needs source_profile, or credential_source = Environment, "
                                         "EcsContainer or Ec2InstanceMetadata"};
  }

  const Connection* connection_;
  const Environment& environment_;
  HttpClient& http_;
  const Clock& clock_;
  const std::string& remedy_;
  std::string region_;
  std::set<std::string> visited_;
};

}  // namespace

Environment process_environment() {
  Environment environment;
  for (const std::string& entry : current_environment()) {
    const size_t equals = entry.find('=');
    if (equals != entry.npos) environment.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return environment;
}

std::string find_in(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

AwsCredentialCache::AwsCredentialCache(std::vector<std::unique_ptr<AwsIdentityProvider>> providers, const Clock& clock,
                                       std::string remedy)
    : providers_(std::move(providers)), clock_(clock), remedy_(std::move(remedy)) {}

Result<AwsIdentity> AwsCredentialCache::get(const std::stop_token& stop) {
  const auto known = [this]() -> std::optional<AwsIdentity> {
    const std::lock_guard lock(mutex_);
    if (known_ && known_->expires && *known_->expires - renewed_before <= clock_.now()) return std::nullopt;
    return known_;
  };
  if (auto identity = known()) return *identity;
  const std::lock_guard fetching(fetching_);
  if (auto identity = known()) return *identity;
  for (const auto& provider : providers_) {
    auto fetched = provider->fetch(stop);
    if (!fetched) {
      // What is still good for a while is used as long as it can be.
      const std::lock_guard lock(mutex_);
      if (known_ && known_->expires && *known_->expires > clock_.now()) return *known_;
      return fetched.error();
    }
    if (!fetched->has_value()) continue;
    const std::lock_guard lock(mutex_);
    known_ = **fetched;
    return **fetched;
  }
  return Error{ErrorKind::denied,
               "no AWS credentials: " + std::string(looked_in) + (remedy_.empty() ? "" : "; " + remedy_)};
}

void AwsCredentialCache::forget(const AwsCredentials& keys) {
  const std::lock_guard lock(mutex_);
  if (known_ && known_->keys == keys) known_.reset();
}

Result<std::unique_ptr<AwsCredentialCache>> make_aws_credentials(const Connection* connection,
                                                                 const Environment& environment, HttpClient& http,
                                                                 const Clock& clock, const std::string& remedy) {
  return ChainBuilder(connection, environment, http, clock, remedy).build();
}

Result<std::string> aws_region(const Connection* connection, const Environment& environment) {
  if (connection) {
    for (const char* key : {"region_name", "region"}) {
      if (const std::string region = connection->option(key); !region.empty()) return region;
    }
  }
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (const std::string region = find_in(environment, name); !region.empty()) return region;
  }
  TRY_ASSIGN(const auto profiles, read_aws_profiles(environment));
  std::string profile = connection ? connection->option("profile_name") : "";
  if (profile.empty()) profile = aws_profile_name(environment);
  if (const auto found = profiles.find(profile); found != profiles.end()) {
    if (const auto region = found->second.find("region"); region != found->second.end()) return region->second;
  }
  return std::string();
}

}  // namespace udon
