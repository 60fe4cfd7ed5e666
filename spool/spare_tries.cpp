#include "spool/spare_tries.h"

#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "spool/layout.h"
#include "spool/stamped_file.h"

namespace udon {
namespace {

constexpr std::string_view spare_prefix = ".spare-";

// Never to nothing: ext4 would write the file out when the next try closes it, in case it stood for a rename.
constexpr off_t emptied_bytes = 1;

// False: there is something in it that we don't know.
bool make_spare(const Path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name == layout::spare_staging) continue;
    if (name == layout::tree) {
      if (unlink(entry->path().c_str()) != 0) return false;
      continue;
    }
    if (name != layout::request && name != layout::process && name != layout::result) return false;
    // The next try may bear the same id, if nobody has begun this one.
    if (truncate(entry->path().c_str(), emptied_bytes) != 0) return false;
  }
  return !error;
}

}  // namespace

SpareTries::SpareTries(const Spool& spool) : spool_(spool) {
  std::error_code error;
  const Path root = spool.home() / "spool";
  std::vector<Path> old;
  std::filesystem::directory_iterator entry(root, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(spare_prefix)) old.push_back(entry->path());
  }
  // What can't be removed is in nobody's way.
  for (const Path& folder : old) static_cast<void>(remove_tree(folder));
}

Result<void> SpareTries::write_request(const TryRequest& request) {
  Path spare;
  {
    const std::lock_guard lock(mutex_);
    if (!spares_.empty()) {
      spare = std::move(spares_.back());
      spares_.pop_back();
    }
  }
  if (spare.empty()) return spool_.write_request(request);
  const auto written = write_in_place(spare / layout::request, stamped(request.try_id, to_value(request)));
  if (written && rename(spare.c_str(), spool_.folder(request.try_id).c_str()) == 0) return {};
  // The try has a folder already, or the spare has come to harm: the long way says what is wrong.
  static_cast<void>(remove_tree(spare));
  return spool_.write_request(request);
}

Result<void> SpareTries::remove(const TryId& id) {
  TRY(remove_tree(spool_.staging(id)));
  const Path folder = spool_.folder(id);
  const Path spare = folder.parent_path() / (std::string(spare_prefix) + to_string(id));
  // From here on nobody takes it for a try.
  if (rename(folder.c_str(), spare.c_str()) != 0) return spool_.remove(id);
  if (!make_spare(spare)) return remove_tree(spare);
  {
    const std::lock_guard lock(mutex_);
    if (spares_.size() < spares_max) {
      spares_.push_back(spare);
      return {};
    }
  }
  return remove_tree(spare);
}

}  // namespace udon
