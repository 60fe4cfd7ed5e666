#include "connections/redaction.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "base/unicode.h"

namespace udon {
namespace {

constexpr std::string_view mask = "***";
constexpr size_t secret_bytes_min = 4;
// A form that stands for a part of a secret only must be long enough not to be met by chance.
constexpr size_t part_bytes_min = 12;

unsigned char first_byte(std::string_view text) { return static_cast<unsigned char>(text[0]); }

std::string base64(std::string_view text) {
  return to_base64({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
}

std::string inside_quotes(const std::string& json) { return json.substr(1, json.size() - 2); }

// JSON as Python's json.dumps writes it: everything beyond ASCII escaped.
std::string json_in_ascii(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string escaped;
  const auto append_unit = [&](uint32_t unit) {
    escaped += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) escaped += digits[(unit >> shift) & 15];
  };
  const std::string json = inside_quotes(to_json(Value(text)));
  for (std::string_view rest = json; !rest.empty();) {
    const CodePoint point = decode_utf8(rest);
    const auto c = static_cast<uint32_t>(point.value);
    if (c < 0x80) {
      escaped += static_cast<char>(c);
    } else if (c < 0x10000) {
      append_unit(c);
    } else {
      append_unit(0xD800 + ((c - 0x10000) >> 10));
      append_unit(0xDC00 + ((c - 0x10000) & 0x3FF));
    }
    rest.remove_prefix(static_cast<size_t>(point.bytes));
  }
  return escaped;
}

void add_secret_members(const Value& value, Redactor& redactor) {
  if (value.is_list()) {
    for (const Value& member : value.as_list()) add_secret_members(member, redactor);
  } else if (value.is_map()) {
    for (const auto& [key, member] : value.as_map()) {
      if (member.is_string() && is_secret_key(key)) {
        redactor.add(member.as_string());
      } else {
        add_secret_members(member, redactor);
      }
    }
  }
}

}  // namespace

void Redactor::add_form(std::string form) {
  if (form.size() < secret_bytes_min) return;
  auto& forms = forms_[first_byte(form)];
  if (std::ranges::find(forms, form) != forms.end()) return;
  longest_ = std::max(longest_, form.size());
  const auto shorter = [&](const std::string& other) { return other.size() < form.size(); };
  forms.insert(std::ranges::find_if(forms, shorter), std::move(form));
}

// "Basic …" of login and password, a Kubernetes secret, an AWS session: the secret is somewhere inside the
// encoded text, at one of three alignments. The characters that depend on its neighbours are left out.
void Redactor::add_base64_forms(std::string_view secret) {
  const auto add_both = [&](std::string form) {
    add_form(form);
    std::ranges::replace(form, '+', '-');
    std::ranges::replace(form, '/', '_');
    add_form(std::move(form));
  };
  add_both(base64(secret));
  for (size_t before = 0; before < 3; ++before) {
    const std::string encoded = base64(std::string(before, 'x') + std::string(secret));
    const size_t begin = before == 0 ? 0 : before + 1;
    const size_t end = (before + secret.size()) * 8 / 6;
    if (end >= begin + part_bytes_min) add_both(encoded.substr(begin, end - begin));
  }
}

void Redactor::add(std::string_view secret) {
  if (secret.size() < secret_bytes_min) return;
  add_form(std::string(secret));
  add_form(percent_encode(secret));
  add_form(percent_encode(secret, "/"));
  std::string plus = percent_encode(secret);
  for (size_t at = 0; (at = plus.find("%20", at)) != plus.npos;) plus.replace(at, 3, "+");
  add_form(std::move(plus));
  add_form(inside_quotes(to_json(Value(secret))));
  add_form(json_in_ascii(secret));
  add_base64_forms(secret);
  if (secret.find('\n') == secret.npos) return;
  for (const std::string& line : split(secret, '\n')) {
    if (const std::string_view part = trim(line); part.size() >= part_bytes_min) add_form(std::string(part));
  }
}

void Redactor::add_secrets_of(const Connection& connection) {
  add(connection.password);
  if (connection.password.size() >= secret_bytes_min) add_form(base64(connection.login + ":" + connection.password));
  add_secret_members(connection.extra, *this);
}

size_t Redactor::longest_at(std::string_view text) const {
  for (const std::string& form : forms_[first_byte(text)]) {
    if (text.starts_with(form)) return form.size();
  }
  return 0;
}

bool Redactor::may_begin_secret(std::string_view text) const {
  const auto begins = [&](const std::string& form) { return form.size() > text.size() && form.starts_with(text); };
  return std::ranges::any_of(forms_[first_byte(text)], begins);
}

// Everything that belongs to any occurrence of any secret is masked, so that what is left of a longer or
// overlapping one is not shown.
Redactor::Scan Redactor::scan(std::string_view text, size_t masked_until, More more) const {
  Scan result;
  result.held_from = text.size();
  const size_t may_hold_from = text.size() - std::min(text.size(), longest_ - 1);
  size_t copied_until = masked_until;
  for (size_t at = 0; at < text.size(); ++at) {
    if (forms_[first_byte(text.substr(at))].empty()) continue;
    if (more == More::may_follow && at >= may_hold_from && may_begin_secret(text.substr(at))) {
      result.held_from = at;
      break;
    }
    const size_t length = longest_at(text.substr(at));
    if (length == 0) continue;
    if (at >= masked_until) {
      result.printable.append(text, copied_until, at - copied_until).append(mask);
    }
    masked_until = std::max(masked_until, at + length);
    copied_until = masked_until;
  }
  if (copied_until < result.held_from) result.printable.append(text, copied_until, result.held_from - copied_until);
  result.masked_until = masked_until > result.held_from ? masked_until - result.held_from : 0;
  return result;
}

std::string Redactor::redact(std::string_view text) const {
  if (longest_ == 0) return std::string(text);
  return scan(text, 0, More::is_the_end).printable;
}

std::string Redactor::feed(std::string_view chunk) {
  if (longest_ == 0) return std::string(chunk);
  held_ += chunk;
  Scan result = scan(held_, held_masked_, More::may_follow);
  held_.erase(0, result.held_from);
  held_masked_ = result.masked_until;
  return std::move(result.printable);
}

std::string Redactor::flush() {
  Scan result = scan(held_, held_masked_, More::is_the_end);
  held_.clear();
  held_masked_ = 0;
  return std::move(result.printable);
}

}  // namespace udon
