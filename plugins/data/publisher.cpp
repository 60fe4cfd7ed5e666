#include "plugins/data/publisher.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/run.h"
#include "plugins/data/publish_rejects.h"
#include "plugins/data/publish_steps.h"

namespace udon::data {

bool is_later(const std::string& other, const std::string& mine) {
  const auto a = parse_try_id(other);
  const auto b = parse_try_id(mine);
  return a && b && a->installation == b->installation && a->fence > b->fence;
}

Error overtaken(const std::string& to, const std::string& by) {
  return Error{
      ErrorKind::conflict,
      fmt::format("{} was published by try {}, which is later than this one: of two at once the later one wins, "
                  "and nothing of this one is left there; {}",
                  to, by, of_two_at_once)};
}

Error was_replaced(const std::string& what, bool is_there, const std::string& by) {
  return Error{ErrorKind::conflict, fmt::format("{} was {} by {} right after we had published it; {}", what,
                                                is_there ? "replaced" : "removed",
                                                by.empty() ? "somebody else" : "try " + by, of_two_at_once)};
}

Error upload_was_ended(const std::string& what, const Error& error, const std::string& by, const std::string& mine) {
  if (is_later(by, mine)) return overtaken(what, by);
  return Error{ErrorKind::conflict,
               fmt::format("somebody has ended our upload before it was whole: {}. {}; {}", error.message,
                           by.empty() || by == mine
                               ? "It may have been an export of another installation or machine to the same target"
                               : fmt::format("What is there now is of try {}", by),
                           of_two_at_once)};
}

Error holds_others_files(const std::string& to, const std::vector<std::string>& names) {
  constexpr size_t shown_max = 3;
  std::string shown;
  for (size_t i = 0; i < names.size() && i < shown_max; ++i) shown += (i == 0 ? "`" : ", `") + names[i] + "`";
  if (names.size() > shown_max) shown += ", …";
  return Error{
      ErrorKind::invalid,
      fmt::format("{} holds files that no export of ours has written ({}): they are not removed, and a reader of "
                  "the folder would take them for part of the table. Name another folder, or move them away",
                  to, shown)};
}

std::optional<OldManifest> parse_old_manifest(const std::string& text) {
  const auto manifest = parse_json(text);
  if (!manifest || !manifest->is_map() || !manifest->get("certificate").is_map() || !manifest->get("files").is_list())
    return std::nullopt;
  OldManifest old{
      .try_id = manifest->text("try"), .certificate_id = manifest->get("certificate").text("id"), .uris = {}};
  for (const Value& file : manifest->get("files").as_list())
    if (const std::string uri = file.text("uri"); !uri.empty()) old.uris.insert(uri);
  return old;
}

std::string manifest_json(const Certificate& certificate, const std::string& try_id,
                          const std::optional<Growth>& growth) {
  Value files = Value::list();
  const auto add = [&files](const FileCertificate& file) {
    Value entry = Value::map();
    entry.set("name", file.uri.substr(file.uri.rfind('/') + 1));
    entry.set("uri", file.uri);
    entry.set("rows", static_cast<int64_t>(file.rows));
    entry.set("bytes", static_cast<int64_t>(file.bytes));
    entry.set("sha256", file.sha256);
    entry.set("etag", file.etag);
    files.push_back(std::move(entry));
  };
  if (growth) std::ranges::for_each(growth->keeps, add);
  std::ranges::for_each(certificate.files, add);
  Value manifest = Value::map();
  manifest.set("version", 1);
  manifest.set("try", try_id);
  manifest.set("files", std::move(files));
  manifest.set("certificate", to_value(certificate));
  if (growth) manifest.set("increment", growth->state);
  return to_json_pretty(manifest) + "\n";
}

std::string_view extension_of(const PublishRequest& request) {
  const std::string own = request.staged.empty() ? "" : request.staged[0].filename().string();
  for (const std::string_view extension : extensions)
    if (own.ends_with(extension)) return extension;
  return extensions[0];
}

std::string part_name_of(size_t number, std::string_view tail, std::string_view extension) {
  return fmt::format("part-{:05}{}{}{}", number, tail.empty() ? "" : "-", tail, extension);
}

std::string grown_name(size_t number, const std::string& try_id) { return part_name_of(number, try_id, extensions[0]); }

Result<void> check_growth(const PublishRequest& request, const std::optional<OldManifest>& old) {
  if (!request.growth || (old ? old->certificate_id : "") == request.growth->based_on) return {};
  return Error{
      ErrorKind::conflict,
      fmt::format("{} has got another result{} since its manifest was read: what was read here would not fit to "
                  "it; {}",
                  request.to, old ? ", of try " + old->try_id : "", of_two_at_once)};
}

namespace {

Result<Published> publish_to_s3(FileSystem& file_system, const PublishRequest& request) {
  if (request.staged.size() == 1 && !request.growth) {
    TRY_ASSIGN(auto published, publish_object(file_system, request));
    if (published) return std::move(*published);
  }
  return publish_objects(file_system, request);
}

}  // namespace

Result<Published> publish(FileSystem& file_system, const PublishRequest& request) {
  const size_t files = request.staged.size() + (request.growth ? request.growth->keeps.size() : 0);
  if (files > files_max)
    return Error{ErrorKind::invalid, fmt::format("{} files; a result may have {}", files, files_max)};
  if (!request.to.starts_with("s3://")) return publish_folder(request);
  TRY_ASSIGN(const std::string rejects, put_rejects(file_system, request));
  auto published = publish_to_s3(file_system, request);
  if (!published) {
    if (!rejects.empty()) static_cast<void>(file_system.remove(rejects));  // the first error is the one to tell
    return published;
  }
  published->rejects = rejects;
  TRY(remove_old_rejects(file_system, request, rejects));
  return published;
}

}  // namespace udon::data
