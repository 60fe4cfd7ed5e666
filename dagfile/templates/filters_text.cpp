// Filters that make texts.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "dagfile/templates/filters.h"
#include "dagfile/templates/format.h"
#include "dagfile/templates/instant.h"
#include "dagfile/templates/methods.h"
#include "dagfile/templates/unicode_text.h"

namespace udon::templates {
namespace {

template <std::string (*make)(std::string_view)>
Result<Datum> mapped(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("filter", arguments, {}));
  TRY_ASSIGN(const std::string text, to_text(datum));
  return budget.text(make(text));
}

Result<Datum> capitalize(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("capitalize", arguments, {}));
  TRY_ASSIGN(const std::string text, to_text(datum));
  return budget.text(capitalized(text));
}

// Jinja2's own: words begin after white space and one of - ( { [ <.
Result<Datum> title(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("title", arguments, {}));
  TRY_ASSIGN(const std::string text, to_text(datum));
  std::string made;
  bool begins = true;
  for (const char32_t c : to_code_points(text)) {
    const bool separates = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    append_utf8(made, separates ? c : begins ? to_upper(c) : to_lower(c));
    begins = separates;
  }
  return budget.text(std::move(made));
}

Result<Datum> trim_filter(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("trim", arguments, {"chars"}));
  TRY_ASSIGN(const std::string text, to_text(datum));
  std::optional<std::string> characters;
  if (given.has(0) && !given.at(0).is_none()) {
    TRY_ASSIGN(characters, given.text(0, ""));
  }
  return budget.text(stripped(text, characters, true, true));
}

Result<Datum> replace(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("replace", arguments, {"old", "new", "count"}, 2));
  TRY_ASSIGN(const std::string text, to_text(datum));
  TRY_ASSIGN(const std::string old, given.text(0, ""));
  TRY_ASSIGN(const std::string with, given.text(1, ""));
  int64_t count = -1;
  if (given.has(2) && !given.at(2).is_none()) {
    TRY_ASSIGN(count, given.integer(2, -1));
  }
  return budget.text(replaced(text, old, with, count));
}

Result<Datum> string(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("string", arguments, {}));
  TRY_ASSIGN(std::string text, to_text(datum));
  return budget.text(std::move(text));
}

Result<Datum> format(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const std::string text, to_text(datum));
  if (!arguments.named.empty() && !arguments.positional.empty())
    return failure("`format` takes values by place or by name, not both");
  TRY_ASSIGN(std::string made,
             format_percent(text, arguments, arguments.named.empty() ? Unused::is_an_error : Unused::is_fine));
  return budget.text(std::move(made));
}

Result<Datum> center(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("center", arguments, {"width"}));
  TRY_ASSIGN(const int64_t width, given.integer(0, 80));
  TRY(budget.will_make(width));
  TRY_ASSIGN(const std::string text, to_text(datum));
  return budget.text(centered(text, width, " "));
}

Result<Datum> indent(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("indent", arguments, {"width", "first", "blank"}));
  if (!datum.is_text()) return failure("`indent` takes a text, not " + std::string(type_of(datum)));
  std::string indention;
  if (given.has(0) && given.at(0).is_text()) {
    indention = given.at(0).text();
  } else {
    TRY_ASSIGN(const int64_t width, given.integer(0, 4));
    TRY(budget.will_make(width));
    indention.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  TRY_ASSIGN(const bool first, given.flag(1, false));
  TRY_ASSIGN(const bool blank, given.flag(2, false));
  const std::vector<std::string> lines = split_lines(datum.text() + "\n");
  TRY(budget.will_make(static_cast<int64_t>(datum.text().size() + lines.size() * indention.size())));
  std::string made = first ? indention : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) made += "\n" + (blank || !lines[i].empty() ? indention : "");
    made += lines[i];
  }
  return budget.text(std::move(made));
}

Result<Datum> truncate(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("truncate", arguments, {"length", "killwords", "end", "leeway"}));
  TRY_ASSIGN(const int64_t length, given.integer(0, 255));
  TRY_ASSIGN(const bool cuts_words, given.flag(1, false));
  TRY_ASSIGN(const std::string end, given.text(2, "..."));
  int64_t leeway = 5;
  if (given.has(3) && !given.at(3).is_none()) {
    TRY_ASSIGN(leeway, given.integer(3, 5));
  }
  const int64_t end_length = static_cast<int64_t>(length_of(end));
  if (length < end_length) return failure("`truncate` takes a length of at least " + std::to_string(end_length));
  if (leeway < 0) return failure("`truncate` takes a leeway that is not negative");
  if (!datum.is_text()) {  // a short list passes, as in Jinja2
    TRY_ASSIGN(const Items items, iterate(datum));
    if (static_cast<int64_t>(items.size()) - leeway <= length) return datum;
    return failure("`truncate` takes a text, not " + std::string(type_of(datum)));
  }
  const std::u32string points = to_code_points(datum.text());
  if (static_cast<int64_t>(points.size()) - leeway <= length) return datum;
  std::string kept = to_utf8(points.substr(0, static_cast<size_t>(length - end_length)));
  if (!cuts_words) kept = kept.substr(0, kept.rfind(' '));
  return budget.text(kept + end);
}

Result<Datum> word_count(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("wordcount", arguments, {}));
  TRY_ASSIGN(const std::string text, to_text(datum));
  TRY(budget.step(static_cast<int64_t>(text.size()) / 64));
  int64_t count = 0;
  bool inside = false;
  for (const char32_t c : to_code_points(text)) {
    if (is_word(c) && !inside) ++count;
    inside = is_word(c);
  }
  return Datum(count);
}

std::string quoted_for_url(const std::string& text, bool is_query) {
  if (!is_query) return percent_encode(text, "/");
  return replaced(percent_encode(text), "%20", "+", -1);
}

Result<Datum> url_encode(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("urlencode", arguments, {}));
  if (!datum.is_dict() && !datum.is_sequence()) {
    TRY_ASSIGN(const std::string text, to_text(datum));
    return budget.text(quoted_for_url(text, false));
  }
  Members pairs;
  if (datum.is_dict())
    pairs = datum.as<DictRef>()->members;
  else {
    for (const Datum& item : datum.items()) {
      TRY_ASSIGN(const Items pair, iterate(item));
      if (pair.size() != 2) return failure("`urlencode` takes a map or a list of pairs");
      pairs.emplace_back(pair[0], pair[1]);
    }
  }
  std::string made;
  for (const auto& [key, value] : pairs) {
    TRY_ASSIGN(const std::string name, to_text(key));
    TRY_ASSIGN(const std::string text, to_text(value));
    made += (made.empty() ? "" : "&") + quoted_for_url(name, true) + "=" + quoted_for_url(text, true);
  }
  return budget.text(std::move(made));
}

Result<Datum> file_size(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY_ASSIGN(const Parameters given, Parameters::bind("filesizeformat", arguments, {"binary"}));
  TRY_ASSIGN(const bool is_binary, given.flag(0, false));
  if (!datum.is_number())
    return failure("`filesizeformat` takes a number of bytes, not " + std::string(type_of(datum)));
  const double bytes = datum.real(), base = is_binary ? 1024 : 1000;
  if (bytes == 1) return Datum("1 Byte");
  if (bytes < base) return budget.text(std::to_string(static_cast<int64_t>(bytes)) + " Bytes");
  double unit = base * base;
  static constexpr char prefixes[] = "kMGTPEZY";
  size_t i = 0;
  for (; i < 7 && bytes >= unit; ++i) unit *= base;
  TRY_ASSIGN(std::string text, format_value(Datum(base * bytes / unit), ".1f"));
  text += " ";
  text += is_binary && prefixes[i] == 'k' ? 'K' : prefixes[i];
  return budget.text(text + (is_binary ? "iB" : "B"));
}

Result<Datum> shell_quote_filter(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("shell_quote", arguments, {}));
  TRY_ASSIGN(const std::string text, to_text(datum));
  return budget.text(shell_quote(text));
}

// Airflow's, over moments. A text that names a moment will do; None gives nothing, as there.
template <char kind>
Result<Datum> of_moment(const Datum& datum, const Arguments& arguments, Budget& budget) {
  TRY(Parameters::bind("filter", arguments, {}));
  if (datum.is_none()) return Datum("");
  TRY_ASSIGN(const Instant instant, require_instant(datum));
  const std::string iso = iso_format(instant, 'T');
  switch (kind) {
    case 'd': return Datum(iso.substr(0, 10));
    case 'D': return budget.text(replaced(iso.substr(0, 10), "-", "", -1));
    case 't': return Datum(iso);
    case 'T': return budget.text(replaced(replaced(iso.substr(0, 19), "-", "", -1), ":", "", -1));
    default: return budget.text(replaced(replaced(iso, "-", "", -1), ":", "", -1));
  }
}

}  // namespace

std::vector<NamedFilter> text_filters() {
  return {{"upper", mapped<upper>},
          {"lower", mapped<lower>},
          {"capitalize", capitalize},
          {"title", title},
          {"trim", trim_filter},
          {"replace", replace},
          {"string", string},
          {"format", format},
          {"center", center},
          {"indent", indent},
          {"truncate", truncate},
          {"wordcount", word_count},
          {"urlencode", url_encode},
          {"filesizeformat", file_size},
          {"shell_quote", shell_quote_filter},
          {"ds", of_moment<'d'>},
          {"ds_nodash", of_moment<'D'>},
          {"ts", of_moment<'t'>},
          {"ts_nodash", of_moment<'T'>},
          {"ts_nodash_with_tz", of_moment<'z'>}};
}

}  // namespace udon::templates
