#include "plugins/data/publish_rejects.h"

#include <fmt/format.h>

#include "model/run.h"
#include "plugins/data/publish_target.h"

namespace udon::data {
namespace {

constexpr size_t listed_max = 10'000;

std::string folder_of(const PublishRequest& request) {
  return fmt::format("{}{}{}/", request.to, request.to.ends_with('/') ? "" : "/", rejects_folder);
}

}  // namespace

Result<std::string> put_rejects(FileSystem& file_system, const PublishRequest& request) {
  if (request.rejects.empty()) return std::string();
  const std::string uri = folder_of(request) + request.try_id + ".ndjson";
  PutOptions options;
  options.content_type = "application/x-ndjson";
  options.metadata = {{std::string(certificate_key), request.certificate.id}, {std::string(try_key), request.try_id}};
  TRY(file_system.write_file(request.rejects, uri, options));
  return uri;
}

Result<void> remove_old_rejects(FileSystem& file_system, const PublishRequest& request, const std::string& mine) {
  if (!request.may_reject) return {};
  const std::string folder = folder_of(request);
  TRY_ASSIGN(const std::vector<ObjectInfo> objects, file_system.list(folder, listed_max));
  for (const ObjectInfo& object : objects) {
    if (object.uri == mine || !object.uri.ends_with(".ndjson")) continue;
    const std::string name = object.uri.substr(folder.size());
    const std::string try_id = name.substr(0, name.rfind('.'));
    // A later try of ours may have put its own already; what is no try's was put there by somebody.
    if (!parse_try_id(try_id) || is_later(try_id, request.try_id)) continue;
    TRY(file_system.remove(object.uri));
  }
  return {};
}

}  // namespace udon::data
