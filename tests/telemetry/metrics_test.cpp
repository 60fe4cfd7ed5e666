#include "telemetry/metrics.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

using udon::Metrics;

TEST_CASE("the same name and labels are the same counter, whoever asks") {
  Metrics metrics;
  metrics.counter("udon_tries_total", "Tries ended.", "state=\"success\"") += 2;
  metrics.counter("udon_tries_total", "Tries ended.", "state=\"success\"") += 1;
  metrics.counter("udon_tries_total", "Tries ended.", "state=\"failed\"") += 5;
  metrics.gauge("udon_ready", "Whether the first load is done.\nSecond line with a \\.") = 1;
  CHECK(metrics.prometheus_text() ==
        "# HELP udon_ready Whether the first load is done.\\nSecond line with a \\\\.\n"
        "# TYPE udon_ready gauge\n"
        "udon_ready 1\n"
        "# HELP udon_tries_total Tries ended.\n"
        "# TYPE udon_tries_total counter\n"
        "udon_tries_total{state=\"failed\"} 5\n"
        "udon_tries_total{state=\"success\"} 3\n");
}

TEST_CASE("threads count together while others are added and read") {
  Metrics metrics;
  std::atomic<int> empty_texts = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&metrics, &empty_texts, t] {
      for (int i = 0; i < 1000; ++i) {
        ++metrics.counter("shared_total", "Shared.");
        ++metrics.counter("own_total", "Own.", "thread=\"" + std::to_string(t) + "-" + std::to_string(i % 10) + "\"");
        if (i % 100 == 0 && metrics.prometheus_text().empty()) ++empty_texts;  // Catch's CHECK is for one thread
      }
    });
  threads.clear();
  CHECK(empty_texts == 0);
  CHECK(metrics.counter("shared_total", "Shared.") == 4000);
}
