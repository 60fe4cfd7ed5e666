#include "model/run.h"

#include <catch2/catch.hpp>

#include "model/report.h"

using namespace udon;

TEST_CASE("a run id is its type and its time as Airflow writes them") {
  const TimePoint time = *parse_time("2026-01-31T00:02:00Z");
  CHECK(make_run_id(RunType::manual, time) == "manual__2026-01-31T00:02:00+00:00");
  CHECK(make_run_id(RunType::scheduled, time) == "scheduled__2026-01-31T00:02:00+00:00");
  CHECK(make_run_id(RunType::backfill, time) == "backfill__2026-01-31T00:02:00+00:00");
  CHECK(make_run_id(RunType::asset_triggered, time) == "asset_triggered__2026-01-31T00:02:00+00:00");
  // Two triggers within a second have two names.
  CHECK(make_run_id(RunType::manual, time + Duration(250'000)) == "manual__2026-01-31T00:02:00.250000+00:00");
}

TEST_CASE("each run type and end cause is read back from its word") {
  for (const RunType type : {RunType::manual, RunType::scheduled, RunType::backfill, RunType::asset_triggered}) {
    CHECK(parse_run_type(to_string(type)) == type);
  }
  CHECK(parse_run_type("dataset_triggered") == std::nullopt);
  for (int i = 0; i <= static_cast<int>(EndCause::error); ++i) {
    const auto cause = static_cast<EndCause>(i);
    CHECK(parse_end_cause(to_string(cause)) == cause);
  }
  CHECK(parse_end_cause("oom") == std::nullopt);
}

TEST_CASE("a try id is read back from its text, also where the installation's name has dashes") {
  for (const TryId& id : {TryId{"k3f9", 1}, TryId{"a-b-c", 42}, TryId{"x_Y-0", 9'223'372'036'854'775'807}}) {
    CHECK(parse_try_id(to_string(id)) == id);
  }
  CHECK(to_string(TryId{"k3f9", 17}) == "k3f9-17");
}

TEST_CASE("what could name another folder, or the same try twice, is no try id") {
  for (const char* text : {"", "-", "-1", "x", "x-", "x-0", "x-07", "x-+7", "x- 7", "x-7 ", "x-7a", "x--", "../x-1",
                           "a/b-1", ".-1", "x.y-1", "홈-1", "x-9223372036854775808", "x-99999999999999999999"}) {
    INFO(text);
    CHECK(parse_try_id(text) == std::nullopt);
  }
  CHECK(parse_try_id(std::string_view("x\0-1", 4)) == std::nullopt);
}

TEST_CASE("a task instance is named by its path, with its map index if it is mapped") {
  CHECK(to_string(TaskInstanceKey{"lake", "manual__1", "export", 3}) == "lake/manual__1/export[3]");
  CHECK(to_string(TaskInstanceKey{"lake", "manual__1", "export", 0}) == "lake/manual__1/export[0]");
  CHECK(to_string(TaskInstanceKey{"호수", "실행 1", "내보내기", -1}) == "호수/실행 1/내보내기");
}
