#include "plugins/data/kept_chunks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/kept_folders.h"
#include "base/net/digest.h"
#include "base/text.h"
#include "base/value.h"

namespace udon::data {
namespace {

constexpr int64_t format = 1;
constexpr int64_t json_bytes_max = 16 << 20;
constexpr const char* plan_name = "plan.json";

// What cannot be listed is not there for us.
std::vector<Path> names_in(const Path& folder) {
  std::vector<Path> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path());
  return names;
}

Value digests_of(const Conditions& conditions) {
  Value digests = Value::map();
  for (const auto& [name, text] : conditions) digests.set(name, to_hex(sha256(text)));
  return digests;
}

std::string difference_of(const Value& was, const Conditions& is) {
  for (const auto& [name, text] : is)
    if (was.text(name) != to_hex(sha256(text))) return name;
  return {};
}

std::optional<Value> read_json(const Path& path) {
  const auto content = read_file(path, json_bytes_max);
  if (!content) return std::nullopt;
  auto value = parse_json(*content);
  if (!value || !value->is_map()) return std::nullopt;
  return std::move(*value);
}

std::optional<KeptChunk> read_chunk(const Path& path, size_t ranges) {
  const auto value = read_json(path);
  if (!value) return std::nullopt;
  auto certificate = parse_certificate(value->get("certificate"));
  if (!certificate) return std::nullopt;
  KeptChunk chunk{
      .ranges = {}, .state = value->text("state"), .certificate = std::move(*certificate), .files = {}, .path = path};
  if (!value->get("ranges").is_list()) return std::nullopt;
  for (const Value& range : value->get("ranges").as_list()) {
    if (!range.is_int() || range.as_int() < 0 || static_cast<size_t>(range.as_int()) >= ranges) return std::nullopt;
    chunk.ranges.push_back(static_cast<size_t>(range.as_int()));
  }
  // Names only: where the folder lies now is known.
  for (const FileCertificate& file : chunk.certificate.files)
    chunk.files.push_back(path.parent_path() / Path(file.uri).filename());
  return chunk;
}

}  // namespace

void KeptChunks::remove_old(TimePoint now) const {
  static_cast<void>(remove_untouched(folder_.parent_path(), now, resume_kept_for, folder_));
}

std::vector<std::string> KeptChunks::open(const Conditions& asked, std::string& why) {
  plan_ = Value();
  is_started_ = false;
  std::error_code ignored;
  if (!std::filesystem::exists(folder_, ignored)) return {};
  const auto plan = read_json(folder_ / plan_name);
  std::vector<std::string> ranges;
  if (plan && plan->get("ranges").is_list())
    for (const Value& range : plan->get("ranges").as_list())
      ranges.push_back(range.is_string() ? range.as_string() : "");
  if (!plan || plan->integer("format") != format || ranges.size() < 2)
    why = "its plan cannot be read";
  else if (const std::string other = difference_of(plan->get("asked"), asked); !other.empty())
    why = fmt::format("`{}` is not what it was", other);
  if (!why.empty()) {
    drop_all();
    return {};
  }
  plan_ = *plan;
  return ranges;
}

std::string KeptChunks::difference(const Conditions& found) const {
  const Value& was = plan_.get("found");
  if (was.size() != found.size()) return "columns";
  return difference_of(was, found);
}

std::vector<KeptChunk> KeptChunks::chunks() const {
  std::vector<KeptChunk> chunks;
  const Value& plan_ranges = plan_.get("ranges");
  for (const Path& path : names_in(folder_)) {
    const std::string name = path.filename().string();
    if (name == plan_name || !name.ends_with(".json")) continue;
    if (auto chunk = read_chunk(path, plan_ranges.size())) chunks.push_back(std::move(*chunk));
  }
  std::ranges::sort(chunks, {}, &KeptChunk::path);
  return chunks;
}

Result<void> KeptChunks::start(const Conditions& asked, const Conditions& found, const std::vector<std::string>& ranges,
                               const std::string& state, const std::string& position) {
  is_started_ = true;
  state_ = state;
  position_ = position;
  if (!plan_.is_null()) return {};
  drop_all();
  TRY(make_directories(folder_, 0700));
  Value list = Value::list();
  for (const std::string& range : ranges) list.push_back(range);
  Value plan = Value::map();
  plan.set("format", format);
  plan.set("asked", digests_of(asked));
  plan.set("found", digests_of(found));
  plan.set("ranges", std::move(list));
  TRY(write_file_atomically(folder_ / plan_name, to_json(plan), Durability::survives_kill, 0600));
  plan_ = std::move(plan);
  is_started_ = true;
  return {};
}

Result<void> KeptChunks::keep(KeptChunk& chunk) {
  if (!is_started_) return {};
  chunk.state = state_;
  chunk.certificate.position = position_;
  const std::string name = fmt::format("{}-{}", try_id_, chunks_made_++);
  for (size_t i = 0; i < chunk.files.size(); ++i) {
    const Path to = folder_ / fmt::format("{}-{}{}", name, i, chunk.files[i].extension().string());
    if (::rename(chunk.files[i].c_str(), to.c_str()) != 0)
      return io_error("move to " + to.string(), chunk.files[i], errno);
    chunk.files[i] = to;
    chunk.certificate.files[i].uri = to.filename().string();
  }
  Value ranges = Value::list();
  for (const size_t range : chunk.ranges) ranges.push_back(static_cast<int64_t>(range));
  Value value = Value::map();
  value.set("ranges", std::move(ranges));
  value.set("state", chunk.state);
  value.set("certificate", to_value(chunk.certificate));
  // After its files, not before.
  chunk.path = folder_ / (name + ".json");
  return write_file_atomically(chunk.path, to_json(value), Durability::survives_kill, 0600);
}

void KeptChunks::drop(const KeptChunk& chunk) const {
  std::error_code ignored;
  std::filesystem::remove(chunk.path, ignored);
  for (const Path& file : chunk.files) std::filesystem::remove(file, ignored);
}

void KeptChunks::drop_all() {
  plan_ = Value();
  is_started_ = false;
  static_cast<void>(remove_tree(folder_));
}

}  // namespace udon::data
