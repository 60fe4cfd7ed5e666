// Renders templates for differential.py: a JSON object {"template", "context"} a line in, {"text"} or {"error"} out.
#include <iostream>
#include <string>

#include "dagfile/templates.h"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const udon::Result<udon::Value> request = udon::parse_json(line);
    udon::Value answer = udon::Value::map();
    if (!request) {
      answer.set("error", "request: " + request.error().message);
    } else {
      const udon::Result<std::string> text =
          udon::render_to_text(request->text("template"), request->get("context"), udon::TemplateLookups());
      if (text)
        answer.set("text", *text);
      else
        answer.set("error", text.error().message);
    }
    std::cout << udon::to_json(answer) << "\n";
  }
}
