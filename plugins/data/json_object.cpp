#include "plugins/data/json_object.h"

#define RAPIDJSON_NAMESPACE udon_rapidjson  // NOLINT: Arrow has a copy of its own
#if defined(__SSE2__)
#define RAPIDJSON_SSE2  // NOLINT
#endif
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include "plugins/data/json_scan.h"

namespace udon::data {

namespace json = udon_rapidjson;

namespace {

constexpr int depth_max = 1000;  // the parser calls itself for each
// In place, in a copy of the object: texts without escapes are not copied one by one.
constexpr unsigned flags = json::kParseNumbersAsStringsFlag | json::kParseInsituFlag;

// RapidJSON's events of one object as its members.
class Events {
 public:
  using Kind = JsonMember::Kind;
  using Length = json::SizeType;

  void begin(std::string_view text, json::InsituStringStream& stream, JsonMembers& members) {
    text_ = text;
    stream_ = &stream;
    members_ = &members;
    depth_ = 0;
    why = nullptr;
  }

  bool Null() { return value(Kind::null, {}); }
  bool Bool(bool is_true) { return value(Kind::boolean, is_true ? "true" : "false"); }
  bool RawNumber(const char* text, Length length, bool) { return value(Kind::number, {text, length}); }
  bool String(const char* text, Length length, bool) { return value(Kind::text, {text, length}); }
  bool Key(const char* text, Length length, bool) {
    if (depth_ == 1) key_ = {text, length};
    return true;
  }
  bool StartObject() { return start(); }
  bool StartArray() { return depth_ == 0 ? refuse("is no object") : start(); }
  bool EndObject(Length) { return end(); }
  bool EndArray(Length) { return end(); }
  // Never met: numbers come as texts.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

  const char* why = nullptr;  // it was ended; none: the members' taker did

 private:
  bool refuse(const char* reason) {
    why = reason;
    return false;
  }
  bool value(Kind kind, std::string_view text) {
    if (depth_ == 0) return refuse("is no object");
    return depth_ > 1 || members_->take({kind, key_, text});
  }
  bool start() {
    if (depth_ == 1) begin_ = stream_->Tell() - 1;
    return ++depth_ <= depth_max || refuse("is nested too deeply");
  }
  bool end() {
    if (--depth_ != 1) return true;
    return members_->take({Kind::nested, key_, text_.substr(begin_, stream_->Tell() - begin_)});
  }

  std::string_view text_;
  json::InsituStringStream* stream_ = nullptr;
  JsonMembers* members_ = nullptr;
  std::string_view key_;
  int depth_ = 0;
  size_t begin_ = 0;  // of the nested value
};

}  // namespace

struct JsonObjectParser::State {
  JsonScan scan;
  json::Reader reader;
  Events events;
  std::string copy;
};

JsonObjectParser::JsonObjectParser() : state_(std::make_unique<State>()) {}
JsonObjectParser::~JsonObjectParser() = default;

JsonObjectParser::Problem JsonObjectParser::parse(std::string_view text, JsonMembers& members) {
  if (state_->scan.read(text)) {
    for (const JsonMember& member : state_->scan.members())
      if (!members.take(member)) return Problem::given_up;
    return Problem::none;
  }
  state_->copy.assign(text);
  json::InsituStringStream stream(state_->copy.data());
  state_->events.begin(text, stream, members);
  const json::ParseResult result = state_->reader.Parse<flags>(stream, state_->events);
  if (result.Code() == json::kParseErrorTermination && state_->events.why == nullptr) return Problem::given_up;
  if (!result.IsError() && stream.Tell() == text.size()) return Problem::none;
  if (result.Code() == json::kParseErrorTermination)
    problem_ = state_->events.why;
  else
    problem_ = std::string("is no JSON: ") +
               (result.IsError() ? json::GetParseError_En(result.Code()) : "a NUL byte stands in it");
  return Problem::no_object;
}

}  // namespace udon::data
