#pragma once
// What nearly all objects of JSON are: members that are no objects and no arrays themselves. Read at several bytes a
// time, and only if all of the object is as it should be: for all others, and for saying what is wrong, there is the
// parser (json_object.h), which this agrees with on each object that it takes.
#include <string>
#include <string_view>
#include <vector>

#include "plugins/data/json_object.h"

namespace udon::data {

// Used by one thread.
class JsonScan {
 public:
  // The object's members, valid until the next call and while `text` is; false: not one for us.
  bool read(std::string_view text);
  const std::vector<JsonMember>& members() const { return members_; }

 private:
  bool read_key(const char*& at, std::string_view& key);
  bool read_text(const char*& at, std::string_view& text);
  bool read_value(const char*& at, JsonMember& member);
  bool read_number(const char*& at, JsonMember& member);
  bool unescape(const char*& at, std::string_view& text);

  const char* begin_ = nullptr;
  const char* end_ = nullptr;
  std::vector<JsonMember> members_;
  std::vector<std::string> keys_;  // of the last object: the next has the same ones mostly
  std::string unescaped_;
};

}  // namespace udon::data
