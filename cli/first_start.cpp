#include "cli/first_start.h"

#include "base/id.h"
#include "cli/home.h"
#include "web/auth.h"

namespace udon::cli {

Result<std::optional<std::string>> make_first_user(const Path& home, const Settings& settings, StoreSettings& store) {
  TRY_ASSIGN(const std::vector<UserRecord> users, store.users());
  for (const UserRecord& user : users)
    if (user.role == "admin" || user.name == "admin") return std::optional<std::string>();
  std::string password = settings.text("web", "admin_password");
  const bool is_random = password.empty();
  if (is_random) password = make_secret(12);
  if (const auto problem = web::problem_of_password(password))
    return Error{ErrorKind::invalid, "UDON__WEB__ADMIN_PASSWORD: " + *problem};
  // The file first: a password that nobody can find again would be worse than one that opens nothing yet.
  if (is_random)
    TRY(write_file_atomically(admin_password_file(home), password + "\n", Durability::survives_power_loss, 0600));
  TRY_ASSIGN(const std::string hash, web::hash_password(password));
  TRY(store.put_user({"admin", hash, "admin"}, StoreSettings::Existing::refuse));
  return is_random ? std::optional<std::string>(password) : std::nullopt;
}

}  // namespace udon::cli
