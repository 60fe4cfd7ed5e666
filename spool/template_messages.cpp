#include "spool/template_messages.h"

#include <charconv>
#include <limits>

namespace udon {
namespace {

constexpr std::string_view mark_begin = "template ";
constexpr char cut = '\n';

}  // namespace

std::string template_mark(const std::string& installation) {
  const TryId longest{.installation = installation, .fence = std::numeric_limits<decltype(TryId::fence)>::max()};
  std::string mark(mark_begin);
  mark.resize(std::max(mark.size(), to_string(longest).size()), ' ');
  return mark;
}

bool is_template_mark(std::string_view text) { return text.starts_with(mark_begin); }

std::string to_message(const TemplateOrder& order) { return to_string(order.id) + cut + order.cgroup.string(); }

Result<TemplateOrder> parse_template_order(std::string_view message) {
  const size_t end = message.find(cut);
  const auto id = end == message.npos ? std::nullopt : parse_try_id(std::string(message.substr(0, end)));
  if (!id) return Error{ErrorKind::data, "what came is no order for a runner"};
  return TemplateOrder{.id = *id, .cgroup = Path(message.substr(end + 1))};
}

std::string to_message(const Result<pid_t>& runner) {
  return runner ? std::to_string(*runner) : runner.error().message;
}

Result<pid_t> parse_template_answer(std::string_view message) {
  pid_t pid = 0;
  const auto [end, problem] = std::from_chars(message.data(), message.data() + message.size(), pid);
  if (problem == std::errc() && end == message.data() + message.size() && pid > 0) return pid;
  return Error{ErrorKind::unavailable, std::string(message)};
}

}  // namespace udon
