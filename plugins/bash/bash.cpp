#include "plugins/bash/bash.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "base/pidfd.h"

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

struct Pipe {
  FileDescriptor read_end;
  FileDescriptor write_end;
};
Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return io_error("make", "a pipe", errno);
  Pipe made{.read_end = FileDescriptor(ends[0]), .write_end = FileDescriptor(ends[1])};
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return io_error("make", "a pipe", errno);
  return made;
}

class Command {
 public:
  explicit Command(TaskContext& context) : context_(context) {}

  Result<void> start(SpawnRequest request) {
    TRY_ASSIGN(Pipe output, make_pipe());
    TRY_ASSIGN(Pipe errors, make_pipe());
    stop_event_ = FileDescriptor(eventfd(0, EFD_CLOEXEC));
    if (!stop_event_) return io_error("make", "an event", errno);
    request.stdout_fd = output.write_end.get();
    request.stderr_fd = errors.write_end.get();
    TRY_ASSIGN(pid_, context_.start_process(std::move(request)));
    output_ = std::move(output.read_end);
    errors_ = std::move(errors.read_end);
    TRY_ASSIGN(process_, open_process(pid_));
    return {};
  }

  // Until the command itself has ended, not until its output has: what it leaves in the background may hold the pipes
  // open, and is ended by the runner.
  Result<ExitStatus> wait() {
    const std::stop_callback on_stop(context_.stop_token(), [this] {
      const uint64_t one = 1;
      static_cast<void>(!write(stop_event_.get(), &one, sizeof one));
    });
    for (bool has_ended = false; !has_ended;) {
      pollfd watched[] = {{process_.get(), POLLIN, 0},
                          {output_.get(), POLLIN, 0},
                          {errors_.get(), POLLIN, 0},
                          {stop_event_.get(), POLLIN, 0}};
      if (poll(watched, std::size(watched), -1) < 0 && errno != EINTR) return io_error("wait for", "a command", errno);
      has_ended = watched[0].revents != 0;
      if (watched[1].revents != 0 || has_ended) drain(output_, STDOUT_FILENO);
      if (watched[2].revents != 0 || has_ended) drain(errors_, STDERR_FILENO);
      if (watched[3].revents != 0 && !has_ended) {
        stop_event_.reset();
        // The whole group: bash alone would wait for the program in its foreground. It is not yet waited for, so the
        // number is still its own.
        kill(-pid_, SIGTERM);
      }
    }
    return wait_child(pid_);
  }

  LastLine& last_line() { return last_line_; }

 private:
  // Takes what is there now; at most some megabytes, so that a flood on one pipe doesn't hide the other or the stop.
  void drain(FileDescriptor& pipe, int stream) {
    for (int i = 0; pipe && i < 64; ++i) {
      const ssize_t got = read(pipe.get(), buffer_, sizeof buffer_);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return;
      if (got == 0) {
        pipe.reset();
        return;
      }
      const std::string_view bytes(buffer_, static_cast<size_t>(got));
      if (stream == STDOUT_FILENO) last_line_.feed(bytes);
      context_.log_output(stream, bytes);
    }
  }

  TaskContext& context_;
  FileDescriptor stop_event_;
  FileDescriptor output_;
  FileDescriptor errors_;
  pid_t pid_ = 0;
  FileDescriptor process_;
  LastLine last_line_;
  char buffer_[64 << 10];
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

// The secrets that the try has opened, masked in every text inside.
Value redacted(TaskContext& context, const Value& value) {
  if (value.is_string()) return context.redact(value.as_string());
  if (value.is_list()) {
    Value list = Value::list();
    for (const Value& item : value.as_list()) list.push_back(redacted(context, item));
    return list;
  }
  if (!value.is_map()) return value;
  Value map = Value::map();
  for (const auto& [key, member] : value.as_map()) map.set(context.redact(key), redacted(context, member));
  return map;
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
    Command command(context);
    TRY(command.start(std::move(request)));
    TRY_ASSIGN(const ExitStatus status, command.wait());
    if (context.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
    Outcome outcome{.exit = status};
    if (status.signal == 0 && status.exit_code == skip_exit_code) {
      return Outcome{.skipped = true, .message = "exit code " + std::to_string(skip_exit_code) + " skips the task"};
    }
    outcome.message = meaning_of(status);
    if (!status.succeeded()) return outcome;
    take_last_line(context, command.last_line(), outcome.return_value);
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
