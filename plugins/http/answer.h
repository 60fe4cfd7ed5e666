#pragma once
// What a response means: whether it is one that the task expects, what kind of failure it is otherwise, and what of it
// becomes an XCom.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/net/http_client.h"
#include "base/result.h"
#include "base/value.h"

namespace udon {

// The parameter `expected_status`: 200, "2xx", "200-204", or a list of such.
class ExpectedStatus {
 public:
  static Result<ExpectedStatus> parse(const Value& value);
  bool contains(int status) const;
  std::string text() const;  // "2xx, 404"

 private:
  std::vector<std::pair<int, int>> ranges_;
  std::vector<std::string> texts_;
};

std::string status_text(int status);  // "404 Not Found"

using Redact = std::function<std::string(std::string_view)>;

// The failure that a status stands for which is not expected: by its kind a retry is worth while or not. Quotes the
// beginning of the body, redacted, and how long the server asks to wait.
Error unexpected_status(const std::string& what, const HttpResponse& response, const ExpectedStatus& expected,
                        const Redact& redact);

enum class KeepResponse { by_type, json, text, none };

// The body as a value. data: it is not the JSON that it has to be (quotes its beginning, redacted, and what to do
// instead, if there is anything), no UTF-8, or longer than an XCom may be.
Result<Value> response_value(const HttpResponse& response, KeepResponse keep, const Redact& redact,
                             std::string_view instead = {});

// The parameter `expect`: {"data.state": done}: members of the JSON that have to be equal. data: says which is not.
Result<void> check_members(const Value& body, const Value& expect);

}  // namespace udon
