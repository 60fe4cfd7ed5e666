#pragma once
// Questions to people and deferrals in SQLite; called by the reader and the writer, within their transactions.
#include "store/sqlite/database.h"
#include "store/wait_reader.h"
#include "store/writer.h"

namespace udon::sqlite {

Result<void> put_question(Database& db, const AskedQuestion& row);
Result<void> put_deferral(Database& db, const Deferral& row);
Result<void> drop_deferral(Database& db, InstanceNumber instance);

Result<Page<QuestionRow>> questions(Database& db, const QuestionFilter& filter, const PageRequest& page);
Result<std::optional<AskedQuestion>> question(Database& db, InstanceNumber instance, int try_number);
Result<std::vector<AskedQuestion>> live_questions_of(Database& db, RunNumber run);
Result<std::vector<Deferral>> deferrals_of(Database& db, RunNumber run);

}  // namespace udon::sqlite
