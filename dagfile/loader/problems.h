#pragma once
// Collects what is wrong with one DAG file, with places.
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dagfile/diagnostic.h"
#include "dagfile/loader/yaml.h"

namespace udon {

class Problems {
 public:
  // All three outlive it.
  Problems(const std::string& file, const YamlFile& yaml, std::vector<Diagnostic>& out)
      : file_(file), yaml_(yaml), out_(out) {}

  void name_dag(std::string dag_id) { dag_id_ = std::move(dag_id); }
  void error(uint32_t offset, std::string message) { add(Diagnostic::Severity::error, offset, std::move(message)); }
  void error(const YamlNode& node, std::string message) { error(node.offset, std::move(message)); }
  void warning(uint32_t offset, std::string message) { add(Diagnostic::Severity::warning, offset, std::move(message)); }
  int errors() const { return errors_; }
  const YamlFile& yaml() const { return yaml_; }

 private:
  void add(Diagnostic::Severity severity, uint32_t offset, std::string message) {
    if (severity == Diagnostic::Severity::error) ++errors_;
    // What default_args say is met by each task, and told once.
    if (!told_.emplace(offset, message).second) return;
    // A file of a thousand wrong tasks is told by its first hundred problems.
    if (++count_ > problems_max) return;
    if (count_ == problems_max) message = "there are more problems than are shown; this is the last: " + message;
    const YamlPlace place = yaml_.place(offset);
    out_.push_back({severity, file_, place.line, place.column, std::move(message), dag_id_});
  }

  static constexpr int problems_max = 100;
  const std::string& file_;
  const YamlFile& yaml_;
  std::vector<Diagnostic>& out_;
  std::string dag_id_;
  std::set<std::pair<uint32_t, std::string>> told_;
  int errors_ = 0;
  int count_ = 0;
};

}  // namespace udon
