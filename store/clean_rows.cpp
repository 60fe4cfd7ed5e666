#include "store/clean_rows.h"

#include <algorithm>
#include <array>
#include <utility>

namespace udon {

namespace {

constexpr std::array<std::pair<RowTable, std::string_view>, 5> names{{{RowTable::asset_event, "asset_event"},
                                                                      {RowTable::backfill, "backfill"},
                                                                      {RowTable::dag_version, "dag_version"},
                                                                      {RowTable::notification, "notification"},
                                                                      {RowTable::log, "log"}}};

}  // namespace

std::string_view to_string(RowTable table) {
  return std::ranges::find(names, table, &std::pair<RowTable, std::string_view>::first)->second;
}

std::optional<RowTable> parse_row_table(std::string_view text) {
  for (const auto& [table, name] : names)
    if (name == text) return table;
  return std::nullopt;
}

const std::vector<RowTable>& all_row_tables() {
  static const std::vector<RowTable> all{RowTable::asset_event, RowTable::backfill, RowTable::dag_version,
                                         RowTable::notification, RowTable::log};
  return all;
}

}  // namespace udon
