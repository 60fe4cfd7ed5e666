#pragma once
// A disk that keeps only what was synced. While it lives, SQLite of this process writes through it; at any moment it
// can tell what would be on the disk if the power failed now: all that was synced, and of what was written since, a
// random part, perhaps torn at a sector's edge.
#include <functional>
#include <map>
#include <string>

#include "base/file.h"
#include "base/random.h"

namespace udon::test {

class ForgetfulDisk {
 public:
  ForgetfulDisk();
  ~ForgetfulDisk();
  ForgetfulDisk(const ForgetfulDisk&) = delete;
  ForgetfulDisk& operator=(const ForgetfulDisk&) = delete;

  // Called after each write, cut and sync, in the thread that did it.
  void on_each_step(std::function<void()> observer);

  using Image = std::map<std::string, std::string>;  // file name (without folders) → content
  enum class Unsynced { lost, kept_in_part };
  Image image(Unsynced unsynced, Random& random) const;
  int64_t syncs() const;
};

void write_image(const ForgetfulDisk::Image& image, const Path& folder);

}  // namespace udon::test
