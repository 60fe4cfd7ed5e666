#pragma once
// The body of a request, and the texts of its headers, from what a DAG file says.
#include <optional>
#include <string>

#include "base/net/http_client.h"
#include "base/result.h"
#include "base/value.h"

namespace udon {

// Of a text, number or boolean; nothing of anything else.
std::optional<std::string> header_text(const Value& value);

// The parameter `headers`. invalid: a value that is no text or number; a header that the transport itself sets.
Result<HttpHeaders> parse_headers(const Value& headers);

bool has_header(const HttpHeaders& headers, std::string_view lower_name);
std::string header_of(const HttpHeaders& headers, std::string_view lower_name);

// The parameter `body`: a text as it is, a map as form fields if the headers say so, anything else as JSON. Adds
// Content-Type where the headers have none.
Result<std::string> make_body(const Value& body, HttpHeaders& headers);

}  // namespace udon
