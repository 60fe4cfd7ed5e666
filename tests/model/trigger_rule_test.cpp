#include "model/trigger_rule.h"

#include <catch2/catch.hpp>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/golden.h"

using namespace udon;

namespace {

// Upstream task instances as letters: '.' unfinished, Success, Failed, sKipped, Upstream_failed, Removed; those of
// setup tasks: , s f k u r.
UpstreamCounts counts_of(const std::string& letters) {
  UpstreamCounts counts;
  for (const char written : letters) {
    const bool is_setup = written == ',' || (written >= 'a' && written <= 'z');
    const char letter = is_setup && written != ',' ? static_cast<char>(written - 'a' + 'A') : written;
    ++counts.total;
    counts.setup_total += is_setup;
    counts.setup_success += is_setup && letter == 'S';
    counts.setup_skipped += is_setup && letter == 'K';
    counts.success += letter == 'S';
    counts.failed += letter == 'F';
    counts.skipped += letter == 'K';
    counts.upstream_failed += letter == 'U';
    counts.removed += letter == 'R';
  }
  return counts;
}

char letter_of(TriggerVerdict verdict) {
  switch (verdict) {
    case TriggerVerdict::wait: return '.';
    case TriggerVerdict::run: return 'r';
    case TriggerVerdict::skip: return 's';
    case TriggerVerdict::upstream_failed: return 'u';
  }
  return '?';
}

char verdict(TriggerRule rule, const std::string& letters) { return letter_of(evaluate(rule, counts_of(letters))); }

// Every choice of `length` states, order not counting.
std::vector<std::string> choices(size_t length, const std::string& letters) {
  if (length == 0) return {""};
  std::vector<std::string> result;
  for (size_t i = 0; i < letters.size(); ++i) {
    for (const std::string& rest : choices(length - 1, letters.substr(i))) result.push_back(letters[i] + rest);
  }
  return result;
}

}  // namespace

TEST_CASE("each trigger rule is spelled as Airflow spells it, and read back") {
  CHECK(all_trigger_rules().size() == 13);
  for (const TriggerRule rule : all_trigger_rules()) CHECK(parse_trigger_rule(to_string(rule)) == rule);
  CHECK(parse_trigger_rule("none_failed_or_skipped") == std::nullopt);
  CHECK(parse_trigger_rule("") == std::nullopt);
}

TEST_CASE("the verdict of each rule on all states of one and two upstreams is Airflow's") {
  // Taken from Airflow's own rule (its trigger_rule_dep) by hand-run over the same states.
  const std::string table = R"(
rule                         .  S  F  K  U  ..  .S  .F  .K  .U  SS  SF  SK  SU  FF  FK  FU  KK  KU  UU
all_success                  .  r  u  s  u  .   .   u   s   u   r   u   s   u   u   u   u   s   u   u
all_failed                   .  s  r  s  r  .   s   .   s   .   s   s   s   s   r   s   r   s   s   r
all_done                     .  r  r  r  r  .   .   .   .   .   r   r   r   r   r   r   r   r   r   r
all_done_min_one_success     .  r  u  s  u  .   .   .   s   .   r   r   s   r   u   s   u   s   s   u
all_done_setup_success       .  r  r  r  r  .   .   .   .   .   r   r   r   r   r   r   r   r   r   r
all_skipped                  .  s  s  r  s  .   s   s   .   s   s   s   s   s   s   s   s   r   s   s
one_success                  .  r  u  s  u  .   r   .   .   .   r   r   r   r   u   u   u   s   u   u
one_failed                   .  s  r  s  r  .   .   r   .   r   s   r   s   r   r   r   r   s   r   r
one_done                     .  r  r  s  s  .   r   r   .   .   r   r   r   r   r   r   r   s   s   s
none_failed                  .  r  u  r  u  .   .   u   .   u   r   u   r   u   u   u   u   r   u   u
none_failed_min_one_success  .  r  u  s  u  .   .   u   .   u   r   u   r   u   u   u   u   s   u   u
none_skipped                 .  r  r  s  r  .   .   .   s   .   r   r   s   r   r   s   r   s   s   r
always                       r  r  r  r  r  r   r   r   r   r   r   r   r   r   r   r   r   r   r   r
)";
  std::istringstream lines(table);
  std::string line, word;
  std::getline(lines, line);
  std::getline(lines, line);
  std::istringstream head(line);
  std::vector<std::string> columns;
  head >> word;
  while (head >> word) columns.push_back(word);
  REQUIRE(columns.size() == 20);
  size_t rules = 0;
  while (std::getline(lines, line)) {
    std::istringstream cells(line);
    cells >> word;
    const auto rule = parse_trigger_rule(word);
    REQUIRE(rule);
    ++rules;
    for (const std::string& column : columns) {
      INFO(to_string(*rule) << " on " << column);
      REQUIRE(cells >> word);
      CHECK(verdict(*rule, column) == word[0]);
    }
  }
  CHECK(rules == all_trigger_rules().size());
}

TEST_CASE("every rule decides as Airflow's own code, on all states of up to three upstreams, setups among them") {
  // Made by trigger_rule_table.py from Airflow's trigger_rule_dep.
  const Result<std::string> table = read_file(test::source_folder() / "tests/golden/trigger_rules.txt");
  REQUIRE(table);
  std::istringstream lines(*table);
  std::vector<TriggerRule> rules;
  std::map<std::string, std::string> airflows;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    std::string letters, single, mapped;
    cells >> letters;
    if (letters == "#") continue;
    if (letters == "rules") {
      for (std::string word; cells >> word;) rules.push_back(parse_trigger_rule(word).value());
      continue;
    }
    REQUIRE(cells >> single >> mapped);
    REQUIRE(single.size() == rules.size());
    // Whether the task itself is mapped matters to removed ones only.
    if (letters.find_first_of("rR") == std::string::npos) CHECK(single == mapped);
    airflows[letters] = single;
  }
  REQUIRE(rules.size() == all_trigger_rules().size());
  REQUIRE(airflows.size() == 454);
  for (const auto& [letters, verdicts] : airflows) {
    std::string present = letters;
    std::erase_if(present, [](char letter) { return letter == 'R' || letter == 'r'; });
    // What was removed is not there, to every rule but the one that asks for setups, which were made or were not
    // (see evaluate); if nothing is left, a test below says what becomes.
    if (present.empty()) continue;
    for (size_t i = 0; i < rules.size(); ++i) {
      INFO(to_string(rules[i]) << " on " << letters);
      const bool asks_for_setups = rules[i] == TriggerRule::all_done_setup_success;
      CHECK(verdict(rules[i], letters) == airflows.at(asks_for_setups ? letters : present)[i]);
    }
  }
}

TEST_CASE("a task without upstream runs, whatever its rule") {
  for (const TriggerRule rule : all_trigger_rules()) CHECK(evaluate(rule, UpstreamCounts{}) == TriggerVerdict::run);
}

TEST_CASE("once all upstream are finished no rule waits any more") {
  for (const TriggerRule rule : all_trigger_rules()) {
    for (size_t length = 1; length <= 5; ++length) {
      for (const std::string& states : choices(length, "SFKUR")) {
        INFO(to_string(rule) << " on " << states);
        CHECK(verdict(rule, states) != '.');
      }
    }
  }
}

TEST_CASE(
    "a verdict stands as more upstream finish, but for a skip that a later failure overrides in "
    "all_success") {
  for (const TriggerRule rule : all_trigger_rules()) {
    for (size_t length = 1; length <= 5; ++length) {
      for (const std::string& states : choices(length, ".SFKUR")) {
        const size_t open = states.find('.');
        const char before = verdict(rule, states);
        if (open == std::string::npos || before == '.') continue;
        for (const char ending : std::string("SFKUR")) {
          std::string later = states;
          later[open] = ending;
          INFO(to_string(rule) << " on " << states << ", then " << later);
          if (rule == TriggerRule::all_success && before == 's' && (ending == 'F' || ending == 'U')) {
            CHECK(verdict(rule, later) == 'u');
          } else {
            CHECK(verdict(rule, later) == before);
          }
        }
      }
    }
  }
}

TEST_CASE("a rule waits only while the outcome is open or while it asks for the end of all") {
  for (const TriggerRule rule : all_trigger_rules()) {
    const bool asks_for_all = rule == TriggerRule::all_done || rule == TriggerRule::all_done_setup_success;
    for (size_t length = 1; length <= 4; ++length) {
      for (const std::string& states : choices(length, ".SFKU")) {
        if (verdict(rule, states) != '.' || asks_for_all) continue;
        // Two ways to finish that differ: found among all ways to fill the open ones.
        const auto open = static_cast<size_t>(std::count(states.begin(), states.end(), '.'));
        std::string outcomes;
        for (const std::string& endings : choices(open, "SFKU")) {
          const char outcome = verdict(rule, states.substr(open) + endings);
          if (outcomes.find(outcome) == std::string::npos) outcomes += outcome;
        }
        INFO(to_string(rule) << " on " << states << " can become " << outcomes);
        CHECK(outcomes.size() > 1);
      }
    }
  }
}

TEST_CASE("removed upstream instances count as not there") {
  for (const TriggerRule rule : all_trigger_rules()) {
    for (size_t length = 1; length <= 4; ++length) {
      for (const std::string& states : choices(length, ".SFKU")) {
        INFO(to_string(rule) << " on " << states);
        CHECK(verdict(rule, states + "R") == verdict(rule, states));
        CHECK(verdict(rule, states + "RRR") == verdict(rule, states));
      }
    }
  }
}

TEST_CASE("if all upstream were removed, rules that ask for one of something skip and the others run") {
  for (const TriggerRule rule : all_trigger_rules()) {
    INFO(to_string(rule));
    const bool asks_for_one =
        to_string(rule).starts_with("one_") || to_string(rule).find("min_one") != std::string_view::npos;
    CHECK(verdict(rule, "R") == (asks_for_one ? 's' : 'r'));
    CHECK(verdict(rule, "RR") == (asks_for_one ? 's' : 'r'));
  }
}

TEST_CASE("a teardown runs after all is done if one of its setups succeeded") {
  const TriggerRule rule = TriggerRule::all_done_setup_success;
  UpstreamCounts counts = counts_of("SF");
  counts.setup_total = 1;
  counts.setup_success = 1;
  CHECK(evaluate(rule, counts) == TriggerVerdict::run);  // the work failed, the setup did not
  counts.setup_success = 0;
  CHECK(evaluate(rule, counts) == TriggerVerdict::upstream_failed);  // the setup failed
  counts = counts_of("SKK");
  counts.setup_total = counts.setup_skipped = 2;
  CHECK(evaluate(rule, counts) == TriggerVerdict::skip);
  counts = counts_of("KF");
  counts.setup_total = 2;
  counts.setup_skipped = 1;
  CHECK(evaluate(rule, counts) == TriggerVerdict::upstream_failed);
  counts = counts_of("FS");
  counts.setup_total = 2;
  counts.setup_success = 1;
  CHECK(evaluate(rule, counts) == TriggerVerdict::run);
  counts = counts_of(".S");
  counts.setup_total = counts.setup_success = 1;
  CHECK(evaluate(rule, counts) == TriggerVerdict::wait);
}

TEST_CASE("a hundred thousand mapped upstream instances are counted, not walked") {
  UpstreamCounts counts{.total = 100'000, .success = 99'999};
  CHECK(evaluate(TriggerRule::all_success, counts) == TriggerVerdict::wait);
  counts.success = 100'000;
  CHECK(evaluate(TriggerRule::all_success, counts) == TriggerVerdict::run);
  counts = {.total = 100'000, .failed = 1};
  CHECK(evaluate(TriggerRule::all_success, counts) == TriggerVerdict::upstream_failed);
}
