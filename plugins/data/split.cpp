#include "plugins/data/split.h"

#include <algorithm>
#include <queue>

namespace udon::data {
namespace {

// From `begin` on, below `end`.
struct Piece {
  Int128 begin = 0, end = 0;
  double rows = 0;
};

}  // namespace

Result<std::vector<Int128>> cut_numbers(Int128 least, Int128 greatest, size_t ranges,
                                        const std::function<Result<double>(Int128, Int128)>& rows_between) {
  std::vector<Int128> cuts;
  if (ranges < 2 || greatest <= least) return cuts;
  const double width = static_cast<double>(greatest - least) + 1;
  const auto piece_of = [&](Int128 begin, Int128 end) -> Result<Piece> {
    TRY_ASSIGN(const double rows, rows_between(begin, end));
    // Where the server knows nothing, all numbers count alike.
    return Piece{begin, end, std::max(rows, 0.0) + static_cast<double>(end - begin) / width};
  };

  // Halves the fullest piece again and again: of keys that lie far apart in heaps the empty space is soon cut away.
  const auto is_emptier = [](const Piece& a, const Piece& b) { return a.rows < b.rows; };
  std::priority_queue<Piece, std::vector<Piece>, decltype(is_emptier)> open(is_emptier);
  TRY_ASSIGN(Piece all, piece_of(least, greatest + 1));
  std::vector<Piece> pieces;
  double total = all.rows;
  open.push(all);
  const size_t halvings_max = 64 + 4 * ranges;
  for (size_t halvings = 0; !open.empty() && halvings < halvings_max; ++halvings) {
    const Piece fullest = open.top();
    if (fullest.rows * static_cast<double>(2 * ranges) <= total) break;
    open.pop();
    if (fullest.end - fullest.begin < 2) {
      pieces.push_back(fullest);
      continue;
    }
    const Int128 middle = fullest.begin + (fullest.end - fullest.begin) / 2;
    TRY_ASSIGN(Piece lower, piece_of(fullest.begin, middle));
    TRY_ASSIGN(Piece upper, piece_of(middle, fullest.end));
    total += lower.rows + upper.rows - fullest.rows;
    open.push(lower);
    open.push(upper);
  }
  for (; !open.empty(); open.pop()) pieces.push_back(open.top());
  std::ranges::sort(pieces, {}, &Piece::begin);

  // Neighbours together, as many as make one range.
  const double share = total / static_cast<double>(ranges);
  double rows = 0;
  for (const Piece& piece : pieces) {
    if (rows > 0 && rows + piece.rows / 2 > share) {
      cuts.push_back(piece.begin);
      rows = 0;
    }
    rows += piece.rows;
  }
  return cuts;
}

std::vector<std::string> conditions_of(size_t cuts, const std::function<std::string(size_t)>& below,
                                       const std::function<std::string(size_t)>& from, const std::string& is_null) {
  if (cuts == 0) return {""};
  std::vector<std::string> conditions;
  conditions.push_back(is_null.empty() ? below(0) : "(" + below(0) + " or " + is_null + ")");
  for (size_t i = 0; i + 1 < cuts; ++i) conditions.push_back(from(i) + " and " + below(i + 1));
  conditions.push_back(from(cuts - 1));
  return conditions;
}

std::string where_clause(const std::string& condition, const std::string& range) {
  std::string clause;
  // On a line of its own: the condition may end in a comment.
  if (!condition.empty()) clause += " where (" + condition + "\n)";
  if (!range.empty()) clause += (condition.empty() ? " where " : " and ") + range;
  return clause;
}

Ranges ranges_of(std::vector<std::string> conditions, const std::string& names) {
  std::string how = std::to_string(conditions.size()) + " ranges of " + names;
  return {std::move(conditions), std::move(how)};
}

std::string filled(std::string_view form, const std::string& with) {
  std::string text(form);
  for (size_t at = text.find("{}"); at != text.npos; at = text.find("{}", at + with.size())) text.replace(at, 2, with);
  return text;
}

std::string to_string(Int128 number) {
  if (number == 0) return "0";
  std::string digits;
  const bool is_negative = number < 0;
  for (; number != 0; number /= 10) {
    const int digit = static_cast<int>(number % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  if (is_negative) digits += '-';
  std::ranges::reverse(digits);
  return digits;
}

std::optional<Int128> parse_int128(const std::string& text) {
  constexpr size_t digits_max = 37;  // of any number that fits
  const bool is_negative = text.starts_with('-');
  const size_t begin = is_negative ? 1 : 0;
  if (text.size() == begin || text.size() - begin > digits_max) return std::nullopt;
  Int128 number = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  return is_negative ? -number : number;
}

}  // namespace udon::data
