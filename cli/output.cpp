#include "cli/output.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace udon::cli {
namespace {

// Words of states, so that a glance down a column tells.
const char* colour_of(const std::string& word) {
  static const std::map<std::string, const char*, std::less<>> colours{
      {"success", "32"},  {"healthy", "32"}, {"failed", "31"},     {"upstream_failed", "31"}, {"unhealthy", "31"},
      {"error", "31"},    {"running", "36"}, {"restarting", "36"}, {"queued", "33"},          {"up_for_retry", "33"},
      {"deferred", "35"}, {"skipped", "35"}, {"scheduled", "33"}};
  const auto found = colours.find(word);
  return found == colours.end() ? nullptr : found->second;
}

// What would move the cursor or hide text must not come out of a name or a log into a terminal.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

std::string padded(const std::string& text, int width) {
  const int missing = width - display_width(text);
  return missing > 0 ? text + std::string(static_cast<size_t>(missing), ' ') : text;
}

bool is_plain_yaml(const std::string& text) {
  static const std::vector<std::string> words{"true", "false", "null", "yes", "no", "on", "off", "~", "y", "n"};
  if (text.empty() || std::find(words.begin(), words.end(), lower_ascii(text)) != words.end()) return false;
  // Anything that could be read as a number, a date or a sign of YAML is quoted.
  const unsigned char first = static_cast<unsigned char>(text.front());
  if (!(first >= 0x80 || std::isalpha(first) || first == '/' || first == '_')) return false;
  if (text.back() == ' ' || text.back() == ':') return false;
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return text.find(": ") == std::string::npos && text.find(" #") == std::string::npos;
}

void add_yaml(const Value& value, int depth, bool after_dash, std::string& out) {
  const std::string indent(static_cast<size_t>(depth) * 2, ' ');
  if (value.is_map() && value.size() > 0) {
    bool is_first = true;
    for (const auto& [key, member] : value.as_map()) {
      out += is_first && after_dash ? "" : indent;
      is_first = false;
      out += is_plain_yaml(key) ? key : to_json(key);
      const bool is_block = (member.is_map() || member.is_list()) && member.size() > 0;
      out += is_block ? ":\n" : ": ";
      add_yaml(member, depth + (is_block && member.is_map() ? 1 : 0), false, out);
    }
  } else if (value.is_list() && value.size() > 0) {
    for (const Value& member : value.as_list()) {
      out += indent + "- ";
      if (member.is_list() && member.size() > 0) {
        out += to_json(member) + "\n";  // a list in a list: flow style, which is YAML too
      } else {
        add_yaml(member, depth + 1, true, out);
      }
    }
  } else if (value.is_string() && is_plain_yaml(value.as_string())) {
    out += value.as_string() + "\n";
  } else {
    out += to_json(value) + "\n";
  }
}

}  // namespace

std::string to_yaml(const Value& value) {
  std::string out;
  add_yaml(value, 0, false, out);
  return out;
}

std::string plain_text(const Value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.as_string();
  if (value.is_list()) {
    std::vector<std::string> parts;
    for (const Value& member : value.as_list())
      parts.push_back(member.is_map() && member.find("name") ? member.text("name") : plain_text(member));
    return join(parts, ", ");
  }
  return to_json(value);
}

Column column(std::string title, std::string member) {
  return {std::move(title), [member = std::move(member)](const Value& row) { return plain_text(row.get(member)); }};
}

std::string cut_to_width(const std::string& text, int width) {
  if (display_width(text) <= width) return text;
  std::string cut;
  int used = 0;
  for (size_t i = 0; i < text.size();) {
    size_t next = i + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0) == 0x80) ++next;
    const std::string character = text.substr(i, next - i);
    const int columns = display_width(character);
    if (used + columns > width - 1) break;
    cut += character;
    used += columns;
    i = next;
  }
  return cut + "…";
}

std::string Output::coloured(const std::string& text) const {
  if (!terminal_.has_colour) return text;
  const char* colour = colour_of(std::string(trim(text)));
  return colour ? "\x1b[" + std::string(colour) + "m" + text + "\x1b[0m" : text;
}

void Output::print(const Value& value) {
  out_ << (format_ == Format::yaml ? to_yaml(value) : to_json_pretty(value) + "\n");
}

void Output::list(const Value& list, std::string_view plural, const std::vector<Column>& columns) {
  if (format_ != Format::table) {
    print(list);
    return;
  }
  const Value& rows = list.get(plural);
  if (rows.size() == 0) {
    std::string words(plural);
    std::replace(words.begin(), words.end(), '_', ' ');
    note("no " + words);
    return;
  }
  std::vector<std::vector<std::string>> cells;
  std::vector<int> widths;
  for (const Column& c : columns) widths.push_back(display_width(c.title));
  for (const Value& row : rows.as_list()) {
    auto& line = cells.emplace_back();
    for (size_t i = 0; i < columns.size(); ++i) {
      line.push_back(one_line(columns[i].text(row)));
      widths[i] = std::max(widths[i], display_width(line.back()));
    }
  }
  const auto print_line = [&](const std::vector<std::string>& line, bool is_title) {
    std::string text;
    int left = terminal_.is_terminal ? terminal_.width : 1 << 30;
    for (size_t i = 0; i < line.size() && left > 0; ++i) {
      const bool is_last = i + 1 == line.size();
      std::string cell = cut_to_width(line[i], std::min(left, 1 << 20));
      if (!is_last) cell = padded(cell, std::min(widths[i], left));
      left -= display_width(cell) + 2;
      text += (is_title ? cell : coloured(cell)) + (is_last || left <= 0 ? "" : "  ");
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    out_ << text << '\n';
  };
  std::vector<std::string> titles;
  for (const Column& c : columns) titles.push_back(c.title);
  print_line(titles, true);
  for (const auto& line : cells) print_line(line, false);
  const int64_t total = list.integer("total_entries", static_cast<int64_t>(rows.size()));
  if (total > static_cast<int64_t>(rows.size()))
    note(std::to_string(rows.size()) + " of " + std::to_string(total) + "; --limit shows more");
}

void Output::object(const Value& object, const std::vector<Column>& rows) {
  if (format_ != Format::table) {
    print(object);
    return;
  }
  int width = 0;
  for (const Column& row : rows) width = std::max(width, display_width(row.title));
  for (const Column& row : rows) {
    const std::string text = row.text(object);
    if (text.empty()) continue;
    // Later lines of a text stand under its first.
    std::string shown;
    for (const std::string& line : split(text, '\n'))
      shown += (shown.empty() ? "" : "\n" + std::string(static_cast<size_t>(width) + 2, ' ')) + one_line(line);
    out_ << padded(row.title, width) << "  " << coloured(shown) << '\n';
  }
}

void Output::done(const std::string& sentence, const Value& object) {
  if (format_ == Format::table)
    out_ << one_line(sentence) << '\n';
  else
    print(object);
}

void Output::raw(std::string_view text) {
  out_ << text;
  out_.flush();
}

void Output::note(const std::string& text) {
  out_.flush();
  err_ << text << '\n';
  err_.flush();
}

void Output::error(const std::string& text) { note("udon: " + text); }

}  // namespace udon::cli
