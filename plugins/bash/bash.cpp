#include "plugins/bash/bash.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/limits.h"
#include "plugins/api/child_process.h"
#include "plugins/api/redacted.h"

namespace udon {
namespace {

// Airflow's skip_on_exit_code.
constexpr int skip_exit_code = 99;

// Keeps the last line of a stream whose lines may be of any length, in bounded memory.
class LastLine {
 public:
  void feed(std::string_view bytes) {
    has_any_ = has_any_ || !bytes.empty();
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      if (is_ended_) line_.clear(), length_ = 0;
      is_ended_ = end != bytes.npos;
      const std::string_view part = bytes.substr(0, end);
      length_ += part.size();
      if (length_ <= static_cast<size_t>(limits::xcom_bytes_max)) line_ += part;
      bytes.remove_prefix(is_ended_ ? end + 1 : bytes.size());
    }
  }
  bool has_any() const { return has_any_; }
  size_t length() const { return length_; }
  bool is_too_long() const { return length_ > static_cast<size_t>(limits::xcom_bytes_max); }
  std::string take() {
    line_.erase(line_.find_last_not_of(" \t\r") + 1);
    return std::move(line_);
  }

 private:
  std::string line_;
  size_t length_ = 0;
  bool is_ended_ = false;
  bool has_any_ = false;
};

std::string text_of(const Value& value) {
  if (value.is_null()) return {};
  return value.is_string() ? value.as_string() : to_json(value);
}

void set_variable(std::vector<std::string>& environment, const std::string& key, const std::string& text) {
  std::erase_if(environment, [&](const std::string& variable) { return variable.starts_with(key + "="); });
  environment.push_back(key + "=" + text);
}

Result<std::vector<std::string>> environment_of(TaskContext& context, const Path& xcom_file) {
  auto environment = current_environment();
  set_variable(environment, "UDON_DAG_ID", context.dag_id());
  set_variable(environment, "UDON_RUN_ID", context.run_id());
  set_variable(environment, "UDON_TASK_ID", context.task_id());
  set_variable(environment, "UDON_MAP_INDEX", std::to_string(context.map_index()));
  set_variable(environment, "UDON_TRY_NUMBER", std::to_string(context.try_number()));
  set_variable(environment, "UDON_XCOM_FILE", xcom_file.string());
  const Value& added = context.parameters().get("env");
  if (!added.is_map()) return environment;
  for (const auto& [key, value] : added.as_map()) {
    const std::string text = text_of(value);
    if (key.empty() || key.find('=') != key.npos || (key + text).find('\0') != std::string::npos) {
      return Error{ErrorKind::invalid, "env: `" + key + "` is no name of a variable, or its value has a zero byte"};
    }
    set_variable(environment, key, text);
  }
  return environment;
}

// What the command wrote there: a JSON object, each key an XCom; return_value instead of the last line.
Result<void> push_file(TaskContext& context, const Path& file, Value& return_value) {
  const auto content = read_file(file, limits::xcom_bytes_max);
  if (!content && content.error().kind == ErrorKind::not_found) return {};
  if (!content) return content.error().within("XComs");
  const auto value = parse_json(*content);
  if (!value) return Error{ErrorKind::data, "$UDON_XCOM_FILE: " + value.error().message};
  if (!value->is_map()) {
    return Error{ErrorKind::data, "$UDON_XCOM_FILE: expected a JSON object, found " + std::string(value->type_name())};
  }
  for (const auto& [key, member] : value->as_map()) {
    if (key == "return_value") {
      return_value = redacted(context, member);
    } else {
      context.xcom_push(context.redact(key), redacted(context, member));
    }
  }
  return {};
}

// What a shell means by its exit codes beyond the command's own.
std::string meaning_of(const ExitStatus& status) {
  if (status.signal != 0) return {};
  if (status.exit_code == 126) return "a command could not be executed";
  if (status.exit_code == 127) return "a command was not found";
  const int signal = status.exit_code - 128;
  const char* name = signal > 0 ? sigabbrev_np(signal) : nullptr;
  return name ? "a command of it was killed by SIG" + std::string(name) : std::string();
}

class BashOperator final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(const Path staging, context.staging());
    const Path xcom_file = staging / "xcom.json";
    SpawnRequest request;
    request.argv = {"bash", "-c", parameters.text("command")};
    request.working_directory = staging;
    if (const Value* folder = parameters.find("working_directory"); folder && folder->is_string()) {
      request.working_directory = (context.dags_folder() / folder->as_string()).lexically_normal();
    }
    TRY_ASSIGN(request.environment, environment_of(context, xcom_file));
    LastLine last_line;
    ChildProcess command(context, [&](int stream, std::string_view bytes) {
      if (stream == STDOUT_FILENO) last_line.feed(bytes);
      context.log_output(stream, bytes);
    });
    TRY(command.start(std::move(request)));
    TRY_ASSIGN(const ExitStatus status, command.wait());
    if (context.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
    Outcome outcome{.exit = status};
    if (status.signal == 0 && status.exit_code == skip_exit_code) {
      return Outcome{.skipped = true, .message = "exit code " + std::to_string(skip_exit_code) + " skips the task"};
    }
    outcome.message = meaning_of(status);
    if (!status.succeeded()) return outcome;
    take_last_line(context, last_line, outcome.return_value);
    TRY(push_file(context, xcom_file, outcome.return_value));
    return outcome;
  }

 private:
  // Nobody asked for this XCom: one that is too large is left out, and never fails a command that went well.
  static void take_last_line(TaskContext& context, LastLine& last, Value& return_value) {
    if (!last.has_any()) return;
    const size_t length = last.length();
    auto bytes = static_cast<int64_t>(length);
    if (!last.is_too_long()) {
      return_value = context.redact(last.take());
      // What is not plain text grows when it is written as JSON: an escape is six bytes.
      bytes = static_cast<int64_t>(to_json(return_value).size());
      if (bytes <= limits::xcom_bytes_max) return;
      return_value = Value();
    }
    context.log("the last line has " + std::to_string(length) + " bytes" +
                (bytes == static_cast<int64_t>(length) ? "" : ", " + std::to_string(bytes) + " as JSON") +
                "; an XCom has at most " + std::to_string(limits::xcom_bytes_max) + ": none is pushed");
  }
};

}  // namespace

std::unique_ptr<Operator> make_bash_operator() { return std::make_unique<BashOperator>(); }

}  // namespace udon
