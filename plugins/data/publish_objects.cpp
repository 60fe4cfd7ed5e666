#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "model/run.h"
#include "plugins/data/publish_intent.h"
#include "plugins/data/publish_target.h"
#include "plugins/data/target_lock.h"
#include "plugins/io/pending_uploads.h"

namespace udon::data {
namespace {

// Several objects become visible one by one. What is being done stands in an intent from before the first until after
// the last; whoever reads by the manifest sees the change at one write; `_SUCCESS` is away while there is a mixture.
class ObjectsPublication {
 public:
  ObjectsPublication(FileSystem& files, const PublishRequest& request, int64_t fence)
      : files_(files),
        request_(request),
        target_(request.to, extension_of(request)),
        pending_(request.pending_folder, fence, target_.folder()),
        published_{.certificate = request.certificate, .manifest = target_.manifest()} {}

  Result<Published> run() {
    step(request_, "abort what dead tries left");
    TRY(pending_.abort_left_over(files_, target_.folder()));
    TRY(look_early());
    TRY(upload());

    step(request_, "wait for those who publish there");
    TRY_ASSIGN(const TargetLock lock,
               TargetLock::acquire(request_.pending_folder, target_.folder(), TargetLock::Use::alone));
    auto begun = begin(lock);
    if (!begun) {
      TRY(abort_uploads());
      return Error(begun.error());
    }
    auto shown = show();
    if (shown) {
      TRY(lock.all_settled());
      step(request_, "done");
      return std::move(published_);
    }
    return give_up(lock, shown.error());
  }

 private:
  // Only so that what cannot succeed is refused before it is uploaded, and what the dead left does not lie there until
  // then. Nobody is waited for: whoever publishes there now is settled, or seen, after the upload.
  Result<void> look_early() {
    TRY_ASSIGN(const auto lock,
               TargetLock::acquire_if_free(request_.pending_folder, target_.folder(), TargetLock::Use::alone));
    if (!lock) return {};
    step(request_, "settle what dead tries left");
    TRY(settle_all(files_, target_, *lock));
    step(request_, "look at what is there");
    TRY_ASSIGN(const TargetView view, target_.look(files_, request_.try_id));
    is_single_part_free_ = !view.there.contains(target_.single_part());
    return check_not_overtaken(view);
  }

  Result<void> check_not_overtaken(const TargetView& view) const {
    if (view.manifest.old && is_later(view.manifest.old->try_id, request_.try_id))
      return overtaken(target_.folder(), view.manifest.old->try_id);
    return check_growth(request_, view.manifest.old);
  }

  // Nothing of it is visible.
  Result<void> upload() {
    const bool has_fixed_name = request_.staged.size() == 1 && is_single_part_free_ && !request_.growth;
    for (size_t i = 0; i < request_.staged.size(); ++i) {
      step(request_, "upload");
      FileCertificate& file = published_.certificate.files.at(i);
      file.uri = has_fixed_name ? target_.single_part() : target_.part(i, request_.try_id);
      auto sent =
          pending_.upload(files_, request_.staged[i], file.uri, part_options(request_, file), request_.part_bytes);
      if (!sent) {
        TRY(abort_uploads());
        if (sent.error().kind != ErrorKind::conflict) return sent.error();
        return ended_by_another(sent.error());
      }
      (*sent)->only_if("", true);
      uploads_.push_back(std::move(*sent));
    }
    return {};
  }

  Result<void> abort_uploads() {
    for (const auto& upload : uploads_) TRY(upload->abort());
    uploads_.clear();
    return {};
  }

  Error ended_by_another(const Error& error) {
    const auto there = target_.read_manifest(files_);
    return upload_was_ended(target_.folder(), error, there && there->old ? there->old->try_id : "", request_.try_id);
  }

  Result<void> begin(const TargetLock& lock) {
    step(request_, "settle what died meanwhile");
    TRY(pending_.abort_left_over(files_, target_.folder()));
    TRY(settle_all(files_, target_, lock));
    step(request_, "look at what is there now");
    TRY_ASSIGN(const TargetView view, target_.look(files_, request_.try_id));
    TRY(check_not_overtaken(view));
    intent_.try_id = request_.try_id;
    intent_.certificate = published_.certificate;
    for (const FileCertificate& file : published_.certificate.files) intent_.adds.insert(file.uri);
    all_ = intent_.adds;
    if (request_.growth) {
      for (const FileCertificate& file : request_.growth->keeps) {
        if (!view.there.contains(file.uri))
          return Error{ErrorKind::data, file.uri +
                                            " is gone, which the manifest beside it names; export the table anew to "
                                            "another folder, or with `mode: full`"};
        all_.insert(file.uri);
      }
    }
    replace(view);
    step(request_, "write the intent");
    return lock.begin(request_.try_id);
  }

  // What is there goes when ours has come.
  void replace(const TargetView& view) {
    manifest_etag_ = view.manifest.etag;
    for (const std::string& uri : view.ours)
      if (!all_.contains(uri)) intent_.removes.insert(uri);
  }

  Result<void> show() {
    TRY(announce());
    TRY(complete());
    TRY(write_manifest());
    step(request_, "write the symlink manifest");
    TRY(target_.write_symlinks(files_, all_));
    for (const std::string& old : intent_.removes) {
      step(request_, "remove an old file");
      TRY(files_.remove(old));
    }
    step(request_, "look whose result it is");
    TRY_ASSIGN(const Manifest manifest, target_.read_manifest(files_));
    if (!manifest.old || manifest.old->certificate_id != request_.certificate.id) return replaced_by_another(manifest);
    step(request_, "mark the success");
    TRY(files_.write(target_.success(), "", {}));
    step(request_, "remove the intent");
    return files_.remove(target_.intent(request_.try_id));
  }

  // From here on until the mark is there again, a reader of the folder may see a mixture.
  Result<void> announce() {
    PutOptions options;
    options.content_type = "application/json";
    TRY(files_.write(target_.intent(request_.try_id), intent_json(intent_), options));
    step(request_, "take the mark away");
    return files_.remove(target_.success());
  }

  Result<void> complete() {
    for (size_t i = 0; i < uploads_.size(); ++i) {
      step(request_, "complete an upload");
      auto written = uploads_[i]->complete();
      // Not every store can complete on a condition; nobody else has this name.
      if (!written && written.error().kind == ErrorKind::unsupported) {
        uploads_[i]->only_if("", false);
        written = uploads_[i]->complete();
      }
      if (!written && written.error().kind == ErrorKind::not_found) return ended_by_another(written.error());
      if (!written) return written.error();
      published_.certificate.files.at(i).etag = written->etag;
    }
    return {};
  }

  // Compares and sets: who has published since we looked was later, or is replaced as well.
  Result<void> write_manifest() {
    const std::string json = manifest_json(published_.certificate, request_.try_id, request_.growth);
    for (int rivals = 0;;) {
      step(request_, "write the manifest");
      PutOptions condition;
      condition.content_type = "application/json";
      condition.if_match = manifest_etag_;
      condition.if_none_match = manifest_etag_.empty();
      const auto put = files_.write(target_.manifest(), json, condition);
      if (put) return {};
      if (put.error().kind != ErrorKind::conflict || ++rivals >= rivals_max) return put.error();
      step(request_, "look who has published meanwhile");
      TRY_ASSIGN(const TargetView view, target_.look(files_, request_.try_id));
      // It was us: the answer was lost.
      if (view.manifest.old && view.manifest.old->certificate_id == request_.certificate.id) return {};
      TRY(check_not_overtaken(view));
      replace(view);
      TRY(announce());
    }
  }

  Error replaced_by_another(const Manifest& manifest) const {
    const std::string by = manifest.old ? manifest.old->try_id : std::string();
    if (is_later(by, request_.try_id)) return overtaken(target_.folder(), by);
    return was_replaced(target_.manifest(), !manifest.etag.empty(), by);
  }

  // What has become visible is taken back, or, if the manifest names it, the rest is done. What cannot be done now, the
  // next try does.
  Result<Published> give_up(const TargetLock& lock, const Error& error) {
    step(request_, "take back");
    const auto settled = [&]() -> Result<Settled> {
      for (const auto& upload : uploads_) {
        const auto aborted = upload->abort();
        if (!aborted && aborted.error().kind != ErrorKind::not_found) return aborted.error();
      }
      TRY_ASSIGN(const Settled how, settle(files_, target_, request_.try_id));
      TRY(lock.all_settled());
      return how;
    }();
    if (settled && *settled == Settled::forward) return std::move(published_);
    return error;
  }

  FileSystem& files_;
  const PublishRequest& request_;
  const Target target_;
  PendingUploads pending_;
  Published published_;
  bool is_single_part_free_ = false;
  std::vector<std::unique_ptr<PendingUpload>> uploads_;
  Intent intent_;
  std::set<std::string> all_;  // uris of the whole result
  std::string manifest_etag_;
};

}  // namespace

Result<Published> publish_objects(FileSystem& file_system, const PublishRequest& request) {
  const auto id = parse_try_id(request.try_id);
  if (!id) return Error{ErrorKind::invalid, fmt::format("`{}` is no id of a try", request.try_id)};
  return ObjectsPublication(file_system, request, static_cast<int64_t>(id->fence)).run();
}

}  // namespace udon::data
