#pragma once
// What a try that publishes several files is about to do, written down where it does it, so that who finds it dead can
// end it or take it back: `<to>/_udon/intent-<try id>.json`. docs/adr/0006. Not for others.
#include <set>
#include <string>

#include "model/certificate.h"
#include "plugins/data/publish_target.h"
#include "plugins/data/target_lock.h"

namespace udon::data {

struct Intent {
  std::string try_id;
  std::set<std::string> adds;     // uris that become visible
  std::set<std::string> removes;  // uris that go when the manifest names the new ones
  Certificate certificate;
};
std::string intent_json(const Intent& intent);
Result<Intent> parse_intent(const std::string& text);

enum class Settled { nothing, forward, back };
// Ends what the try began, if the manifest names its result, or takes it back. The target's lock is held alone, and no
// upload of the try is left.
Result<Settled> settle(FileSystem& files, const Target& target, const std::string& try_id);
// All that died in this home. The same lock.
Result<void> settle_all(FileSystem& files, const Target& target, const TargetLock& lock);

}  // namespace udon::data
