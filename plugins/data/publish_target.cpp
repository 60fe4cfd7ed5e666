#include "plugins/data/publish_target.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/run.h"

namespace udon::data {
namespace {

// A result has files_max files at most; while it is replaced, two or three of them stand there. A folder with more in
// it is somebody's, whatever follows.
constexpr size_t listed_max = 4 * files_max + 1'000;

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// A name as ours are: part-00000.parquet, part-00000-<try id>.csv.
struct PartName {
  std::string try_id;  // empty: the fixed one
};
std::optional<PartName> parse_part_name(std::string_view name) {
  constexpr std::string_view begin = "part-";
  constexpr size_t digits = 5;
  const auto* const end = std::ranges::find_if(extensions, [&](std::string_view e) { return name.ends_with(e); });
  if (end == std::end(extensions) || !name.starts_with(begin) || name.size() < begin.size() + digits + end->size())
    return std::nullopt;
  name = name.substr(begin.size(), name.size() - begin.size() - end->size());
  if (name == "00000") return PartName{};
  const size_t dash = name.find('-');
  if (dash == name.npos || dash < digits || !is_digits(name.substr(0, dash)) || !parse_try_id(name.substr(dash + 1)))
    return std::nullopt;
  return PartName{std::string(name.substr(dash + 1))};
}

std::string content_type_of(std::string_view extension) {
  if (extension == ".parquet") return "application/vnd.apache.parquet";
  if (extension == ".csv") return "text/csv";
  if (extension == ".tsv") return "text/tab-separated-values";
  if (extension == ".json") return "application/json";
  // Not by `Content-Encoding`: a file that is named .gz is to arrive as one.
  return extension == ".ndjson" ? "application/x-ndjson" : "application/gzip";
}

// Names that begin so are passed over by those who read a folder as a table; the marks of "folders" likewise.
bool is_hidden(std::string_view name) {
  return name.starts_with('_') || name.starts_with('.') || name.empty() || name.ends_with("$folder$");
}

}  // namespace

std::string metadata_of(const ObjectInfo& object, std::string_view key) {
  for (const auto& [name, value] : object.metadata)
    if (name == key) return value;
  return {};
}

PutOptions part_options(const PublishRequest& request, const FileCertificate& file) {
  PutOptions options;
  options.content_type = content_type_of(extension_of(request));
  options.storage_class = request.storage_class;
  options.metadata = {{std::string(certificate_key), request.certificate.id},
                      {std::string(sha256_key), file.sha256},
                      {std::string(try_key), request.try_id}};
  return options;
}

Target::Target(const std::string& to, std::string_view extension)
    : extension_(extension),
      folder_(to.ends_with('/') ? to : to + "/"),
      single_part_(folder_ + part_name_of(0, {}, extension)),
      manifest_(folder_ + std::string(manifest_name)),
      success_(folder_ + std::string(success_name)),
      symlinks_(folder_ + "_symlink_format_manifest/manifest"),
      intents_(folder_ + "_udon/intent-") {}

std::string Target::part(size_t number, const std::string& try_id) const {
  return folder_ + part_name_of(number, try_id, extension_);
}
bool Target::is_single_part(const std::string& uri) const {
  return std::ranges::any_of(extensions, [&](std::string_view e) { return uri == folder_ + part_name_of(0, {}, e); });
}
std::string Target::intent(const std::string& try_id) const { return intents_ + try_id + ".json"; }

Result<Manifest> Target::read_manifest(FileSystem& files) const {
  // The etag first: what is written on its condition then never replaces what was not read.
  TRY_ASSIGN(const auto info, files.stat(manifest_));
  if (!info) return Manifest{};
  const auto text = files.read(manifest_, manifest_bytes_max);
  if (!text && text.error().kind == ErrorKind::not_found) return Manifest{};
  if (!text) return text.error();
  return Manifest{.etag = info->etag, .old = parse_old_manifest(*text)};
}

Result<void> Target::refuse_intents(const std::vector<ObjectInfo>& objects, const std::string& mine) const {
  for (const ObjectInfo& object : objects) {
    if (!object.uri.starts_with(intents_) || object.uri == intent(mine)) continue;
    return Error{
        ErrorKind::conflict,
        fmt::format(
            "{} says that a try of another installation or machine publishes there, or died while it did: which "
            "of the two cannot be told from here, so nothing is touched. If it does not go away by itself, delete "
            "that object; the files that it names are then removed by the next try; {}",
            object.uri, of_two_at_once)};
  }
  return {};
}

Result<TargetView> Target::look(FileSystem& files, const std::string& mine) const {
  TRY_ASSIGN(const std::vector<ObjectInfo> objects, files.list(folder_, listed_max));
  TRY(refuse_intents(objects, mine));
  TargetView view;
  for (const ObjectInfo& object : objects) view.there.insert(object.uri);
  std::vector<std::string> foreign;
  if (view.there.contains(manifest_)) {
    TRY_ASSIGN(view.manifest, read_manifest(files));
    if (!view.manifest.etag.empty() && !view.manifest.old) foreign.emplace_back(manifest_name);
    if (view.manifest.old)
      for (const std::string& uri : view.manifest.old->uris)
        if (holds(uri)) view.ours.insert(uri);
  }
  bool has_unnamed = false;
  for (const ObjectInfo& object : objects) {
    const std::string name = object.uri.substr(folder_.size());
    if (is_hidden(name) || view.ours.contains(object.uri)) continue;
    const auto part = parse_part_name(name);
    if (part && part->try_id == mine) continue;
    if (part) {
      TRY_ASSIGN(const auto info, files.stat(object.uri));
      if (!info) continue;  // gone meanwhile
      if (!metadata_of(*info, certificate_key).empty()) {
        view.ours.insert(object.uri);
        has_unnamed |= !part->try_id.empty();
        continue;
      }
    }
    foreign.push_back(name);
  }
  if (!foreign.empty()) return holds_others_files(folder_, foreign);
  if (has_unnamed) {
    // Of several files that no manifest names: nobody's, unless an intent has come since the list was begun.
    TRY_ASSIGN(const std::vector<ObjectInfo> intents, files.list(intents_, listed_max));
    TRY(refuse_intents(intents, mine));
  }
  return view;
}

Result<void> Target::write_symlinks(FileSystem& files, const std::set<std::string>& uris) const {
  if (uris.size() == 1) {
    TRY_ASSIGN(const auto there, files.stat(symlinks_));
    if (!there) return {};
  }
  std::string lines;
  for (const std::string& uri : uris) lines += uri + "\n";
  PutOptions options;
  options.content_type = "text/plain; charset=utf-8";
  TRY(files.write(symlinks_, lines, options));
  return {};
}

Result<void> Target::mark_if_whole(FileSystem& files, const std::set<std::string>& uris) const {
  TRY_ASSIGN(const std::vector<ObjectInfo> objects, files.list(folder_, listed_max));
  std::set<std::string> there;
  for (const ObjectInfo& object : objects) there.insert(object.uri);
  if (!std::ranges::all_of(uris, [&](const std::string& uri) { return !holds(uri) || there.contains(uri); })) return {};
  TRY(files.write(success_, "", {}));
  return {};
}

}  // namespace udon::data
