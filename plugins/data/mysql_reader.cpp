#include <arrow/api.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/text.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/mysql_catalog.h"
#include "plugins/data/mysql_decode.h"
#include "plugins/data/mysql_hash.h"
#include "plugins/data/mysql_types.h"
#include "plugins/data/mysql_where.h"
#include "plugins/data/mysql_wire.h"
#include "plugins/data/reader.h"
#include "plugins/data/wall_clock.h"
#include "plugins/db/mysql/row_stream.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/sql_text.h"

namespace udon::data {
namespace {

Result<void> check_policies(const Policies& policies) {
  struct Rule {
    const char* name;
    const std::string& choice;
    std::vector<std::string> choices;
  };
  const Rule rules[] = {{"zero_dates", policies.zero_dates, {"error", "null"}},
                        {"ancient_dates", policies.ancient_dates, {"error", "null", "keep"}},
                        {"invalid_text", policies.invalid_text, {"error", "null", "replace"}}};
  for (const Rule& rule : rules)
    if (std::find(rule.choices.begin(), rule.choices.end(), rule.choice) == rule.choices.end())
      return Error{ErrorKind::invalid, std::string(rule.name) + ": `" + rule.choice + "` is not one of " +
                                           join(rule.choices, ", ") + did_you_mean(rule.choice, rule.choices)};
  return {};
}

// What went wrong with a value, and what to paste into the DAG file against it.
struct Advice {
  const char* what;
  const char* choices;
};
Advice advice_for(ValueProblem problem) {
  switch (problem) {
    case ValueProblem::zero_date: return {"is no day of the calendar", "`zero_dates: 'null'`"};
    case ValueProblem::ancient_date:
      return {"is before 1582-10-15, which Spark refuses or shifts",
              "`ancient_dates: keep` or `ancient_dates: 'null'`"};
    case ValueProblem::skipped_time:
      return {"never was on a clock of the declared `timezone`", "no `timezone`: the column stays without zone"};
    case ValueProblem::repeated_time:
      return {"was twice on a clock of the declared `timezone`", "no `timezone`: the column stays without zone"};
    case ValueProblem::invalid_text: return {"is no valid UTF-8", "`invalid_text: replace` or `invalid_text: 'null'`"};
    case ValueProblem::unmapped_text:
      return {"holds a character that the server cannot convert to Unicode",
              "`invalid_text: replace` or `invalid_text: 'null'`"};
    case ValueProblem::too_large: return {"is too large", "a larger `memory`, of which a value may take an eighth"};
    case ValueProblem::malformed: return {"is not what the protocol says", ""};
    case ValueProblem::no_memory: return {"finds no memory", ""};
    case ValueProblem::none: break;
  }
  return {"", ""};
}

class MysqlReader final : public TableReader, public BatchSource {
 public:
  explicit MysqlReader(Connection connection) : connection_(std::move(connection)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    request_ = request;
    TRY(check_policies(request.policies));
    TRY_ASSIGN(TableName name, parse_table_name(request.table, SqlDialect::mysql));
    if (name.schema.empty()) name.schema = connection_.schema;
    if (name.schema.empty())
      return Error{ErrorKind::invalid, "table `" + request.table + "`: write DATABASE.TABLE, as connection " +
                                           connection_.id + " names no database"};
    if (!request.timezone.empty()) {
      TRY_ASSIGN(clock_, WallClock::of_zone(request.timezone));
    }
    table_ = name.schema + "." + name.table;

    MysqlOptions options;
    options.program = "udon export " + table_;
    TRY_ASSIGN(session_, MysqlSession::connect(connection_, options, stop));
    TRY(open_snapshot());
    TRY_ASSIGN(const MysqlTableFacts facts, read_mysql_table_facts(name));
    auto opened = open_rows(facts);
    if (!opened) return opened.error().within("table " + table_);
    std::vector<ColumnInfo> columns;
    for (const MysqlColumnPlan& plan : plans_) columns.push_back(plan.info);
    return columns;
  }

  Result<std::optional<SourceBatch>> next() override {
    if (has_ended_) return std::optional<SourceBatch>();
    const bool is_hashed = request_.certify != CertifyLevel::rows;
    for (auto& decoder : decoders_) decoder->reserve(request_.batch_rows);
    SourceBatch batch;
    if (is_hashed) {
      batch.hashes.resize(plans_.size());
      for (auto& column : batch.hashes) column.reserve(static_cast<size_t>(request_.batch_rows));
    }
    int64_t rows = 0, bytes = 0;
    while (rows < request_.batch_rows && bytes < request_.batch_bytes) {
      std::span<const uint8_t> packet;
      const MysqlRowStream::Step step = stream_->next(packet);
      if (step == MysqlRowStream::Step::failed) return stream_->error().within("table " + table_);
      if (step == MysqlRowStream::Step::end) {
        has_ended_ = true;
        break;
      }
      if (!splitter_->split(packet, cells_))
        return Error{ErrorKind::unavailable, session_->address() + ": table " + table_ + ", row " +
                                                 std::to_string(stream_->rows()) + ": the server sent a malformed row"};
      for (size_t column = 0; column < plans_.size(); ++column) {
        const std::optional<int64_t> marks = question_marks(column);
        const ValueProblem problem = decoders_[column]->append(cells_[column], marks);
        if (problem != ValueProblem::none) return value_error(problem, column);
        if (is_hashed) batch.hashes[column].push_back(hasher_->hash(column, cells_[column], marks));
      }
      ++rows;
      bytes += static_cast<int64_t>(packet.size());
    }
    if (rows == 0) {
      TRY(close_snapshot());
      return std::optional<SourceBatch>();
    }
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (auto& decoder : decoders_) {
      TRY_ASSIGN(arrays.emplace_back(), from_arrow(decoder->finish(), "batch of " + table_));
    }
    batch.rows = arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
    return std::optional<SourceBatch>(std::move(batch));
  }

  std::vector<BatchSource*> sources() override { return {this}; }
  std::string mechanism() const override { return mechanism_; }
  std::string position() const override { return position_; }
  std::vector<size_t> key_columns() const override { return key_; }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (const auto& decoder : decoders_)
      for (PolicyUse& use : decoder->policy_uses()) uses.push_back(std::move(use));
    return uses;
  }

 private:
  Result<MysqlTableFacts> read_mysql_table_facts(const TableName& name) {
    return data::read_mysql_table_facts(*session_, name);
  }

  Result<void> open_snapshot() {
    TRY(prepare_mysql_session(*session_));
    MysqlPosition position;
    TRY(position.before_snapshot(*session_));
    TRY(session_->execute("start transaction with consistent snapshot, read only"));
    TRY_ASSIGN(position_, position.after_snapshot(*session_));
    return {};
  }

  Result<void> open_rows(const MysqlTableFacts& facts) {
    mechanism_ = "one reader, START TRANSACTION WITH CONSISTENT SNAPSHOT, REPEATABLE READ, InnoDB";
    if (facts.is_view) mechanism_ += ", all tables below the view";
    if (!facts.other_engines.empty()) {
      const std::string others = join(facts.other_engines, ", ");
      if (request_.consistency != "none")
        return Error{ErrorKind::unsupported, "not InnoDB, so there is no snapshot of it: " + others +
                                                 "; say `consistency: none` to take rows as they are"};
      mechanism_ = "one reader, no snapshot (consistency: none): " + others;
      position_.clear();
    }
    TRY_ASSIGN(plans_, plan_mysql_columns(facts.columns, request_));
    TRY_ASSIGN(BoundSql where, bind_mysql_where(request_, facts.columns, clock_));

    std::string sql = "select ";
    for (const MysqlColumnPlan& plan : plans_) sql += (&plan == &plans_.front() ? "" : ", ") + plan.select;
    size_t extra = plans_.size();
    for (const MysqlColumnPlan& plan : plans_) {
      marks_.push_back(plan.question_marks.empty() ? 0 : extra++);
      if (!plan.question_marks.empty()) sql += ", " + plan.question_marks;
    }
    sql += " from " + quote_identifier(facts.name.schema, SqlDialect::mysql) + "." +
           quote_identifier(facts.name.table, SqlDialect::mysql);
    // On a line of its own: the condition may end in a comment.
    if (!where.sql.empty()) sql += " where (" + where.sql + "\n)";
    TRY_ASSIGN(stream_, MysqlRowStream::open(*session_, sql, where.values));
    TRY(check_mysql_result(plans_, stream_->columns()));

    splitter_.emplace(stream_->columns());
    hasher_.emplace(plans_, request_, clock_);
    arrow::FieldVector fields;
    for (const MysqlColumnPlan& plan : plans_) {
      decoders_.push_back(make_mysql_decoder(plan, request_, clock_));
      fields.push_back(arrow::field(plan.info.request.name, plan.info.type, plan.info.nullable));
    }
    schema_ = arrow::schema(std::move(fields));
    find_key(facts.key);
    return {};
  }

  // The primary key names a row in messages, if all of it was chosen and none of it is masked.
  void find_key(const std::vector<std::string>& key) {
    for (const std::string& name : key) {
      const auto found = std::find_if(plans_.begin(), plans_.end(), [&](const MysqlColumnPlan& plan) {
        return lower_ascii(plan.info.request.source_name) == lower_ascii(name);
      });
      if (found == plans_.end() || !found->info.request.mask.empty()) {
        key_.clear();
        return;
      }
      key_.push_back(static_cast<size_t>(found - plans_.begin()));
    }
  }

  std::optional<int64_t> question_marks(size_t column) const {
    if (marks_[column] == 0) return std::nullopt;
    const MysqlCell& cell = cells_[marks_[column]];
    int64_t count = 0;
    std::memcpy(&count, cell.data, std::min<size_t>(cell.size, sizeof count));
    return cell.is_null() ? std::nullopt : std::optional(count);
  }

  std::string row_name() const {
    std::string name;
    for (const size_t column : key_)
      name += (name.empty() ? "" : ", ") + plans_[column].info.request.source_name + " = " +
              describe_mysql_cell(plans_[column], cells_[column]);
    if (name.empty()) name = "row " + std::to_string(stream_->rows()) + " of the answer";
    return name;
  }

  Error value_error(ValueProblem problem, size_t column) const {
    const MysqlColumnPlan& plan = plans_[column];
    const Advice advice = advice_for(problem);
    std::string message = "table " + table_ + ", column `" + plan.info.request.source_name + "` (" +
                          plan.info.source_type + "), " + row_name() + ": ";
    if (problem == ValueProblem::too_large)
      message += "the value is larger than " + std::to_string(request_.value_bytes_max) + " bytes";
    else if (plan.info.request.mask.empty())
      message += describe_mysql_cell(plan, cells_[column]) + " " + advice.what;
    else
      message += std::string("the value ") + advice.what;  // never quoted: it is masked
    if (*advice.choices != '\0') message += std::string("; choose ") + advice.choices + ", or leave the column out";
    const ErrorKind kind = problem == ValueProblem::malformed   ? ErrorKind::unavailable
                           : problem == ValueProblem::no_memory ? ErrorKind::io
                                                                : ErrorKind::data;
    return Error{kind, message};
  }

  Result<void> close_snapshot() {
    stream_.reset();
    return session_->execute("commit");
  }

  Connection connection_;
  TableRequest request_;
  std::string table_;
  std::optional<WallClock> clock_;
  std::unique_ptr<MysqlSession> session_;
  std::unique_ptr<MysqlRowStream> stream_;  // after the session: it ends first
  std::vector<MysqlColumnPlan> plans_;
  std::vector<size_t> marks_;  // for each plan: the column with its true question marks, or 0
  std::vector<size_t> key_;
  std::optional<MysqlRowSplitter> splitter_;
  std::optional<MysqlHasher> hasher_;
  std::vector<std::unique_ptr<MysqlColumnDecoder>> decoders_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<MysqlCell> cells_;
  std::string mechanism_, position_;
  bool has_ended_ = false;
};

}  // namespace

std::unique_ptr<TableReader> make_mysql_reader(const Connection& connection) {
  return std::make_unique<MysqlReader>(connection);
}

}  // namespace udon::data
