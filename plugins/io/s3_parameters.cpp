#include "plugins/io/s3_parameters.h"

#include <algorithm>

#include "plugins/io/s3_settings.h"

namespace udon {
namespace {

std::vector<std::string> texts_of(const Value& list) {
  std::vector<std::string> texts;
  if (!list.is_list()) return texts;
  for (const Value& item : list.as_list())
    if (item.is_string()) texts.push_back(item.as_string());
  return texts;
}

}  // namespace

Result<PutOptions> put_options_of(const Value& parameters) {
  PutOptions options{.storage_class = parameters.text("storage_class")};
  if (const std::string type = parameters.text("content_type"); !type.empty()) options.content_type = type;
  if (const Value& encryption = parameters.get("encryption"); encryption.is_string()) {
    options.encryption = encryption.as_string();
  } else if (encryption.is_map()) {
    options.encryption = "aws:kms";
    options.kms_key_id = encryption.text("kms_key");
  }
  const Value& metadata = parameters.get("metadata");
  if (!metadata.is_map()) return options;
  // Texts, numbers and flags as they are written in the DAG file.
  for (const auto& [key, value] : metadata.as_map()) {
    if (value.is_list() || value.is_map() || value.is_null())
      return Error{ErrorKind::invalid, "metadata: `" + key + "` is no text"};
    if (key.starts_with("udon-")) return Error{ErrorKind::invalid, "metadata: `" + key + "`: udon- is ours"};
    options.metadata.emplace_back(key, value.is_string() ? value.as_string() : to_json(value));
  }
  std::ranges::sort(options.metadata);
  return options;
}

Result<NameFilter> name_filter_of(const Value& parameters) {
  for (const char* name : {"include", "exclude"})
    for (const std::string& pattern : texts_of(parameters.get(name)))
      if (const auto checked = check_glob(pattern); !checked) return checked.error().within(name);
  return NameFilter::make(texts_of(parameters.get("include")), texts_of(parameters.get("exclude")));
}

Error not_deleted(const std::string& bucket, const std::vector<S3NotDeleted>& refused) {
  const S3NotDeleted& first = refused.front();
  const bool is_denied = first.code == "AccessDenied";
  std::string text = "the store did not delete " + to_string({bucket, first.key}) + ": " + first.code +
                     (first.message.empty() ? "" : ": " + first.message);
  if (is_denied) text += "; the identity's and the bucket's policy must allow s3:DeleteObject there";
  if (refused.size() > 1) text += " (and " + std::to_string(refused.size() - 1) + " more)";
  return {is_denied ? ErrorKind::denied : ErrorKind::unavailable, text};
}

}  // namespace udon
