#pragma once
// The prober's process and the two pipes to it. Never blocks; used by one thread.
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/subprocess.h"

namespace udon {

class ProberLink {
 public:
  // It ends when its standard input is closed, so it never outlives us.
  static Result<ProberLink> start(const std::vector<std::string>& argv, const std::vector<std::string>& environment);
  ProberLink(ProberLink&&) = default;
  ProberLink& operator=(ProberLink&&) = delete;
  ~ProberLink();  // kills it, if it lives

  pid_t pid() const { return pid_; }
  int readable_fd() const { return output_.get(); }
  int writable_fd() const { return unsent_.empty() ? -1 : input_.get(); }  // to be polled for room; -1: nothing to send

  void send(std::string_view line);
  // Sends what there is room for, and takes what came: whole lines. An error: it has gone, or talks nonsense.
  Result<std::vector<std::string>> exchange();
  // Kills it and tells how it ended.
  ExitStatus end();

 private:
  ProberLink() = default;
  pid_t pid_ = 0;
  FileDescriptor input_;  // its standard input
  FileDescriptor output_;
  std::string unsent_;
  std::string received_;
};

}  // namespace udon
