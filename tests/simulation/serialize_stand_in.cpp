// Until dagfile/ has its own: keeps each Dag whole and gives its number.
#include <deque>

#include "dagfile/serialize.h"

namespace udon {

static std::deque<Dag>& kept() {
  static std::deque<Dag> dags;
  return dags;
}
Value serialize(const Dag& dag) {
  kept().push_back(dag);
  return Value(static_cast<int64_t>(kept().size() - 1));
}
Result<Dag> deserialize(const Value& value) { return kept().at(static_cast<size_t>(value.as_int())); }

}  // namespace udon
