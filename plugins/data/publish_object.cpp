#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/run.h"
#include "plugins/data/publish_steps.h"
#include "plugins/io/pending_uploads.h"

namespace udon::data {
namespace {

constexpr std::string_view certificate_key = "udon-certificate";
constexpr std::string_view sha256_key = "udon-sha256";
constexpr std::string_view try_key = "udon-try";
// A folder of a result holds three objects. One with more than this in it is somebody's, whatever follows.
constexpr size_t listed_max = 5'000;
// Others who write to the same target at the same time each cost one more look; so many of them are a mistake.
constexpr int rivals_max = 20;

std::string metadata_of(const ObjectInfo& object, std::string_view key) {
  for (const auto& [name, value] : object.metadata)
    if (name == key) return value;
  return {};
}

// One publication. The order of its requests is what keeps a reader's view whole; see publisher.h.
class ObjectPublication {
 public:
  ObjectPublication(FileSystem& files, const PublishRequest& request)
      : files_(files),
        request_(request),
        folder_(request.to.ends_with('/') ? request.to : request.to + "/"),
        part_(folder_ + std::string(part_name)),
        manifest_(folder_ + std::string(manifest_name)) {}

  Result<Published> run() {
    const auto id = parse_try_id(request_.try_id);
    if (!id) return Error{ErrorKind::invalid, fmt::format("`{}` is no id of a try", request_.try_id)};
    published_ = {.certificate = request_.certificate, .manifest = manifest_};
    published_.certificate.files.at(0).uri = part_;

    step(request_, "abort what dead tries left");
    const PendingUploads pending(request_.pending_folder, static_cast<int64_t>(id->fence));
    TRY(pending.abort_left_over(files_, part_));
    step(request_, "look at what is there");
    TRY(look());

    for (int rivals = 0;;) {
      TRY_ASSIGN(const bool is_sent, send(pending));
      if (is_sent) {
        TRY_ASSIGN(const bool is_ours, write_manifest());
        if (is_ours) break;
      }
      if (++rivals >= rivals_max) return overtaken_by_earlier();
    }
    step(request_, "mark the success");
    TRY(files_.write(folder_ + std::string(success_name), "", {}));
    step(request_, "remove old files");
    for (const std::string& old : old_files_)
      if (old != part_ && old.starts_with(folder_)) TRY(files_.remove(old));
    step(request_, "done");
    return std::move(published_);
  }

 private:
  // False: to be sent again, as the store has thrown the upload away when it refused to complete it.
  Result<bool> send(const PendingUploads& pending) {
    step(request_, "upload");
    FileCertificate& file = published_.certificate.files.at(0);
    PutOptions options;
    options.content_type = "application/vnd.apache.parquet";
    options.storage_class = request_.storage_class;
    options.metadata = {{std::string(certificate_key), request_.certificate.id},
                        {std::string(sha256_key), file.sha256},
                        {std::string(try_key), request_.try_id}};
    auto begun = pending.upload(files_, request_.staged.at(0), part_, options, request_.part_bytes);
    if (!begun && begun.error().kind == ErrorKind::conflict) return ended_by_another(begun.error());
    TRY_ASSIGN(const std::unique_ptr<PendingUpload> upload, std::move(begun));
    TRY_ASSIGN(const std::optional<ObjectInfo> written, complete(*upload));
    if (!written) return false;
    file.etag = written->etag;
    return true;
  }

  // No try of this installation on this machine ends what another is sending; so it was somebody elsewhere, and only
  // what stands there now can tell who.
  Error ended_by_another(const Error& error) {
    const auto there = files_.stat(part_);
    const std::string by = there && *there ? metadata_of(**there, try_key) : std::string();
    if (is_later(by, request_.try_id)) return overtaken(part_, by);
    return Error{ErrorKind::conflict,
                 fmt::format("somebody has ended our upload before it was whole: {}. {}; {}", error.message,
                             by.empty() || by == request_.try_id
                                 ? "It may have been an export of another installation or machine to the same target"
                                 : fmt::format("What is there now is of try {}", by),
                             of_two_at_once)};
  }

  // Refuses a folder in which our file would stand beside somebody else's or take its place.
  Result<void> look() {
    TRY_ASSIGN(const std::vector<ObjectInfo> objects, files_.list(folder_, listed_max));
    const auto is_there = [&](const std::string& uri) {
      return std::ranges::any_of(objects, [&](const ObjectInfo& object) { return object.uri == uri; });
    };
    bool has_foreign_manifest = false;
    if (is_there(manifest_)) {
      const auto text = files_.read(manifest_, manifest_bytes_max);
      if (!text && text.error().kind != ErrorKind::not_found) return text.error();
      if (auto old = text ? parse_old_manifest(*text) : std::nullopt)
        old_files_ = std::move(old->uris);
      else
        has_foreign_manifest = text.has_value();
    }
    bool is_part_ours = old_files_.contains(part_);
    if (!is_part_ours && is_there(part_)) {
      // Of a try that died before its manifest was written.
      TRY_ASSIGN(const auto part, files_.stat(part_));
      is_part_ours = !part || !metadata_of(*part, certificate_key).empty();
    }
    std::vector<std::string> foreign;
    if (has_foreign_manifest) foreign.emplace_back(manifest_name);
    for (const ObjectInfo& object : objects) {
      const std::string name = object.uri.substr(folder_.size());
      // Names that begin so are passed over by those who read a folder as a table; the marks of "folders" likewise.
      const bool is_hidden =
          name.starts_with('_') || name.starts_with('.') || name.empty() || name.ends_with("$folder$");
      const bool is_ours = object.uri == part_ ? is_part_ours : old_files_.contains(object.uri);
      if (!is_hidden && !is_ours) foreign.push_back(name);
    }
    if (!foreign.empty()) return holds_others_files(folder_, foreign);
    return {};
  }

  // Makes the new object the visible one, by comparing and setting: whoever came later has the say, and what appeared
  // since we looked is looked at again. Nothing: the store has thrown the upload away when it refused to complete it. A
  // 409 of AWS, two having completed in the same moment, asks for all to be sent again.
  Result<std::optional<ObjectInfo>> complete(PendingUpload& upload) {
    bool is_conditional = true;
    for (int rivals = 0;;) {
      step(request_, "check who published last");
      TRY_ASSIGN(const std::optional<ObjectInfo> there, files_.stat(part_));
      if (there && is_later(metadata_of(*there, try_key), request_.try_id)) {
        TRY(upload.abort());
        return overtaken(part_, metadata_of(*there, try_key));
      }
      upload.only_if(is_conditional && there ? there->etag : "", is_conditional && !there);
      step(request_, "complete the upload");
      auto written = upload.complete();
      if (written) return std::optional(std::move(*written));
      if (written.error().kind == ErrorKind::conflict && ++rivals < rivals_max) continue;
      // Not every store can complete on a condition: then without, as all stores could not long ago.
      if (written.error().kind == ErrorKind::unsupported && is_conditional) {
        is_conditional = false;
        continue;
      }
      if (written.error().kind != ErrorKind::not_found) return written.error();
      if (rivals > 0) return std::optional<ObjectInfo>();
      return ended_by_another(written.error());
    }
  }

  // The manifest of the object that is visible: if that is not ours any more, its publisher writes it. The manifest's
  // etag is taken before the look at the object; so whoever replaces the object later also replaces our manifest.
  // False: an earlier try has taken the place of our object, which is to be put there again. A store that checks its
  // condition and writes in two steps lets that happen (SeaweedFS does).
  Result<bool> write_manifest() {
    const std::string json = manifest_json(published_.certificate, request_.try_id);
    for (int rivals = 0;;) {
      step(request_, "look whose result it is");
      TRY_ASSIGN(const std::optional<ObjectInfo> old, files_.stat(manifest_));
      TRY_ASSIGN(const std::optional<ObjectInfo> part, files_.stat(part_));
      if (part && is_later(request_.try_id, metadata_of(*part, try_key))) return false;
      if (!part || metadata_of(*part, certificate_key) != request_.certificate.id) return replaced_by_another(part);
      step(request_, "write the manifest");
      PutOptions condition;
      condition.content_type = "application/json";
      if (old)
        condition.if_match = old->etag;
      else
        condition.if_none_match = true;
      const auto put = files_.write(manifest_, json, condition);
      if (put) return true;
      if (put.error().kind != ErrorKind::conflict || ++rivals >= rivals_max) return put.error();
    }
  }
  Error replaced_by_another(const std::optional<ObjectInfo>& part) const {
    const std::string by = part ? metadata_of(*part, try_key) : std::string();
    if (is_later(by, request_.try_id)) return overtaken(part_, by);
    return Error{ErrorKind::conflict, fmt::format("{} was {} by {} right after we had published it; {}", part_,
                                                  part ? "replaced" : "removed",
                                                  by.empty() ? "somebody else" : "try " + by, of_two_at_once)};
  }
  Error overtaken_by_earlier() const {
    return Error{ErrorKind::conflict,
                 fmt::format("earlier tries replace {} again and again; {}", part_, of_two_at_once)};
  }

  FileSystem& files_;
  const PublishRequest& request_;
  const std::string folder_;
  const std::string part_;
  const std::string manifest_;
  std::set<std::string> old_files_;  // of the result before, by its manifest
  Published published_;
};

}  // namespace

Result<Published> publish_object(FileSystem& file_system, const PublishRequest& request) {
  return ObjectPublication(file_system, request).run();
}

}  // namespace udon::data
