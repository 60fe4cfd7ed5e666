#pragma once
// What the server and the template of its runners say to each other, one message a packet, over the template's
// standard input. The template is a udon-task that was started once and forks itself for each try.
#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "model/run.h"

namespace udon {

// Stands where a runner's try id stands, in its arguments and in its environment, and is at least as long as any of
// this installation's: what is forked writes its own id over it, so that `ps` and whoever looks for a try's processes
// sees it.
std::string template_mark(const std::string& installation);
bool is_template_mark(std::string_view text);

struct TemplateOrder {
  TryId id;
  Path cgroup;  // empty: none
};
std::string to_message(const TemplateOrder& order);
Result<TemplateOrder> parse_template_order(std::string_view message);

inline constexpr size_t template_message_bytes_max = 8 << 10;

// The answer: the new runner's process number, or why there is none.
std::string to_message(const Result<pid_t>& runner);
Result<pid_t> parse_template_answer(std::string_view message);

}  // namespace udon
