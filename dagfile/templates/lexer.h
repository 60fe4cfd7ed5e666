#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "dagfile/templates.h"
#include "dagfile/templates/ast.h"

namespace udon::templates {

enum class TokenKind {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  text,
  integer,
  real,
  symbol,
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // of symbols: "(", "==", …; of texts: unescaped
  Datum number;
  Position position;
};

// Jinja2's rules with its default settings: "-" strips white space around tags, a last newline is dropped, line ends
// become "\n". Comments are left out, raw blocks become data. The last token is `end`.
struct Tokens {
  std::vector<Token> tokens;
  std::optional<TemplateProblem> problem;
};
Tokens tokenize(std::string_view source);

}  // namespace udon::templates
