#pragma once
// A target in S3 as its publishers see it: what stands there, whose it is, and what they say of it. Not for others.
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/certificate.h"
#include "plugins/data/publish_steps.h"
#include "plugins/io/file_system.h"

namespace udon::data {

// What every object of ours carries, so that it is known as ours where no manifest names it.
constexpr std::string_view certificate_key = "udon-certificate";
constexpr std::string_view sha256_key = "udon-sha256";
constexpr std::string_view try_key = "udon-try";
std::string metadata_of(const ObjectInfo& object, std::string_view key);
PutOptions part_options(const PublishRequest& request, const FileCertificate& file);

// Others who write to the same target at the same time each cost one more look; so many of them are a mistake.
constexpr int rivals_max = 20;

struct Manifest {
  std::string etag;                // empty: there is none
  std::optional<OldManifest> old;  // nothing: there is none, or it is none of ours
};

struct TargetView {
  Manifest manifest;
  std::set<std::string> there;  // all uris
  // What a reader of the folder would take for the table and we have written: by the manifest, or, of a try that died,
  // by its metadata.
  std::set<std::string> ours;
};

// Its folder and the names in it.
class Target {
 public:
  // `extension`: of the files that we would put there.
  Target(const std::string& to, std::string_view extension);
  const std::string& folder() const { return folder_; }
  const std::string& single_part() const { return single_part_; }
  bool is_single_part(const std::string& uri) const;  // of any format
  const std::string& manifest() const { return manifest_; }
  const std::string& success() const { return success_; }
  // Uris of all files of a result, a line each: for engines that read a table so (Athena, Presto, Trino).
  const std::string& symlinks() const { return symlinks_; }
  std::string part(size_t number, const std::string& try_id) const;
  std::string intent(const std::string& try_id) const;
  bool holds(const std::string& uri) const { return uri.starts_with(folder_) && uri.size() > folder_.size(); }

  // invalid: somebody's files are there; nothing of ours may stand beside them. conflict: a publication of several
  // files is going on, or was left unfinished, of which this home knows nothing. What `mine` has begun itself is none
  // of that.
  Result<TargetView> look(FileSystem& files, const std::string& mine) const;
  Result<Manifest> read_manifest(FileSystem& files) const;

  // What the manifest is followed by. The symlink manifest is there once a result had several files, and true from then
  // on: an engine that reads the table by it would otherwise find an old one, or none. `_SUCCESS` only if all files are
  // there.
  Result<void> write_symlinks(FileSystem& files, const std::set<std::string>& uris) const;
  Result<void> mark_if_whole(FileSystem& files, const std::set<std::string>& uris) const;

 private:
  Result<void> refuse_intents(const std::vector<ObjectInfo>& objects, const std::string& mine) const;

  std::string_view extension_;
  std::string folder_, single_part_, manifest_, success_, symlinks_, intents_;
};

}  // namespace udon::data
