#include "base/diff.h"

#include <algorithm>
#include <vector>

namespace udon {

namespace {

constexpr int context_lines = 3;
// Myers' algorithm keeps its way for each number of differences: memory grows with the square of it.
constexpr int differences_max = 2000;

struct Line {
  char sign;  // ' ', '-', '+'
  std::string_view text;
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

using Lines = std::vector<std::string_view>;

// The shortest way from a to b, by E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986).
std::vector<Line> edits(const Lines& a, const Lines& b) {
  const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
  const int most = std::min(n + m, differences_max);
  std::vector<int> furthest(static_cast<size_t>(2 * most + 3), 0);
  const auto at = [&](int k) -> int& { return furthest[static_cast<size_t>(k + most + 1)]; };
  std::vector<std::vector<int>> trace;
  int found = -1;
  for (int d = 0; d <= most && found < 0; ++d) {
    trace.push_back(furthest);
    for (int k = -d; k <= d; k += 2) {
      int x = k == -d || (k != d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
      while (x < n && x - k < m && a[static_cast<size_t>(x)] == b[static_cast<size_t>(x - k)]) ++x;
      at(k) = x;
      if (x >= n && x - k >= m) {
        found = d;
        break;
      }
    }
  }
  std::vector<Line> lines;
  if (found < 0) {
    for (const std::string_view line : a) lines.push_back({'-', line});
    for (const std::string_view line : b) lines.push_back({'+', line});
    return lines;
  }
  int x = n, y = m;
  for (int d = found; d >= 0; --d) {
    const std::vector<int>& before = trace[static_cast<size_t>(d)];
    const auto was = [&](int k) { return before[static_cast<size_t>(k + most + 1)]; };
    const int k = x - y;
    const int from = k == -d || (k != d && was(k - 1) < was(k + 1)) ? k + 1 : k - 1;
    const int from_x = d == 0 ? 0 : was(from), from_y = d == 0 ? 0 : from_x - from;
    while (x > from_x && y > from_y) {
      --x, --y;
      lines.push_back({' ', a[static_cast<size_t>(x)]});
    }
    if (d == 0) break;
    if (x == from_x) {
      --y;
      lines.push_back({'+', b[static_cast<size_t>(y)]});
    } else {
      --x;
      lines.push_back({'-', a[static_cast<size_t>(x)]});
    }
  }
  std::ranges::reverse(lines);
  return lines;
}

std::string range_of(int first, int count) {
  // As diff(1): a range of none begins before its line.
  return std::to_string(count == 0 ? first - 1 : first) + (count == 1 ? "" : "," + std::to_string(count));
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after, const std::string& name_before,
                         const std::string& name_after) {
  if (before == after) return {};
  Lines a = lines_of(before), b = lines_of(after);
  // What is the same at both ends needs no search.
  const auto first = std::ranges::mismatch(a, b);
  const auto same = static_cast<size_t>(first.in1 - a.begin());
  size_t tail = 0;
  while (tail < a.size() - same && tail < b.size() - same && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  std::vector<Line> all;
  for (size_t i = 0; i < same; ++i) all.push_back({' ', a[i]});
  for (const Line& line :
       edits(Lines(a.begin() + static_cast<std::ptrdiff_t>(same), a.end() - static_cast<std::ptrdiff_t>(tail)),
             Lines(b.begin() + static_cast<std::ptrdiff_t>(same), b.end() - static_cast<std::ptrdiff_t>(tail))))
    all.push_back(line);
  for (size_t i = a.size() - tail; i < a.size(); ++i) all.push_back({' ', a[i]});

  std::string text = "--- " + name_before + "\n+++ " + name_after + "\n";
  int line_a = 1, line_b = 1;  // of all[i]
  for (size_t i = 0; i < all.size();) {
    if (all[i].sign == ' ') {
      ++i, ++line_a, ++line_b;
      continue;
    }
    // A hunk: from here to where six lines in a row are the same.
    const size_t begin = i - std::min<size_t>(i, context_lines);
    size_t end = i;
    for (size_t k = i, quiet = 0; k < all.size() && quiet <= 2 * context_lines; ++k) {
      quiet = all[k].sign == ' ' ? quiet + 1 : 0;
      if (quiet == 0) end = k + 1;
    }
    const size_t last = std::min(all.size(), end + context_lines);
    const int lead = static_cast<int>(i - begin);
    int count_a = 0, count_b = 0;
    std::string body;
    for (size_t k = begin; k < last; ++k) {
      count_a += all[k].sign != '+' ? 1 : 0;
      count_b += all[k].sign != '-' ? 1 : 0;
      body += all[k].sign + std::string(all[k].text) + "\n";
    }
    text += "@@ -" + range_of(line_a - lead, count_a) + " +" + range_of(line_b - lead, count_b) + " @@\n" + body;
    for (; i < last; ++i) {
      line_a += all[i].sign != '+' ? 1 : 0;
      line_b += all[i].sign != '-' ? 1 : 0;
    }
  }
  return text;
}

}  // namespace udon
