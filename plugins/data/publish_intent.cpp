#include "plugins/data/publish_intent.h"

#include <fmt/format.h>

namespace udon::data {
namespace {

Value as_list(const std::set<std::string>& uris) {
  Value list = Value::list();
  for (const std::string& uri : uris) list.push_back(uri);
  return list;
}

Result<std::set<std::string>> as_uris(const Value& list) {
  std::set<std::string> uris;
  if (!list.is_list()) return Error{ErrorKind::data, "expected lists `adds` and `removes`"};
  for (const Value& uri : list.as_list()) {
    if (!uri.is_string()) return Error{ErrorKind::data, "expected uris"};
    uris.insert(uri.as_string());
  }
  return uris;
}

// Only what the try itself has put there: the fixed name may be another's by now.
Result<void> take_back(FileSystem& files, const Target& target, const Intent& intent, const std::string& uri) {
  if (target.is_single_part(uri)) {
    TRY_ASSIGN(const auto there, files.stat(uri));
    if (!there || metadata_of(*there, try_key) != intent.try_id) return {};
  }
  return files.remove(uri);
}

}  // namespace

std::string intent_json(const Intent& intent) {
  Value value = Value::map();
  value.set("version", 1);
  value.set("try", intent.try_id);
  value.set("adds", as_list(intent.adds));
  value.set("removes", as_list(intent.removes));
  value.set("certificate", to_value(intent.certificate));
  return to_json_pretty(value) + "\n";
}

Result<Intent> parse_intent(const std::string& text) {
  TRY_ASSIGN(const Value value, parse_json(text));
  Intent intent{.try_id = value.text("try"), .adds = {}, .removes = {}, .certificate = {}};
  TRY_ASSIGN(intent.adds, as_uris(value.get("adds")));
  TRY_ASSIGN(intent.removes, as_uris(value.get("removes")));
  TRY_ASSIGN(intent.certificate, parse_certificate(value.get("certificate")));
  return intent;
}

Result<Settled> settle(FileSystem& files, const Target& target, const std::string& try_id) {
  const std::string uri = target.intent(try_id);
  const auto text = files.read(uri, manifest_bytes_max);
  if (!text && text.error().kind == ErrorKind::not_found) return Settled::nothing;
  if (!text) return text.error();
  const auto intent = parse_intent(*text);
  if (!intent)
    return intent.error().within(
        fmt::format("{} is not as we write it; if it is nobody's, delete it, and the next try sees to the rest", uri));
  TRY_ASSIGN(const Manifest manifest, target.read_manifest(files));
  std::set<std::string> named;
  if (manifest.old) named = manifest.old->uris;
  const bool is_published = manifest.old && manifest.old->certificate_id == intent->certificate.id;
  if (!is_published)
    for (const std::string& add : intent->adds)
      if (target.holds(add) && !named.contains(add)) TRY(take_back(files, target, *intent, add));
  if (manifest.old) TRY(target.write_symlinks(files, named));
  if (is_published)
    for (const std::string& old : intent->removes)
      if (target.holds(old) && !named.contains(old)) TRY(files.remove(old));
  if (manifest.old) TRY(target.mark_if_whole(files, named));
  TRY(files.remove(uri));
  return is_published ? Settled::forward : Settled::back;
}

Result<void> settle_all(FileSystem& files, const Target& target, const TargetLock& lock) {
  TRY_ASSIGN(const std::vector<std::string> tries, lock.unsettled());
  if (tries.empty()) return {};
  for (const std::string& try_id : tries) {
    const auto settled = settle(files, target, try_id);
    if (!settled) return settled.error().within("settling what try " + try_id + " left unfinished");
  }
  return lock.all_settled();
}

}  // namespace udon::data
