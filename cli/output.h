#pragma once
// What a verb prints: tables for people, JSON and YAML for programs, notes for people on standard error.
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/value.h"

namespace udon::cli {

enum class Format { table, json, yaml };

struct Terminal {
  bool is_terminal = false;  // standard output is one
  int width = 80;
  bool has_colour = false;
};

// A column of a table: its title, and the text of a row.
struct Column {
  std::string title;
  std::function<std::string(const Value& row)> text;
};
// The member of that name as text: null is "", a list its members joined by ", ".
Column column(std::string title, std::string member);
std::string plain_text(const Value& value);

class Output {
 public:
  Output(std::ostream& out, std::ostream& err, Format format, Terminal terminal)
      : out_(out), err_(err), format_(format), terminal_(terminal) {}

  Format format() const { return format_; }
  const Terminal& terminal() const { return terminal_; }

  // {"<plural>": [...], "total_entries": N}: a table of its rows, or the object itself as JSON or YAML.
  void list(const Value& list, std::string_view plural, const std::vector<Column>& columns);
  // One thing: "name  value" lines of the members named (all if none), or the object itself.
  void object(const Value& object, const std::vector<Column>& rows);
  // What was done, in a sentence; programs get the object instead.
  void done(const std::string& sentence, const Value& object);
  // Text as it is, whatever the format: a log, a help page.
  void raw(std::string_view text);
  // For people only, never in the way of what a program reads.
  void note(const std::string& text);
  void error(const std::string& text);

 private:
  std::string coloured(const std::string& text) const;
  void print(const Value& value);

  std::ostream& out_;
  std::ostream& err_;
  Format format_;
  Terminal terminal_;
};

std::string to_yaml(const Value& value);
// Cut to at most `width` columns of a terminal, with "…" at the end if something is missing.
std::string cut_to_width(const std::string& text, int width);

}  // namespace udon::cli
