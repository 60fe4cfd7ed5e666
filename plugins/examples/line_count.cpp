// An operator in a shared object: counts the lines of a file, and fails if there are fewer than it should have.
// docs/plugins.md tells how to build and install it.
#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <cerrno>

#include <string>

#include "base/file.h"
#include "plugins/api/plugin.h"

namespace {

constexpr const char* description = R"json({
  "name": "line_count",
  "kind": "process",
  "summary": "Counts the lines of a file, and fails if there are too few.",
  "params": [
    {"name": "path", "type": "string", "required": true, "help": "The file; relative to the DAGs folder."},
    {"name": "at_least", "type": "integer", "default": 0, "min": 0, "unit": "lines", "help": "Fewer lines are an error."}
  ],
  "outputs": "{lines, bytes}."
})json";

constexpr const char* help = R"md(# line_count
Counts the lines of a file, and fails if there are fewer than `at_least`. A last line without an end counts too.

## Example
```yaml
tasks:
  enough:
    operator: line_count
    path: partner/prices.csv
    at_least: 100
```
)md";

class LineCount final : public udon::Operator {
 public:
  udon::Result<udon::Outcome> run(udon::TaskContext& context) override {
    const udon::Value& parameters = context.parameters();  // rendered, checked, defaults filled in
    const udon::Path path = context.dags_folder() / parameters.text("path");
    TRY_ASSIGN(const udon::FileDescriptor file, udon::open_file(path, O_RDONLY));
    int64_t lines = 0, bytes = 0;
    char last = '\n';
    std::array<char, 1 << 16> buffer;
    while (const ssize_t got = read(file.get(), buffer.data(), buffer.size())) {
      if (got < 0) return udon::io_error("read", path, errno);
      if (context.stop_requested()) return udon::Error{udon::ErrorKind::cancelled, "asked to stop"};
      for (ssize_t i = 0; i < got; ++i) lines += buffer[static_cast<size_t>(i)] == '\n';
      last = buffer[static_cast<size_t>(got - 1)];
      bytes += got;
    }
    if (last != '\n') lines += 1;
    context.log(path.string() + " has " + std::to_string(lines) + " lines");
    // Kind `data`: no retry would change it.
    if (lines < parameters.integer("at_least"))
      return udon::Error{udon::ErrorKind::data, path.string() + " has " + std::to_string(lines) + " lines, expected " +
                                                    std::to_string(parameters.integer("at_least")) + " or more"};
    udon::Outcome outcome;
    outcome.return_value = udon::Value::Map{{"lines", lines}, {"bytes", bytes}};
    outcome.message = std::to_string(lines) + " lines";
    return outcome;
  }
};

std::unique_ptr<udon::Operator> make_line_count() { return std::make_unique<LineCount>(); }

constexpr udon::PluginOperator operators[] = {{description, help, make_line_count, nullptr, nullptr}};

}  // namespace

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::Plugin plugin{.operators = operators, .operator_count = 1};
  return &plugin;
}
