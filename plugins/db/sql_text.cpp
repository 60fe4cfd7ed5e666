#include "plugins/db/sql_text.h"

#include <algorithm>
#include <functional>

#include "base/text.h"

namespace udon {
namespace {

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '$'; }

// Reads SQL piece by piece; what it does not need to understand it copies.
class Scanner {
 public:
  Scanner(std::string_view sql, SqlDialect dialect) : sql_(sql), dialect_(dialect) {}

  bool at_end() const { return at_ >= sql_.size(); }
  size_t position() const { return at_; }
  std::string_view since(size_t start) const { return sql_.substr(start, at_ - start); }
  char peek(size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }
  void advance(size_t by = 1) { at_ = std::min(at_ + by, sql_.size()); }

  // Past a literal, a quoted name or a comment that starts here. False: none does. An open end is an error.
  Result<bool> skip_opaque() {
    const char c = peek();
    if (c == '\'' || c == '"' || (c == '`' && dialect_ != SqlDialect::postgresql)) {
      TRY(skip_quoted(c));
      return true;
    }
    if (c == '[' && dialect_ == SqlDialect::sqlite) {  // as in Access; it has no escape
      const size_t end = sql_.find(']', at_);
      if (end == std::string_view::npos) return open_end("a quoted name");
      at_ = end + 1;
      return true;
    }
    if (c == '-' && peek(1) == '-') return skip_line();
    if (c == '#' && dialect_ == SqlDialect::mysql) return skip_line();
    if (c == '/' && peek(1) == '*') {
      const size_t end = sql_.find("*/", at_ + 2);
      if (end == std::string_view::npos) return open_end("a comment");
      at_ = end + 2;
      return true;
    }
    if (c == '$' && dialect_ == SqlDialect::postgresql) return skip_dollar_quoted();
    return false;
  }

  // The name at this place, unquoted; empty if there is none. Moves past it.
  std::string take_name() {
    const char c = peek();
    if (c == quote()) {
      const size_t start = at_;
      if (!skip_quoted(c)) return {};
      std::string name;
      const std::string_view inner = sql_.substr(start + 1, at_ - start - 2);
      for (size_t i = 0; i < inner.size(); ++i) {
        name += inner[i];
        if (inner[i] == c) ++i;
      }
      return name;
    }
    if (!is_name_start(c)) return {};
    const size_t start = at_;
    while (is_name_char(peek())) advance();
    return std::string(since(start));
  }
  char quote() const { return dialect_ == SqlDialect::mysql ? '`' : '"'; }

 private:
  Error open_end(std::string_view what) const {
    return Error{ErrorKind::invalid, std::string(what) + " that starts at byte " + std::to_string(at_) + " has no end"};
  }
  Result<void> skip_quoted(char mark) {
    // E'…' of PostgreSQL and every literal of MySQL may hold backslash escapes. Taking them as such where they are none
    // could at worst make us see an open end.
    const bool escapes = mark != '`' && (dialect_ == SqlDialect::mysql ||
                                         (at_ > 0 && mark == '\'' && (sql_[at_ - 1] == 'E' || sql_[at_ - 1] == 'e')));
    for (size_t i = at_ + 1; i < sql_.size(); ++i) {
      if (sql_[i] == '\\' && escapes) {
        ++i;
      } else if (sql_[i] == mark) {
        if (i + 1 < sql_.size() && sql_[i + 1] == mark) {
          ++i;
        } else {
          at_ = i + 1;
          return {};
        }
      }
    }
    return open_end(mark == '\'' ? "a literal" : "a quoted name");
  }
  bool skip_line() {
    while (!at_end() && peek() != '\n') advance();
    return true;
  }
  Result<bool> skip_dollar_quoted() {
    size_t end = at_ + 1;
    while (end < sql_.size() && is_name_char(sql_[end]) && sql_[end] != '$') ++end;
    if (end >= sql_.size() || sql_[end] != '$') return false;
    const std::string_view tag = sql_.substr(at_, end + 1 - at_);
    const size_t close = sql_.find(tag, end + 1);
    if (close == std::string_view::npos) return open_end("a literal");
    at_ = close + tag.size();
    return true;
  }

  std::string_view sql_;
  SqlDialect dialect_;
  size_t at_ = 0;
};

}  // namespace

std::string quote_identifier(std::string_view name, SqlDialect dialect) {
  const char mark = dialect == SqlDialect::mysql ? '`' : '"';
  std::string quoted(1, mark);
  for (const char c : name) {
    if (c == mark) quoted += mark;
    quoted += c;
  }
  return quoted + mark;
}

Result<TableName> parse_table_name(std::string_view text, SqlDialect dialect) {
  const char mark = dialect == SqlDialect::mysql ? '`' : '"';
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      parts.emplace_back();
    } else if (text[i] == mark && parts.back().empty()) {
      bool closed = false;
      for (++i; i < text.size() && !closed; ++i) {
        if (text[i] != mark) {
          parts.back() += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == mark) {
          parts.back() += text[i++];
        } else {
          closed = true;
        }
      }
      --i;
      if (!closed || (i + 1 < text.size() && text[i + 1] != '.'))
        return Error{ErrorKind::invalid, "table `" + std::string(text) + "`: its quotes do not match"};
    } else {
      parts.back() += text[i];
    }
  }
  const bool has_empty = std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); });
  if (has_empty || parts.size() > 2)
    return Error{ErrorKind::invalid, "table `" + std::string(text) + "`: expected TABLE or SCHEMA.TABLE" +
                                         (parts.size() > 2 ? "; a name with a dot in it is written in quotes" : "")};
  if (parts.size() == 1) return TableName{"", parts[0]};
  return TableName{parts[0], parts[1]};
}

namespace {

// A condition's pieces without blanks and comments, as far as they tell what a placeholder is compared with.
struct Piece {
  enum class Kind { name, keyword, comparison, place, other } kind;
  std::string text;
};

bool is_comparison(char c) { return c == '<' || c == '>' || c == '=' || c == '!'; }

class Pieces {
 public:
  void add_word(const std::string& word, bool is_quoted) {
    const std::string low = lower_ascii(word);
    const bool is_keyword = !is_quoted && (low == "and" || low == "between" || low == "in" || low == "not");
    pieces_.push_back({is_keyword ? Piece::Kind::keyword : Piece::Kind::name, is_keyword ? low : word});
  }
  void add_place() { pieces_.push_back({Piece::Kind::place, ""}); }
  void add_character(char c) {
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') return;
    if (!is_comparison(c))
      pieces_.push_back({Piece::Kind::other, std::string(1, c)});
    else if (pieces_.empty() || pieces_.back().kind != Piece::Kind::comparison)
      pieces_.push_back({Piece::Kind::comparison, ""});
  }
  void add_literal() { pieces_.push_back({Piece::Kind::other, "'"}); }

  // For each placeholder in their order.
  std::vector<std::string> compared_with() const {
    std::vector<std::string> names;
    for (size_t i = 0; i < pieces_.size(); ++i)
      if (pieces_[i].kind == Piece::Kind::place) names.push_back(name_beside(i));
    return names;
  }

 private:
  bool is(size_t i, Piece::Kind kind, std::string_view text = {}) const {
    return i < pieces_.size() && pieces_[i].kind == kind && (text.empty() || pieces_[i].text == text);
  }
  // Does a comparison begin or end here, so that a name next to it stands alone?
  bool is_border(size_t i) const {
    if (i >= pieces_.size()) return true;
    const Piece& piece = pieces_[i];
    if (piece.kind == Piece::Kind::keyword) return true;
    if (piece.kind == Piece::Kind::other) return piece.text == "(" || piece.text == ")" || piece.text == ",";
    const std::string word = piece.kind == Piece::Kind::name ? lower_ascii(piece.text) : "";
    return word == "or" || word == "xor" || word == "when" || word == "then";
  }
  // The name that ends at `i`, alone or behind its table's; with NOT before it, as in NOT IN, the one before that.
  std::string name_at(size_t i) const {
    if (is(i, Piece::Kind::keyword, "not")) --i;
    if (!is(i, Piece::Kind::name)) return {};
    size_t before = i - 1;
    while (is(before, Piece::Kind::other, ".") && is(before - 1, Piece::Kind::name)) before -= 2;
    return is_border(before) ? pieces_[i].text : std::string();
  }
  std::string name_beside(size_t i) const {
    // Unsigned arithmetic below 0 gives an index that is out of range, and `is` says no.
    if (is(i - 1, Piece::Kind::comparison) || is(i - 1, Piece::Kind::keyword, "between")) return name_at(i - 2);
    if (is(i - 1, Piece::Kind::keyword, "and") && is(i - 3, Piece::Kind::keyword, "between")) return name_at(i - 4);
    size_t open = i;
    while (open > 0 && (is(open - 1, Piece::Kind::other, ",") || is(open - 1, Piece::Kind::other, "'") ||
                        is(open - 1, Piece::Kind::place)))
      --open;
    if (is(open - 1, Piece::Kind::other, "(") && is(open - 2, Piece::Kind::keyword, "in")) return name_at(open - 3);
    if (!is(i + 1, Piece::Kind::comparison)) return {};
    size_t name = i + 2;
    while (is(name + 1, Piece::Kind::other, ".") && is(name + 2, Piece::Kind::name)) name += 2;
    const bool is_called = is(name + 1, Piece::Kind::other, "(");
    return is(name, Piece::Kind::name) && is_border(name + 1) && !is_called ? pieces_[name].text : std::string();
  }

  std::vector<Piece> pieces_;
};

}  // namespace

Result<BoundSql> bind_parameters(std::string_view sql, const Value& parameters, SqlDialect dialect) {
  BoundSql bound;
  std::vector<std::string> used;  // in the order of their first place
  std::vector<std::string> names;
  if (parameters.is_map())
    for (const auto& [name, value] : parameters.as_map()) names.push_back(name);

  Scanner scanner(sql, dialect);
  Pieces pieces;
  while (!scanner.at_end()) {
    const size_t start = scanner.position();
    const char c = scanner.peek();
    if (c == scanner.quote() || is_name_start(c)) {
      // A name, or the prefix of a literal (E'…', _utf8'…'), which then follows as one.
      std::string word = scanner.take_name();
      if (scanner.position() == start) return Error{ErrorKind::invalid, "a quoted name has no end"};
      pieces.add_word(word, c == scanner.quote());
      bound.words.push_back(std::move(word));
      bound.sql += scanner.since(start);
      continue;
    }
    TRY_ASSIGN(const bool skipped, scanner.skip_opaque());
    if (skipped) {
      if (c == '\'' || c == '"' || c == '$') pieces.add_literal();
      bound.sql += scanner.since(start);
      continue;
    }
    const bool is_parameter = c == ':' && is_name_start(scanner.peek(1));
    if (!is_parameter) {
      // "::" and ":=" are one piece each; a bare "?" would be taken for a placeholder.
      if (c == '$' && dialect == SqlDialect::postgresql && scanner.peek(1) >= '0' && scanner.peek(1) <= '9')
        return Error{ErrorKind::invalid,
                     "`$1` and the like stand for nothing here; write a named parameter, as in `:from`"};
      if (c == '?' && dialect != SqlDialect::postgresql)
        return Error{ErrorKind::invalid, "`?` stands for nothing here; write a named parameter, as in `:from`"};
      if ((c == '$' || c == '@') && dialect == SqlDialect::sqlite && is_name_start(scanner.peek(1)))
        return Error{ErrorKind::invalid,
                     std::string("`") + c + "name` stands for nothing here; write a named parameter, as in `:from`"};
      pieces.add_character(c);
      scanner.advance(c == ':' && (scanner.peek(1) == ':' || scanner.peek(1) == '=') ? 2 : 1);
      bound.sql += scanner.since(start);
      continue;
    }
    pieces.add_place();
    scanner.advance();
    const std::string name = scanner.take_name();
    const Value* value = parameters.find(name);
    if (!value) return Error{ErrorKind::invalid, "no value for parameter `:" + name + "`" + did_you_mean(name, names)};
    auto place = std::find(used.begin(), used.end(), name);
    const bool is_new = place == used.end();
    if (is_new) place = used.insert(used.end(), name);
    const size_t offset = bound.sql.size();
    if (dialect == SqlDialect::sqlite) {
      const auto number = static_cast<size_t>(place - used.begin());
      if (is_new) bound.values.push_back(*value);
      bound.sql += '?' + std::to_string(number + 1);
      bound.places.push_back({offset, bound.sql.size() - offset, number, {}});
      continue;
    }
    bound.values.push_back(*value);
    bound.sql += dialect == SqlDialect::mysql ? "?" : '$' + std::to_string(bound.values.size());
    bound.places.push_back({offset, bound.sql.size() - offset, bound.values.size() - 1, {}});
  }
  const std::vector<std::string> compared = pieces.compared_with();
  for (size_t i = 0; i < bound.places.size(); ++i) bound.places[i].compared_with = compared[i];
  for (const std::string& name : names) {
    if (std::find(used.begin(), used.end(), name) == used.end())
      return Error{ErrorKind::invalid,
                   "parameter `" + name + "` has a value but no place `:" + name + "`" + did_you_mean(name, used)};
  }
  return bound;
}

namespace {

// Calls `take` with each part of a text: an opaque one (literal, quoted name, comment), a plain word, or a character.
enum class Part { opaque, word, parameter, character };
Result<void> for_each_part(std::string_view sql, SqlDialect dialect,
                           const std::function<void(Part part, std::string_view text)>& take) {
  Scanner scanner(sql, dialect);
  while (!scanner.at_end()) {
    const size_t start = scanner.position();
    TRY_ASSIGN(const bool skipped, scanner.skip_opaque());
    const char c = scanner.peek();
    if (skipped) {
      take(Part::opaque, scanner.since(start));
    } else if (is_name_start(c)) {
      scanner.take_name();
      take(Part::word, scanner.since(start));
    } else if (c == ':' && is_name_start(scanner.peek(1))) {
      scanner.advance();
      scanner.take_name();
      take(Part::parameter, scanner.since(start));
    } else {
      scanner.advance(c == ':' && (scanner.peek(1) == ':' || scanner.peek(1) == '=') ? 2 : 1);
      take(Part::character, scanner.since(start));
    }
  }
  return {};
}

bool is_comment(std::string_view opaque) {
  // MySQL runs what stands in /*! … */.
  return (opaque.starts_with("--") || opaque.starts_with('#') || opaque.starts_with("/*")) &&
         !opaque.starts_with("/*!");
}

}  // namespace

Result<std::vector<std::string>> split_statements(std::string_view sql, SqlDialect dialect) {
  std::vector<std::string> statements;
  std::string statement;
  bool says_something = false;
  const auto end = [&] {
    if (says_something) statements.emplace_back(trim(statement));
    statement.clear();
    says_something = false;
  };
  TRY(for_each_part(sql, dialect, [&](Part part, std::string_view text) {
    if (part == Part::character && text == ";") return end();
    statement += text;
    says_something = says_something || (part == Part::opaque ? !is_comment(text) : !trim(text).empty());
  }));
  end();
  return statements;
}

Result<std::vector<std::string>> parameter_names(std::string_view sql, SqlDialect dialect) {
  std::vector<std::string> names;
  TRY(for_each_part(sql, dialect, [&](Part part, std::string_view text) {
    if (part != Part::parameter) return;
    const std::string_view name = text.substr(1);
    if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
  }));
  return names;
}

Result<std::vector<std::string>> words_of(std::string_view sql, SqlDialect dialect) {
  std::vector<std::string> words;
  TRY(for_each_part(sql, dialect, [&](Part part, std::string_view text) {
    if (part == Part::word || text == "(" || text == ")") words.push_back(lower_ascii(text));
  }));
  return words;
}

std::string with_literals(const BoundSql& bound, const std::vector<std::string>& literals) {
  std::string sql;
  size_t copied = 0;
  for (const BoundSql::Place& place : bound.places) {
    sql.append(bound.sql, copied, place.offset - copied);
    sql += "(" + literals.at(place.value) + ")";
    copied = place.offset + place.length;
  }
  return sql.append(bound.sql, copied);
}

}  // namespace udon
