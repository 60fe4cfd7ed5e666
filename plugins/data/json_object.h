#pragma once
// The members of one JSON object, in the order in which they stand, each value as its own text: nothing is made a
// number. Hides RapidJSON, which has no symbols of its own. simdjson's would meet those of another version, which
// Arrow's libparquet shows to the whole process: a crash, or worse.
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace udon::data {

struct JsonMember {
  enum class Kind { null, boolean, number, text, nested };
  Kind kind = Kind::null;
  std::string_view key;   // unescaped
  std::string_view text;  // of a text: unescaped; of all others: as it stands
};

class JsonMembers {
 public:
  virtual ~JsonMembers() = default;
  // False: no more of this object.
  virtual bool take(const JsonMember& member) = 0;
};

// Used by one thread.
class JsonObjectParser {
 public:
  JsonObjectParser();
  ~JsonObjectParser();
  enum class Problem { none, given_up, no_object };
  // Members are valid while they are taken. Bytes that are no UTF-8 are left to the caller. no_object: problem() says
  // what is wrong.
  Problem parse(std::string_view json, JsonMembers& members);
  const std::string& problem() const { return problem_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string problem_;
};

}  // namespace udon::data
