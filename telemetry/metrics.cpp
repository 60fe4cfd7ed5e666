#include "telemetry/metrics.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace udon {

std::atomic<int64_t>& Metrics::counter(const std::string& name, const std::string& help, const std::string& labels) {
  return find("counter", name, help, labels);
}

std::atomic<int64_t>& Metrics::gauge(const std::string& name, const std::string& help, const std::string& labels) {
  return find("gauge", name, help, labels);
}

std::atomic<int64_t>& Metrics::find(const std::string& type, const std::string& name, const std::string& help,
                                    const std::string& labels) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_)
    if (entry.name == name && entry.labels == labels) return entry.value;
  Entry& entry = entries_.emplace_back();
  entry.name = name, entry.help = help, entry.labels = labels, entry.type = type;
  return entry.value;
}

std::string Metrics::prometheus_text() const {
  const std::lock_guard lock(mutex_);
  // The format wants all samples of one name in one group, under one HELP and TYPE.
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries_) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(),
            [](const Entry* a, const Entry* b) { return std::tie(a->name, a->labels) < std::tie(b->name, b->labels); });
  std::string text;
  const std::string* last_name = nullptr;
  for (const Entry* entry : sorted) {
    if (!last_name || *last_name != entry->name) {
      std::string help;
      for (const char c : entry->help) help += c == '\\' ? "\\\\" : c == '\n' ? "\\n" : std::string(1, c);
      text += "# HELP " + entry->name + " " + help + "\n# TYPE " + entry->name + " " + entry->type + "\n";
      last_name = &entry->name;
    }
    text += entry->name;
    if (!entry->labels.empty()) text += "{" + entry->labels + "}";
    text += " " + std::to_string(entry->value.load()) + "\n";
  }
  return text;
}

}  // namespace udon
