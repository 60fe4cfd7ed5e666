#include <fmt/format.h>

#include "model/run.h"
#include "plugins/data/publish_intent.h"
#include "plugins/data/publish_target.h"
#include "plugins/data/target_lock.h"
#include "plugins/io/pending_uploads.h"

namespace udon::data {
namespace {

// One publication. The order of its requests is what keeps a reader's view whole; see publisher.h.
class ObjectPublication {
 public:
  ObjectPublication(FileSystem& files, const PublishRequest& request)
      : files_(files), request_(request), target_(request.to, extension_of(request)), part_(target_.single_part()) {}

  Result<std::optional<Published>> run() {
    const auto id = parse_try_id(request_.try_id);
    if (!id) return Error{ErrorKind::invalid, fmt::format("`{}` is no id of a try", request_.try_id)};
    published_ = {.certificate = request_.certificate, .manifest = target_.manifest()};
    published_.certificate.files.at(0).uri = part_;

    step(request_, "abort what dead tries left");
    PendingUploads pending(request_.pending_folder, static_cast<int64_t>(id->fence), target_.folder());
    TRY(pending.abort_left_over(files_, target_.folder()));
    TRY_ASSIGN(const TargetLock lock, lock_settled());
    step(request_, "look at what is there");
    TRY_ASSIGN(const TargetView view, target_.look(files_, request_.try_id));
    TRY_ASSIGN(const bool is_one_object, is_all_one_object(view));
    if (!is_one_object) return std::optional<Published>();
    seen_manifest_etag_ = view.manifest.etag;

    for (int rivals = 0;;) {
      TRY_ASSIGN(const bool is_sent, send(pending));
      if (is_sent) {
        TRY_ASSIGN(const bool is_ours, write_manifest());
        if (is_ours) break;
      }
      if (++rivals >= rivals_max) return overtaken_by_earlier();
    }
    step(request_, "mark the success");
    TRY(files_.write(target_.success(), "", {}));
    step(request_, "done");
    return std::optional(std::move(published_));
  }

 private:
  // Nobody of this home publishes several files there while we hold it, and none who died has left any half-way.
  Result<TargetLock> lock_settled() {
    for (;;) {
      TRY_ASSIGN(TargetLock lock,
                 TargetLock::acquire(request_.pending_folder, target_.folder(), TargetLock::Use::beside_other_objects));
      TRY_ASSIGN(const auto unsettled, lock.unsettled());
      if (unsettled.empty()) return lock;
      { const TargetLock released = std::move(lock); }
      step(request_, "settle what dead tries left");
      TRY_ASSIGN(const TargetLock alone,
                 TargetLock::acquire(request_.pending_folder, target_.folder(), TargetLock::Use::alone));
      TRY(settle_all(files_, target_, alone));
    }
  }

  // Whether replacing that object is all there is to do.
  Result<bool> is_all_one_object(const TargetView& view) {
    if (view.ours.size() > 1 || (view.ours.size() == 1 && !view.ours.contains(part_))) return false;
    if (!view.there.contains(target_.symlinks())) return true;
    const auto text = files_.read(target_.symlinks(), manifest_bytes_max);
    if (!text && text.error().kind != ErrorKind::not_found) return text.error();
    return !text || *text == part_ + "\n";
  }

  // False: to be sent again, as the store has thrown the upload away when it refused to complete it.
  Result<bool> send(PendingUploads& pending) {
    step(request_, "upload");
    FileCertificate& file = published_.certificate.files.at(0);
    auto begun =
        pending.upload(files_, request_.staged.at(0), part_, part_options(request_, file), request_.part_bytes);
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
    return upload_was_ended(part_, error, there && *there ? metadata_of(**there, try_key) : "", request_.try_id);
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
      TRY_ASSIGN(const std::optional<ObjectInfo> old, files_.stat(target_.manifest()));
      TRY_ASSIGN(const std::optional<ObjectInfo> part, files_.stat(part_));
      if (part && is_later(request_.try_id, metadata_of(*part, try_key))) return false;
      if (!part || metadata_of(*part, certificate_key) != request_.certificate.id) return replaced_by_another(part);
      if (old && old->etag != seen_manifest_etag_) TRY(check_one_object_now(old->etag));
      step(request_, "write the manifest");
      PutOptions condition;
      condition.content_type = "application/json";
      if (old)
        condition.if_match = old->etag;
      else
        condition.if_none_match = true;
      const auto put = files_.write(target_.manifest(), json, condition);
      if (put) return true;
      if (put.error().kind != ErrorKind::conflict || ++rivals >= rivals_max) return put.error();
    }
  }
  Error replaced_by_another(const std::optional<ObjectInfo>& part) const {
    const std::string by = part ? metadata_of(*part, try_key) : std::string();
    if (is_later(by, request_.try_id)) return overtaken(part_, by);
    return was_replaced(part_, part.has_value(), by);
  }
  // Another installation may have published several files since we looked: ours would stand among them.
  Result<void> check_one_object_now(const std::string& etag) {
    TRY_ASSIGN(const Manifest manifest, target_.read_manifest(files_));
    if (manifest.etag != etag) return {};  // changed again; the condition will say so
    seen_manifest_etag_ = etag;
    if (!manifest.old) return {};
    for (const std::string& uri : manifest.old->uris) {
      if (uri == part_ || !target_.holds(uri)) continue;
      TRY(files_.remove(part_));
      return was_replaced(target_.manifest(), true, manifest.old->try_id);
    }
    return {};
  }
  Error overtaken_by_earlier() const {
    return Error{ErrorKind::conflict,
                 fmt::format("earlier tries replace {} again and again; {}", part_, of_two_at_once)};
  }

  FileSystem& files_;
  const PublishRequest& request_;
  const Target target_;
  const std::string part_;
  std::string seen_manifest_etag_;
  Published published_;
};

}  // namespace

Result<std::optional<Published>> publish_object(FileSystem& file_system, const PublishRequest& request) {
  return ObjectPublication(file_system, request).run();
}

}  // namespace udon::data
