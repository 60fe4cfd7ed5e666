#include <arrow/api.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "plugins/data/mysql_catalog.h"
#include "plugins/data/mysql_figures.h"
#include "plugins/data/mysql_rows.h"
#include "plugins/data/mysql_snapshot.h"
#include "plugins/data/mysql_split.h"
#include "plugins/data/mysql_types.h"
#include "plugins/data/mysql_where.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/reader.h"
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

class MysqlReader final : public TableReader {
 public:
  explicit MysqlReader(Connection connection) : connection_(std::move(connection)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    scan_.request = request;
    TRY(check_policies(request.policies));
    TRY_ASSIGN(TableName name, parse_table_name(request.table, SqlDialect::mysql));
    if (name.schema.empty()) name.schema = connection_.schema;
    if (name.schema.empty())
      return Error{ErrorKind::invalid, "table `" + request.table + "`: write DATABASE.TABLE, as connection " +
                                           connection_.id + " names no database"};
    if (!request.timezone.empty()) {
      TRY_ASSIGN(scan_.clock, WallClock::of_zone(request.timezone));
    }
    scan_.table = name.schema + "." + name.table;
    TRY_ASSIGN(MysqlSnapshot snapshot, open_mysql_snapshot(connection_, name, request.split.into, stop));
    TRY_ASSIGN(const MysqlTableFacts facts, read_mysql_table_facts(*snapshot.sessions[0], name));
    auto opened = open_rows(std::move(snapshot), facts);
    if (!opened) return told(opened.error(), facts).within("table " + scan_.table);
    std::vector<ColumnInfo> columns;
    for (const MysqlColumnPlan& plan : scan_.plans) columns.push_back(plan.info);
    return columns;
  }

  std::vector<BatchSource*> sources() override {
    std::vector<BatchSource*> all;
    for (const auto& rows : rows_) all.push_back(rows.get());
    return all;
  }
  std::vector<std::string> ranges() const override {
    return ranges_ ? ranges_->conditions() : std::vector<std::string>();
  }
  void leave_out(const std::vector<size_t>& ranges) override { ranges_->leave_out(ranges); }
  Result<uint64_t> count_rows(size_t range) override {
    return count_mysql_rows(rows_[0]->session(), scan_, ranges_->conditions().at(range));
  }
  std::string state() const override { return state_; }
  std::string mechanism() const override { return mechanism_; }
  std::string position() const override { return position_; }
  std::vector<size_t> key_columns() const override { return scan_.key; }
  Result<std::vector<DatabaseFigures>> figures() override {
    MysqlSession& session = rows_[0]->session();
    TRY_ASSIGN(auto all, ask_mysql_figures(session, scan_));
    TRY(session.execute("commit"));
    return all;
  }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (const auto& rows : rows_) add_uses(uses, rows->policy_uses());
    return uses;
  }

 private:
  // A table or column that is there no more, though it was a moment ago, has gone meanwhile: another snapshot tells
  // what there is now.
  Error told(Error error, const MysqlTableFacts& facts) const {
    if (error.kind != ErrorKind::not_found || rows_.empty()) return error;
    const auto now = read_mysql_table_facts(rows_[0]->session(), facts.name);
    if (now && now->columns == facts.columns) return error;
    error.kind = ErrorKind::conflict;
    error.message += ": the table was altered after the snapshot";
    return error;
  }

  Result<void> open_rows(MysqlSnapshot snapshot, const MysqlTableFacts& facts) {
    mechanism_ = snapshot.mechanism + ", InnoDB";
    position_ = snapshot.position;
    state_ = snapshot.state;
    if (facts.is_view) mechanism_ += ", all tables below the view";
    if (!facts.other_engines.empty()) {
      const std::string others = join(facts.other_engines, ", ");
      if (scan_.request.consistency != "none")
        return Error{ErrorKind::unsupported, "not InnoDB, so there is no snapshot of it: " + others +
                                                 "; say `consistency: none` to take rows as they are"};
      if (scan_.request.certify == CertifyLevel::source)
        return Error{ErrorKind::unsupported,
                     "not InnoDB, so the rows and the server's own figures would be of different "
                     "moments: " +
                         others + "; say `certify: wire`"};
      // Several readers would see rows of several moments: a row that moves from one's range to another's twice.
      snapshot.sessions.resize(1);
      mechanism_ = "one reader, no snapshot (consistency: none): " + others;
      position_.clear();
      state_.clear();
    }
    TRY(tell_catalog(facts));
    const auto readers_max = static_cast<size_t>(std::max(1, scan_.request.split.into));
    if (snapshot.sessions.size() > readers_max) snapshot.sessions.resize(readers_max);
    TRY_ASSIGN(scan_.plans, plan_mysql_columns(facts.columns, scan_.request));
    TRY_ASSIGN(scan_.where, bind_mysql_where(scan_.request, facts.columns, scan_.clock));
    find_key(facts.key);
    make_select(facts.name);

    Ranges ranges{{""}, ""};
    const std::vector<std::string>& earlier = scan_.request.split.ranges;
    if (snapshot.sessions.size() > 1 && earlier.size() > 1) {
      ranges = {earlier, "the " + std::to_string(earlier.size()) + " ranges of before"};
      mechanism_ += "; split: " + ranges.how;
    } else if (snapshot.sessions.size() > 1) {
      TRY_ASSIGN(ranges, split_mysql_table(*snapshot.sessions[0], facts, scan_.request.split, scan_.where));
      mechanism_ += "; split: " + ranges.how;
    }
    const bool asks_figures = scan_.request.certify == CertifyLevel::source;
    if (asks_figures) mechanism_ += "; figures: computed by the server in the first reader's snapshot";
    const size_t readers = std::min(snapshot.sessions.size(), ranges.conditions.size());
    ranges_.emplace(std::move(ranges.conditions));
    for (size_t i = 0; i < readers; ++i)
      rows_.push_back(std::make_unique<MysqlRows>(
          std::move(snapshot.sessions[i]), scan_, *ranges_,
          i == 0 && asks_figures ? AfterLast::keep_transaction : AfterLast::end_transaction));
    return earlier.empty() ? rows_[0]->open() : Result<void>();
  }

  Result<void> tell_catalog(const MysqlTableFacts& facts) {
    std::vector<CatalogColumn> catalog;
    for (const MysqlCatalogColumn& column : facts.columns)
      catalog.push_back({.name = column.name,
                         .type = column.column_type,
                         .is_nullable = column.is_nullable,
                         .is_invisible = column.is_invisible,
                         .is_key = std::ranges::find(facts.key, column.name) != facts.key.end()});
    return offer_catalog(scan_.request, catalog);
  }

  void make_select(const TableName& name) {
    std::string& sql = scan_.select;
    sql = "select ";
    arrow::FieldVector fields;
    for (const MysqlColumnPlan& plan : scan_.plans) {
      sql += (&plan == &scan_.plans.front() ? "" : ", ") + plan.select;
      fields.push_back(arrow::field(plan.info.request.name, plan.info.type, plan.info.nullable));
    }
    scan_.schema = arrow::schema(std::move(fields));
    size_t extra = scan_.plans.size();
    for (const MysqlColumnPlan& plan : scan_.plans) {
      scan_.marks.push_back(plan.question_marks.empty() ? 0 : extra++);
      if (!plan.question_marks.empty()) sql += ", " + plan.question_marks;
    }
    scan_.from = " from " + quote_identifier(name.schema, SqlDialect::mysql) + "." +
                 quote_identifier(name.table, SqlDialect::mysql);
    sql += scan_.from;
  }

  // The primary key names a row in messages, if all of it was chosen and none of it is masked.
  void find_key(const std::vector<std::string>& key) {
    for (const std::string& name : key) {
      const auto found = std::find_if(scan_.plans.begin(), scan_.plans.end(), [&](const MysqlColumnPlan& plan) {
        return lower_ascii(plan.info.request.source_name) == lower_ascii(name);
      });
      if (found == scan_.plans.end() || !found->info.request.mask.empty()) {
        scan_.key.clear();
        return;
      }
      scan_.key.push_back(static_cast<size_t>(found - scan_.plans.begin()));
    }
  }

  Connection connection_;
  MysqlScan scan_;
  std::optional<RangeQueue> ranges_;
  std::vector<std::unique_ptr<MysqlRows>> rows_;  // after what they refer to
  std::string mechanism_, position_, state_;
};

}  // namespace

std::unique_ptr<TableReader> make_mysql_reader(const Connection& connection) {
  return std::make_unique<MysqlReader>(connection);
}

}  // namespace udon::data
