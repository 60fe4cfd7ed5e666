#pragma once
// Counters and gauges, printed in Prometheus' text format. Handed to whoever counts; no global registry.
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace udon {

class Metrics {
 public:
  // Stays valid as long as this object; the same name and labels give the same one. labels: `state="success"`.
  std::atomic<int64_t>& counter(const std::string& name, const std::string& help, const std::string& labels = {});
  std::atomic<int64_t>& gauge(const std::string& name, const std::string& help, const std::string& labels = {});
  std::string prometheus_text() const;

 private:
  struct Entry {
    std::string name, help, labels, type;
    std::atomic<int64_t> value{0};
  };
  std::atomic<int64_t>& find(const std::string& type, const std::string& name, const std::string& help,
                             const std::string& labels);
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // deque: references stay valid
};

}  // namespace udon
