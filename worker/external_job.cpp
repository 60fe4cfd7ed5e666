#include "worker/external_job.h"

#include "base/limits.h"

namespace udon {

namespace {

// job.json: {"version": 1, "handle": …} of a job that is known to be there; without a handle the submission has begun
// and its answer was not heard.
class JobFile {
 public:
  explicit JobFile(const Path& folder) : path_(folder / "job.json") {}

  // Nothing: it has not begun.
  Result<std::optional<Value>> read() const {
    std::error_code ignored;
    if (!std::filesystem::exists(path_, ignored)) return std::optional<Value>();
    TRY_ASSIGN(const std::string text, read_file(path_));
    auto value = parse_json(text);
    if (!value) return Error{ErrorKind::data, path_.string() + " cannot be read: " + value.error().message};
    return std::optional<Value>(std::move(*value));
  }
  Result<void> write(const std::optional<Value>& handle) const {
    Value value = Value::Map{{"version", 1}};
    if (handle) value.set("handle", *handle);
    return write_file_atomically(path_, to_json(value), Durability::survives_power_loss, 0600);
  }

 private:
  Path path_;
};

PokeAnswer failed(const Error& error) { return {.message = error.message, .error = error.kind}; }

std::string name_of(const Value& handle) {
  const std::string id = handle.is_map() ? handle.text("id") : "";
  return "job " + (id.empty() ? to_json(handle) : id);
}

class Tending {
 public:
  Tending(ExternalJob& job, TaskContext& context, const Path& folder) : job_(job), context_(context), file_(folder) {}

  Result<PokeAnswer> look() {
    TRY_ASSIGN(const auto known, file_.read());
    const Value* handle = known ? known->find("handle") : nullptr;
    if (handle != nullptr) return poll(*handle);
    TRY_ASSIGN(const Value submitted, submit(known.has_value()));
    return PokeAnswer{.message = "submitted: " + name_of(submitted)};
  }

  Result<PokeAnswer> cancel() {
    TRY_ASSIGN(const auto known, file_.read());
    if (!known) return PokeAnswer{.is_met = true, .message = "it was not submitted"};
    const Value* handle = known->find("handle");
    Value found;
    if (handle != nullptr) {
      found = *handle;
    } else {
      // Whose answer was lost: to submit it again tells which job it is.
      TRY_ASSIGN(found, submit(true));
    }
    TRY(job_.cancel(context_, found));
    return PokeAnswer{.is_met = true, .message = name_of(found)};
  }

 private:
  Result<Value> submit(bool has_begun) {
    if (has_begun && !job_.is_idempotent(context_)) {
      return Error{ErrorKind::data,
                   "it is not known whether the job was submitted: the answer was lost, and the system cannot tell one "
                   "submission from another; look for it there before the task is cleared"};
    }
    if (!has_begun) TRY(file_.write(std::nullopt));
    TRY_ASSIGN(Value handle, job_.submit(context_));
    TRY(file_.write(handle));
    return handle;
  }

  Result<PokeAnswer> poll(const Value& handle) {
    TRY_ASSIGN(ExternalJob::Status status, job_.poll(context_, handle));
    const std::string message = name_of(handle) + (status.message.empty() ? "" : ": " + status.message);
    switch (status.phase) {
      case ExternalJob::Status::Phase::running: return PokeAnswer{.message = message};
      case ExternalJob::Status::Phase::failed: return PokeAnswer{.message = message + " (failed)", .has_failed = true};
      case ExternalJob::Status::Phase::succeeded: break;
    }
    PokeAnswer answer{.is_met = true, .message = message};
    if (!status.return_value.is_null()) answer.xcom.set("return_value", std::move(status.return_value));
    return answer;
  }

  ExternalJob& job_;
  TaskContext& context_;
  JobFile file_;
};

}  // namespace

PokeAnswer tend_job(ExternalJob& job, TaskContext& context, const Path& folder, PokeOrder::Purpose purpose) {
  Tending tending(job, context, folder);
  auto answer = purpose == PokeOrder::Purpose::cancel ? tending.cancel() : tending.look();
  return answer ? std::move(*answer) : failed(answer.error());
}

}  // namespace udon
