#pragma once
// Old rows of one table (store/clean_rows.h) in SQLite.
#include "store/clean_rows.h"
#include "store/sqlite/database.h"

namespace udon::sqlite {

// In a transaction of the caller's: whether something refers to a row is looked at in the one that deletes it.
Result<RowsCleaned> clean_rows(Database& database, const RowsStep& step);

}  // namespace udon::sqlite
