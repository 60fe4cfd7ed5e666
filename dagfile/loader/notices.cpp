// on_success, on_failure, on_retry, on_skipped: whom to tell.
#include <algorithm>

#include "base/text.h"
#include "dagfile/loader/document.h"
#include "dagfile/templates.h"

namespace udon {
namespace {

constexpr int retries_max = 100;

struct WayKeys {
  NoticeWay way;
  std::vector<std::string> keys;
};
const std::vector<WayKeys>& ways() {
  static const std::vector<WayKeys> all{
      {NoticeWay::webhook, {"text", "body"}}, {NoticeWay::email, {"to", "subject", "text"}}, {NoticeWay::command, {}}};
  return all;
}
const std::vector<std::string>& common_keys() {
  static const std::vector<std::string> keys{"retries", "timeout", "when_unknown"};
  return keys;
}

class NoticeReader {
 public:
  NoticeReader(NoticeEvent on, Problems& problems, std::vector<std::string> names)
      : on_(on), key_(key_of(on)), problems_(problems), names_(std::move(names)) {}

  std::vector<Notice> read(const YamlNode& node) {
    std::vector<Notice> notices;
    if (node.is_map()) {
      read_one(node, notices);
    } else if (node.is_list()) {
      for (const YamlNode& item : node.items) read_one(item, notices);
    } else if (!node.is_null()) {
      error(node, expected("a notice such as {webhook: CONNECTION}, or a list of them", node));
    }
    return notices;
  }

 private:
  void error(const YamlNode& node, const std::string& message) { problems_.error(node, "`" + key_ + "`: " + message); }

  void read_one(const YamlNode& node, std::vector<Notice>& notices) {
    if (!node.is_map()) return error(node, expected("a notice such as {webhook: CONNECTION}", node));
    const WayKeys* way = nullptr;
    for (const WayKeys& one : ways()) {
      if (node.find(to_string(one.way)) == nullptr) continue;
      if (way != nullptr) return error(node, "one notice has one of `webhook`, `email` and `command`; make it two");
      way = &one;
    }
    if (way == nullptr) {
      static const std::vector<std::string> words{"webhook", "email", "command"};
      std::string hint;
      for (const YamlMember& member : node.members)
        if (hint.empty()) hint = did_you_mean(member.key, words);
      return error(node, "expected one of `webhook`, `email` and `command`" + hint);
    }
    const int before = problems_.errors();
    Notice notice{.on = on_, .way = way->way, .connection = {}};
    check_keys(node, *way);
    read_way(*node.find(to_string(way->way)), notice);
    for (const std::string& key : way->keys)
      if (const YamlNode* value = node.find(key)) read_setting(key, *value, notice);
    if (way->way == NoticeWay::email && node.find("to") == nullptr) error(node, "`to` is missing: who gets the e-mail");
    if (node.find("text") != nullptr && node.find("body") != nullptr)
      error(*node.find("body"), "`text` and `body` exclude each other: `text` is sent as {\"text\": …}");
    read_common(node, notice);
    if (problems_.errors() == before) notices.push_back(std::move(notice));
  }

  void check_keys(const YamlNode& node, const WayKeys& way) {
    std::vector<std::string> known{std::string(to_string(way.way))};
    known.insert(known.end(), way.keys.begin(), way.keys.end());
    known.insert(known.end(), common_keys().begin(), common_keys().end());
    for (const YamlMember& member : node.members) {
      if (std::ranges::find(known, member.key) != known.end()) continue;
      const std::string hint = did_you_mean(member.key, known);
      problems_.error(member.offset, "`" + key_ + "`: a notice by " + std::string(to_string(way.way)) + " has no `" +
                                         member.key + "`" + (hint.empty() ? "; it has " + join(known, ", ") : hint));
    }
  }

  void read_way(const YamlNode& node, Notice& notice) {
    if (notice.way != NoticeWay::command) {
      if (auto id = read_id(key_ + "." + std::string(to_string(notice.way)), node, problems_))
        notice.connection = std::move(*id);
      return;
    }
    // A text would have to go through a shell, and an error's message, which anybody may have written, with it.
    const bool is_list = node.is_list() && !node.items.empty() &&
                         std::ranges::all_of(node.items, [](const YamlNode& item) { return item.is_text(); });
    if (!is_list) {
      return error(node, "`command`: " + expected("a list of texts, the program and its arguments", node) +
                             "; for a shell: [sh, -c, 'logger \"$1\"', sh, \"{{ ti.task_id }}\"]");
    }
    check_templates(node);
    notice.settings.set("argv", to_value(node));
  }

  void read_setting(const std::string& key, const YamlNode& value, Notice& notice) {
    const std::string name = key_ + "." + key;
    if (key == "to") {
      if (const auto texts = read_texts(name, value, problems_)) {
        if (texts->empty()) error(value, "`to`: expected at least one address");
        Value list = Value::list();
        for (const std::string& text : *texts) list.push_back(text);
        notice.settings.set(key, std::move(list));
      }
    } else if (key == "body") {
      if (!value.is_map() && !value.is_list()) return error(value, "`body`: " + expected("a map, sent as JSON", value));
      notice.settings.set(key, to_value(value));
    } else {
      const auto text = read_field({FieldType::Kind::text, 0, 0, {}}, name, value, problems_);
      if (text) notice.settings.set(key, text->text);
    }
    check_templates(value);
  }

  void read_common(const YamlNode& node, Notice& notice) {
    if (const YamlNode* retries = node.find("retries")) {
      const auto value =
          read_field({FieldType::Kind::integer, 0, retries_max, {}}, key_ + ".retries", *retries, problems_);
      if (value) notice.retries = static_cast<int>(value->integer);
    }
    if (const YamlNode* timeout = node.find("timeout")) {
      const auto value = read_field({FieldType::Kind::duration, 1, 0, {}}, key_ + ".timeout", *timeout, problems_);
      if (value) notice.timeout = value->duration;
    }
    if (const YamlNode* unknown = node.find("when_unknown")) {
      const auto value =
          read_field({FieldType::Kind::word, 0, 0, {"leave", "resend"}}, key_ + ".when_unknown", *unknown, problems_);
      if (value) notice.resends_unknown = value->text == "resend";
    }
  }

  void check_templates(const YamlNode& node) {
    for (const YamlNode& item : node.items) check_templates(item);
    for (const YamlMember& member : node.members) check_templates(member.value);
    if (!node.is_text() || node.text.find('{') == std::string::npos) return;
    if (const auto problem = check_template(node.text)) return error(node, "template: " + problem->message);
    const TemplateFacts facts = facts_of_template(node.text);
    if (!facts.connections.empty() || facts.opens_computed_connection)
      error(node, "a notice's templates cannot open connections: it goes to people");
    if (!facts.pulled_tasks.empty())
      error(node, "a notice's templates cannot pull XComs; write what is to be told into the task's error");
    for (const std::string& name : facts.names) {
      if (std::ranges::find(names_, name) != names_.end()) continue;
      problems_.warning(node.offset,
                        "`" + key_ + "`: a notice's templates have no `" + name + "`" + did_you_mean(name, names_));
    }
  }

  const NoticeEvent on_;
  const std::string key_;
  Problems& problems_;
  const std::vector<std::string> names_;
};

}  // namespace

const std::vector<std::string>& notice_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all;
    const auto add = [&](const std::string& key) {
      if (std::ranges::find(all, key) == all.end()) all.push_back(key);
    };
    for (const WayKeys& way : ways()) add(std::string(to_string(way.way)));
    for (const WayKeys& way : ways())
      for (const std::string& key : way.keys) add(key);
    for (const std::string& key : common_keys()) add(key);
    return all;
  }();
  return keys;
}

const std::vector<std::string>& notice_list_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all;
    for (const NoticeEvent event : all_notice_events()) all.push_back(key_of(event));
    return all;
  }();
  return keys;
}

std::vector<Notice> read_notices(NoticeEvent on, const YamlNode& node, const std::vector<std::string>& mapped,
                                 Problems& problems) {
  std::vector<std::string> names = template_names();
  for (const char* name : {"event", "state", "exception", "reason", "udon"}) names.emplace_back(name);
  if (on == NoticeEvent::asked) names.emplace_back("question");
  names.insert(names.end(), mapped.begin(), mapped.end());
  return NoticeReader(on, problems, std::move(names)).read(node);
}

}  // namespace udon
