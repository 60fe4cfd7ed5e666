#include "spool/process_tree.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "base/pidfd.h"
#include "base/text.h"

namespace udon {
namespace {

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc() && !text.empty();
}

struct Stat {
  char state = 0;
  pid_t parent = 0;
  pid_t session = 0;
  uint64_t start_time = 0;
};

std::optional<Stat> read_stat(const Path& folder) {
  const auto content = read_file(folder / "stat");
  if (!content) return std::nullopt;
  // The name in parentheses may itself hold spaces and parentheses.
  const size_t name_end = content->rfind(')');
  if (name_end == content->npos || name_end + 2 > content->size()) return std::nullopt;
  const auto fields = split(std::string_view(*content).substr(name_end + 2), ' ');
  Stat stat;
  if (fields.size() < 20 || fields[0].size() != 1) return std::nullopt;
  stat.state = fields[0][0];
  if (!parse_number(fields[1], stat.parent) || !parse_number(fields[3], stat.session) ||
      !parse_number(fields[19], stat.start_time)) {
    return std::nullopt;
  }
  return stat;
}

std::string try_id_of(const Path& folder) {
  const auto environment = read_file(folder / "environ");
  if (!environment) return {};
  const std::string wanted = std::string(try_id_variable) + "=";
  for (size_t at = 0; at < environment->size();) {
    const size_t end = std::min(environment->find('\0', at), environment->size());
    const std::string_view variable = std::string_view(*environment).substr(at, end - at);
    if (variable.starts_with(wanted)) return std::string(variable.substr(wanted.size()));
    at = end + 1;
  }
  return {};
}

// Its number may have become another's since the runner died; a session that has a leader of the same number but
// another start is not the try's.
bool is_of_session(const ProcessTable& table, const ProcessRow& row, const ProcessIdentity& leader) {
  if (row.session != leader.pid || row.identity.start_time < leader.start_time) return false;
  const ProcessRow* now = table.find(leader.pid);
  return !now || now->identity.start_time == leader.start_time;
}

}  // namespace

ProcessTable::ProcessTable(std::vector<ProcessRow> rows) : rows_(std::move(rows)) {
  for (size_t i = 0; i < rows_.size(); ++i) by_pid_[rows_[i].identity.pid] = i;
}

const ProcessRow* ProcessTable::find(pid_t pid) const {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : &rows_[found->second];
}

ProcessTable ProcessTable::read() {
  const std::string boot_id = current_boot_id();
  std::vector<ProcessRow> rows;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    pid_t pid = 0;
    if (!parse_number(entry->path().filename().string(), pid)) continue;
    const auto stat = read_stat(entry->path());
    if (!stat || stat->state == 'Z' || stat->state == 'X') continue;
    rows.push_back({.identity = {.boot_id = boot_id, .pid = pid, .start_time = stat->start_time},
                    .parent = stat->parent,
                    .session = stat->session,
                    .try_id = try_id_of(entry->path())});
  }
  return ProcessTable(std::move(rows));
}

std::vector<ProcessIdentity> find_tree(const ProcessTable& table, const TreeMarks& marks) {
  const std::string id = to_string(marks.id);
  std::unordered_map<pid_t, std::vector<const ProcessRow*>> children;
  std::vector<const ProcessRow*> found;
  std::unordered_set<pid_t> known;
  const auto add = [&](const ProcessRow& row) {
    // Never ourselves, whatever the files say.
    if (row.identity.pid != getpid() && known.insert(row.identity.pid).second) found.push_back(&row);
  };
  for (const ProcessRow& row : table.rows()) {
    children[row.parent].push_back(&row);
    const bool is_runner = marks.runner && row.identity == *marks.runner;
    const bool is_in_session = marks.runner && marks.runner->boot_id == row.identity.boot_id &&
                               (row.try_id.empty() || row.try_id == id) && is_of_session(table, row, *marks.runner);
    const bool is_recorded = std::ranges::find(marks.recorded, row.identity) != marks.recorded.end();
    if (is_runner || is_in_session || is_recorded || row.try_id == id) add(row);
  }
  for (size_t i = 0; i < found.size(); ++i) {
    for (const ProcessRow* child : children[found[i]->identity.pid]) {
      // Another try's runner is never a child of this one; a child that bears another id is not of this tree.
      if (child->try_id.empty() || child->try_id == id) add(*child);
    }
  }
  std::vector<ProcessIdentity> identities;
  for (const ProcessRow* row : found) identities.push_back(row->identity);
  return identities;
}

std::vector<ProcessIdentity> own_descendants() {
  const std::string boot_id = current_boot_id();
  std::vector<ProcessIdentity> descendants;
  std::vector<pid_t> parents{getpid()};
  for (size_t i = 0; i < parents.size(); ++i) {
    // Children are listed by the thread that started them; orphans that we inherit, by any.
    std::error_code error;
    const Path threads = "/proc/" + std::to_string(parents[i]) + "/task";
    for (std::filesystem::directory_iterator thread(threads, error), end; !error && thread != end;
         thread.increment(error)) {
      const auto list = read_file(thread->path() / "children");
      if (!list) continue;
      for (const std::string& text : split(trim(*list), ' ')) {
        pid_t pid = 0;
        if (!parse_number(text, pid)) continue;
        const auto stat = read_stat("/proc/" + text);
        if (!stat) continue;
        parents.push_back(pid);
        if (stat->state == 'Z' || stat->state == 'X') continue;
        descendants.push_back({.boot_id = boot_id, .pid = pid, .start_time = stat->start_time});
      }
    }
  }
  return descendants;
}

Result<void> signal_processes(const std::vector<ProcessIdentity>& processes, int signal) {
  Result<void> result;
  for (const ProcessIdentity& identity : processes) {
    const auto process = open_process(identity);
    auto sent = process ? send_signal(*process, signal) : Result<void>(process.error());
    if (!sent && sent.error().kind != ErrorKind::not_found) {
      result = sent.error().within("process " + std::to_string(identity.pid));
    }
  }
  return result;
}

}  // namespace udon
