#include "dagfile/bundles/checkouts.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/subprocess.h"
#include "base/text.h"

namespace udon {

namespace {

constexpr std::chrono::minutes git_takes_max{10};  // a first fetch of a large repository over a slow line
constexpr int64_t git_prints_max = 1 << 20;
constexpr const char* head_ref = "refs/udon/head";
constexpr const char* half_done = ".half-done-";

bool is_commit_name(const std::string& name) {
  return name.size() >= 40 &&
         std::ranges::all_of(name, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// What git says last is why; "fatal: " and hints say nothing to people.
std::string reason_of(const CommandOutput& output) {
  constexpr size_t bytes_max = 400;
  std::vector<std::string> lines;
  for (const std::string& line : split(output.standard_error, '\n')) {
    const std::string text(trim(line));
    if (text.empty() || text.starts_with("hint:") || text.starts_with("warning:")) continue;
    lines.push_back(text.starts_with("fatal: ") ? text.substr(7) : text);
  }
  std::string reason = lines.empty() ? describe(output.status) : lines.front();
  for (size_t i = 1; i < lines.size() && reason.size() + lines[i].size() < bytes_max; ++i) reason += "; " + lines[i];
  return reason.substr(0, bytes_max);
}

// A repository of ours that a loss of power has spoilt says so in words like these; it holds nothing that cannot be
// fetched again.
bool is_spoilt(const std::string& message) {
  for (const char* word :
       {"is empty", "corrupt", "bad object", "not a git repository", "unable to read", "missing blob", "missing tree",
        "missing commit", "invalid sha1 pointer", ".lock': File exists"}) {
    if (message.find(word) != std::string::npos) return true;
  }
  return false;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  if (what.empty()) return;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

}  // namespace

Checkouts::Checkouts(BundleSpec spec, Path folder, std::vector<std::string> environment)
    : spec_(std::move(spec)), folder_(std::move(folder)) {
  for (std::string& entry : environment) {
    if (!entry.starts_with("GIT_") && !entry.starts_with("LC_") && !entry.starts_with("LANG"))
      environment_.push_back(std::move(entry));
  }
  std::string ssh = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15";
  if (!spec_.ssh_key_file.empty()) ssh += " -o IdentitiesOnly=yes -i " + spec_.ssh_key_file.string();
  if (!spec_.known_hosts_file.empty())
    ssh += " -o StrictHostKeyChecking=yes -o UserKnownHostsFile=" + spec_.known_hosts_file.string();
  for (const std::string& entry :
       {std::string("LC_ALL=C"), std::string("GIT_TERMINAL_PROMPT=0"), std::string("GIT_ASKPASS=/bin/false"),
        std::string("SSH_ASKPASS=/bin/false"), std::string("GIT_ALLOW_PROTOCOL=file:git:http:https:ssh"),
        // A server that sends next to nothing for so long is down.
        std::string("GIT_HTTP_LOW_SPEED_LIMIT=100"), std::string("GIT_HTTP_LOW_SPEED_TIME=30"),
        "GIT_SSH_COMMAND=" + ssh})
    environment_.push_back(entry);
}

Path Checkouts::dags_of(const std::string& commit) const {
  return spec_.subfolder.empty() ? checkout_of(commit) : checkout_of(commit) / spec_.subfolder;
}

Result<void> Checkouts::open() {
  TRY(make_directories(folder_ / "checkouts", 0700));
  std::error_code error;
  std::vector<Path> left;
  for (std::filesystem::directory_iterator at(folder_ / "checkouts", error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().filename().string().starts_with(half_done)) left.push_back(at->path());
  }
  for (const Path& path : left) TRY(remove_tree(path));
  left.clear();
  for (std::filesystem::recursive_directory_iterator at(repository(), error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.ends_with(".lock") || name.starts_with("tmp_")) left.push_back(at->path());
  }
  for (const Path& path : left) TRY(remove_tree(path));
  TRY_ASSIGN(current_, look());
  return {};
}

Result<std::string> Checkouts::look() const {
  const Result<std::string> named = read_file(folder_ / "current", 1024);
  if (!named && named.error().kind != ErrorKind::not_found) return named.error();
  const std::string commit = named ? std::string(trim(*named)) : "";
  std::error_code error;
  if (is_commit_name(commit) && std::filesystem::is_directory(checkout_of(commit), error)) return commit;
  return std::string();
}

Result<std::string> Checkouts::git(std::vector<std::string> arguments, const std::optional<GitCredentials>& credentials,
                                   const std::vector<std::string>& more_environment) {
  SpawnRequest request;
  request.argv = {"git", "--git-dir=" + repository().string(),
                  "-c",  "gc.auto=0",
                  "-c",  "core.hooksPath=/dev/null",
                  "-c",  "core.autocrlf=false",
                  "-c",  "credential.helper=",
                  "-c",  "core.quotePath=false"};
  request.environment = environment_;
  request.environment.insert(request.environment.end(), more_environment.begin(), more_environment.end());
  if (credentials) {
    // In the environment, which only this user's processes can read; never among the arguments, which all can.
    request.argv.insert(request.argv.end(),
                        {"-c",
                         "credential.helper=!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' "
                         "\"$UDON_BUNDLE_USERNAME\" \"$UDON_BUNDLE_PASSWORD\"; }; f"});
    request.environment.push_back("UDON_BUNDLE_USERNAME=" + credentials->username);
    request.environment.push_back("UDON_BUNDLE_PASSWORD=" + credentials->password);
  }
  const std::string verb = arguments.front();
  request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
  request.working_directory = folder_;
  const auto output = run_command(request, git_takes_max, git_prints_max, stop_);
  if (!output) {
    if (output.error().kind == ErrorKind::not_found)
      return Error{ErrorKind::unsupported, "the program `git` is not there: install it (apt-get install git)"};
    return output.error().within("git " + verb);
  }
  if (!output->status.succeeded()) {
    std::string reason = reason_of(*output);
    if (credentials) replace_all(reason, credentials->password, "***");
    return Error{ErrorKind::unavailable, "git " + verb + ": " + reason};
  }
  return std::string(trim(output->standard_output));
}

Result<void> Checkouts::init() {
  std::error_code error;
  if (std::filesystem::exists(repository() / "HEAD", error)) return {};
  TRY(remove_tree(repository()));
  TRY(git({"init", "--quiet", "--bare", "--template=", repository().string()}));
  return {};
}

Result<void> Checkouts::fetch_ref(const std::optional<GitCredentials>& credentials) {
  TRY(init());
  const auto fetch = [&](std::vector<std::string> refs, bool is_shallow) -> Result<void> {
    std::vector<std::string> arguments{
        "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force", "--no-write-fetch-head"};
    if (is_shallow) arguments.emplace_back("--depth=1");
    arguments.emplace_back("--");
    arguments.push_back(spec_.url);
    arguments.insert(arguments.end(), refs.begin(), refs.end());
    TRY(git(std::move(arguments), credentials));
    return {};
  };
  switch (spec_.ref.kind) {
    case GitRef::Kind::branch: return fetch({"+refs/heads/" + spec_.ref.name + ":" + head_ref}, true);
    case GitRef::Kind::tag: return fetch({"+refs/tags/" + spec_.ref.name + ":" + head_ref}, true);
    case GitRef::Kind::commit: {
      // It never changes: what is here is it.
      if (git({"cat-file", "-e", spec_.ref.name + "^{commit}"})) return {};
      if (fetch({"+" + spec_.ref.name + ":" + head_ref}, true)) return {};
      // Some servers give only what has a name.
      return fetch({"+refs/heads/*:refs/udon/heads/*", "+refs/tags/*:refs/udon/tags/*"}, false);
    }
  }
  return {};
}

Result<std::string> Checkouts::fetch(const std::optional<GitCredentials>& credentials) {
  Result<void> fetched = fetch_ref(credentials);
  if (!fetched && is_spoilt(fetched.error().message)) {
    TRY(remove_tree(repository()));
    fetched = fetch_ref(credentials);
  }
  if (!fetched) return fetched.error();
  const std::string what = spec_.ref.kind == GitRef::Kind::commit ? spec_.ref.name : head_ref;
  return git({"rev-parse", "--verify", "--quiet", what + "^{commit}"});
}

Result<void> Checkouts::check_out(const std::string& commit) {
  std::error_code error;
  if (!std::filesystem::is_directory(checkout_of(commit), error)) {
    const Path half = folder_ / "checkouts" / (half_done + commit);
    const Path index = folder_ / "index";
    TRY(remove_tree(half));
    TRY(remove_tree(index));
    TRY(make_directories(half, 0700));
    const std::vector<std::string> environment{"GIT_INDEX_FILE=" + index.string(), "GIT_WORK_TREE=" + half.string()};
    Result<std::string> written = git({"read-tree", commit}, {}, environment);
    if (written) {
      written =
          git({"checkout-index", "--all", "--force", "--quiet", "--prefix=" + half.string() + "/"}, {}, environment);
    }
    if (!written) {
      if (is_spoilt(written.error().message)) TRY(remove_tree(repository()));
      return written.error();
    }
    // All of it before its name: a folder of a commit is whole, also after a loss of power.
    TRY_ASSIGN(const FileDescriptor fd, open_file(half, O_RDONLY | O_DIRECTORY));
    if (::syncfs(fd.get()) != 0) return io_error("sync", half, errno);
    std::filesystem::rename(half, checkout_of(commit), error);
    if (error) return Error{ErrorKind::io, "rename " + half.string() + ": " + error.message()};
    TRY(sync_directory(folder_ / "checkouts"));
    TRY(remove_tree(index));
  }
  if (!std::filesystem::is_directory(dags_of(commit), error))
    return Error{ErrorKind::not_found, "commit " + commit.substr(0, 12) + " has no folder `" + spec_.subfolder + "`"};
  return {};
}

bool Checkouts::has_submodules(const std::string& commit) const {
  std::error_code error;
  return std::filesystem::exists(checkout_of(commit) / ".gitmodules", error);
}

Result<void> Checkouts::use(const std::string& commit) {
  TRY(write_file_atomically(folder_ / "current", commit + "\n", Durability::survives_power_loss, 0600));
  current_ = commit;
  return {};
}

std::vector<std::string> Checkouts::commits() const {
  std::vector<std::string> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder_ / "checkouts", error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (is_commit_name(name)) found.push_back(name);
  }
  return found;
}

void Checkouts::remove_others(const std::vector<std::string>& kept) {
  for (const std::string& commit : commits()) {
    if (commit == current_ || std::ranges::find(kept, commit) != kept.end()) continue;
    // By another name first: half a folder must not look like a commit.
    const Path half = folder_ / "checkouts" / (half_done + commit);
    std::error_code error;
    std::filesystem::rename(checkout_of(commit), half, error);
    if (!error) (void)remove_tree(half);
  }
}

}  // namespace udon
