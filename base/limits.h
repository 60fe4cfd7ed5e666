#pragma once
// Everything has a limit. They stand here, each with its reason, so that a reader can weigh them together.
#include <chrono>
#include <cstdint>

namespace udon::limits {

using namespace std::chrono_literals;

// A REST body: a conf or a bulk edit; more is a mistake or an attack. The socket of tries uses the same.
inline constexpr int64_t http_body_bytes_max = 10 << 20;
// An XCom value is a small fact that tasks hand on (counts, paths), kept in the database; data goes to files.
inline constexpr int64_t xcom_bytes_max = 1 << 20;
// A result file of a try: its XComs and its certificate.
inline constexpr int64_t result_bytes_max = 8 << 20;
// A try's log, 64 MiB: how it began, and, past that, the newest lines, because the reason of a failure stands at the
// end. These go to so many files in turn (spool/log_parts.h), the oldest being removed; what was left out between is
// counted.
inline constexpr int64_t log_beginning_bytes = 48 << 20;
inline constexpr int64_t log_part_bytes = 4 << 20;
inline constexpr int log_parts = 4;
inline constexpr int64_t log_bytes_max = log_beginning_bytes + log_parts * log_part_bytes;
// One line of a log: longer ones are cut in the file and marked.
inline constexpr int64_t log_line_bytes_max = 1 << 20;
// What one turn of the loop moves, so that commands and reports never wait long behind a huge fan-out.
inline constexpr int moves_per_turn_max = 5'000;
// Runs that one command clears or marks, and task instances in them: all in one commit, for which everybody else waits,
// and in memory for as long.
inline constexpr int runs_changed_max = 1'000;
inline constexpr int64_t instances_changed_max = 100'000;
// Dates of one backfill: all of them are named at once by a dry run.
inline constexpr int backfill_dates_max = 100'000;
// Dates that backfills take in one turn of the loop: each asks the store whether it has a run.
inline constexpr int backfill_dates_per_turn_max = 500;
// Mapped task instances of one task.
inline constexpr int map_length_max = 100'000;
// A DAG file, and how deep its values nest: yaml-cpp recurses.
inline constexpr int64_t dag_file_bytes_max = 4 << 20;
inline constexpr int value_depth_max = 100;
// Values in one such file, aliases expanded: a few lines of them can stand for billions.
inline constexpr int64_t dag_file_values_max = 500'000;
// Output of one template, and the steps that rendering may take: a template is data, it must end.
inline constexpr int64_t template_output_bytes_max = 4 << 20;
inline constexpr int template_steps_max = 1'000'000;
// Between two looks at the DAG files: a second while that is quick; thousands of them may cost half a percent of a
// processor, no more.
inline constexpr auto catalog_pause_min = 1s;
inline constexpr auto catalog_pause_max = 30s;
// Ids become file names, URL parts and column values.
inline constexpr int id_bytes_max = 250;
// Left on the home's disk, or no try is started: it could write neither its log nor its result, and would fail for it.
// What runs may still need this much; the store's log of writes is not cut for less.
inline constexpr int64_t disk_bytes_min = 1 << 20;
// Between SIGTERM and SIGKILL when a try is ended.
inline constexpr auto kill_grace = 5s;
// Rows that one page of a list holds at most; Airflow's maximum_page_limit.
inline constexpr int page_rows_max = 100;
inline constexpr int page_rows_default = 50;
// Files of one published result: readers open each, and whoever publishes lists all of them; 4,000 of 256 MB are 1 TB.
inline constexpr int files_per_result_max = 4'000;
// Commands waiting for the loop; past it a caller is told to come back.
inline constexpr int inbox_commands_max = 10'000;

// What is said of one event of an asset, and the events that a try is told of, the newest: they stand in its request.
inline constexpr int64_t asset_extra_bytes_max = 64 << 10;
inline constexpr size_t asset_events_told_max = 100;

}  // namespace udon::limits
