#include "store/sqlite/sqlite_waits.h"

#include <variant>

#include "store/rules.h"
#include "store/sqlite/rows.h"

namespace udon::sqlite {

namespace {

// Of question as q.
constexpr std::string_view question_columns = "q.instance, q.try_number, q.asked_at, q.question, q.answer";

Result<AskedQuestion> read_question_at(const Query& row, int first) {
  AskedQuestion asked;
  asked.instance = row.integer(first);
  asked.try_number = static_cast<int>(row.integer(first + 1));
  asked.asked_at = row.time(first + 2);
  TRY_ASSIGN(const Value question, read_json(row, first + 3));
  TRY_ASSIGN(asked.question, parse_question(question));
  if (row.is_null(first + 4)) return asked;
  TRY_ASSIGN(const Value answer, read_json(row, first + 4));
  TRY_ASSIGN(asked.answer, parse_answer(answer));
  return asked;
}
Result<AskedQuestion> read_question(const Query& row) { return read_question_at(row, 0); }

// instance_columns, name_columns, question_columns.
Result<QuestionRow> read_question_row(const Query& row) {
  constexpr int named_width = width_of(instance_columns) + width_of(name_columns);
  QuestionRow found;
  TRY_ASSIGN(found.instance, read_named_instance(row));
  TRY_ASSIGN(found.asked, read_question_at(row, named_width));
  return found;
}

Result<Deferral> read_deferral(const Query& row) {
  Deferral deferral;
  deferral.instance = row.integer(0);
  deferral.try_number = static_cast<int>(row.integer(1));
  deferral.fence = row.integer(2);
  deferral.started_at = row.time(3);
  deferral.since = row.time(4);
  TRY_ASSIGN(const Value what, read_json(row, 5));
  TRY_ASSIGN(deferral.what, parse_deferring(what));
  if (row.is_null(6)) return deferral;
  TRY_ASSIGN(deferral.event, read_json(row, 6));
  return deferral;
}

Result<void> refused_without_instance(Result<void> done, InstanceNumber instance) {
  if (!done && done.error().kind == ErrorKind::conflict) return missing_instance(instance);
  return done;
}

// LIKE's pattern for a text that holds `part`.
std::string pattern_of(const std::string& part) {
  std::string pattern = "%";
  for (const char c : part) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

struct Conditions {
  std::string sql = " WHERE q.try_number = t.try_number";
  std::vector<std::variant<int64_t, std::string>> values;
  void add(const std::string& condition) { sql += " AND " + condition; }
  template <class T>
  void add(const std::string& condition, const T& value) {
    add(condition);
    values.emplace_back(value);
  }
  void add_among(const std::string& column, const std::vector<std::string>& wanted) {
    if (wanted.empty()) return;
    std::string marks = "?";
    for (size_t i = 1; i < wanted.size(); ++i) marks += ", ?";
    add(column + " IN (" + marks + ")");
    for (const std::string& one : wanted) values.emplace_back(one);
  }
  void bind_to(Query& query) const {
    for (const auto& value : values) std::visit([&](const auto& one) { query.add(one); }, value);
  }
};

Conditions conditions_of(const QuestionFilter& filter) {
  Conditions where;
  where.add_among("r.dag_id", filter.dag_ids);
  where.add_among("r.run_id", filter.run_ids);
  where.add_among("t.task_id", filter.task_ids);
  if (filter.map_index) where.add("t.map_index = ?", int64_t{*filter.map_index});
  std::vector<std::string> states;
  for (const TaskState state : filter.states) states.emplace_back(to_string(state));
  where.add_among("t.state", states);
  if (filter.is_answered) where.add(*filter.is_answered ? "q.answer IS NOT NULL" : "q.answer IS NULL");
  where.add_among("q.answered_by", filter.answered_by);
  if (filter.subject_like) where.add("q.subject LIKE ? ESCAPE '\\'", pattern_of(*filter.subject_like));
  if (filter.body_like) where.add("q.body LIKE ? ESCAPE '\\'", pattern_of(*filter.body_like));
  if (filter.asked_gte) where.add("q.asked_at >= ?", int64_t{filter.asked_gte->time_since_epoch().count()});
  if (filter.asked_lte) where.add("q.asked_at <= ?", int64_t{filter.asked_lte->time_since_epoch().count()});
  return where;
}

}  // namespace

Result<void> put_question(Database& db, const AskedQuestion& row) {
  Query query = db.query(
      "INSERT INTO question (instance, try_number, asked_at, subject, body, question, answered_at, answered_by, answer)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (instance, try_number) DO UPDATE SET asked_at = "
      "excluded.asked_at, subject = excluded.subject, body = excluded.body, question = excluded.question, "
      "answered_at = excluded.answered_at, answered_by = excluded.answered_by, answer = excluded.answer");
  query.bind(row.instance, row.try_number, row.asked_at, row.question.subject, row.question.body,
             to_json(to_value(row.question)));
  if (row.answer)
    query.bind(row.answer->at, row.answer->user, to_json(to_value(*row.answer)));
  else
    query.bind(std::nullopt, std::nullopt, std::nullopt);
  return refused_without_instance(query.run(), row.instance);
}

Result<void> put_deferral(Database& db, const Deferral& row) {
  Query query = db.query(
      "INSERT OR REPLACE INTO deferral (instance, try_number, fence, started_at, since, what, event) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  query.bind(row.instance, row.try_number, row.fence, row.started_at, row.since, to_json(to_value(row.what)));
  if (row.event)
    query.bind(to_json(*row.event));
  else
    query.bind(std::nullopt);
  return refused_without_instance(query.run(), row.instance);
}

Result<void> drop_deferral(Database& db, InstanceNumber instance) {
  return db.query("DELETE FROM deferral WHERE instance = ?").bind(instance).run();
}

Result<Page<QuestionRow>> questions(Database& db, const QuestionFilter& filter, const PageRequest& request) {
  TRY(check_page(request));
  TRY_ASSIGN(const Order order, parse_order(filter.order_by, question_orders));
  const Conditions where = conditions_of(filter);
  // What waits is found by the index of open questions, whatever else there is.
  const bool is_open = filter.is_answered == false;
  const std::string from = std::string(" FROM question q") + (is_open ? " INDEXED BY question_open" : "") +
                           " CROSS JOIN task_instance t ON t.number = q.instance CROSS JOIN dag_run r ON r.number = "
                           "t.run";
  const std::string direction = order.descending ? " DESC" : "";
  const std::string column = order.column == "number" ? "t.number" : "q." + std::string(order.column);
  Page<QuestionRow> page;
  {
    Query query = db.query("SELECT " + std::string(instance_columns) + ", " + std::string(name_columns) + ", " +
                           std::string(question_columns) + from + where.sql + " ORDER BY " + column + direction +
                           ", t.number" + direction + " LIMIT ? OFFSET ?");
    where.bind_to(query);
    TRY_ASSIGN(page.rows, read_all(query.bind(request.limit, request.offset), read_question_row));
  }
  Query count = db.query("SELECT count(*)" + from + where.sql);
  where.bind_to(count);
  TRY_ASSIGN(const bool has_row, count.next());
  page.total = has_row ? count.integer(0) : 0;
  return page;
}

Result<std::optional<AskedQuestion>> question(Database& db, InstanceNumber instance, int try_number) {
  Query query = db.query("SELECT " + std::string(question_columns) +
                         " FROM question q WHERE q.instance = ? AND q.try_number = ?");
  return read_one(query.bind(instance, try_number), read_question);
}

Result<std::vector<AskedQuestion>> live_questions_of(Database& db, RunNumber run) {
  Query query = db.query("SELECT " + std::string(question_columns) +
                         " FROM task_instance t CROSS JOIN question q ON q.instance = t.number AND q.try_number = "
                         "t.try_number WHERE t.run = ? AND t.state IN ('deferred', 'restarting') ORDER BY t.number");
  return read_all(query.bind(run), read_question);
}

Result<std::vector<Deferral>> deferrals_of(Database& db, RunNumber run) {
  Query query = db.query(
      "SELECT d.instance, d.try_number, d.fence, d.started_at, d.since, d.what, d.event FROM task_instance t CROSS "
      "JOIN deferral d ON d.instance = t.number WHERE t.run = ? ORDER BY t.number");
  return read_all(query.bind(run), read_deferral);
}

}  // namespace udon::sqlite
