#pragma once
#include <optional>
#include <vector>

#include "base/result.h"
#include "plugins/data/mysql_types.h"
#include "plugins/data/reader.h"
#include "plugins/data/wall_clock.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

// The request's condition with its values bound. An instant ("2026-01-01T00:00:00Z") becomes what the columns that the
// condition mentions hold: UTC for TIMESTAMP, the declared zone's wall clock for DATETIME and DATE. Handed over as it
// is, the server would drop its offset without a word, and a day would start hours off; a time without offset against a
// TIMESTAMP it would take as UTC, so that is read in the declared zone. invalid: where the zone was not declared, or it
// is not known which kind a value is compared with.
Result<BoundSql> bind_mysql_where(const TableRequest& request, const std::vector<MysqlCatalogColumn>& catalog,
                                  const std::optional<WallClock>& clock);

}  // namespace udon::data
