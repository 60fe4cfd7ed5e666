// A table of PostgreSQL: its catalog, one snapshot for its readers, the condition with its values.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include "base/ensure.h"
#include "base/text.h"
#include "plugins/data/memory_shares.h"
#include "plugins/data/policy_counter.h"
#include "plugins/data/postgres_figures.h"
#include "plugins/data/postgres_money.h"
#include "plugins/data/postgres_parameters.h"
#include "plugins/data/postgres_rows.h"
#include "plugins/data/postgres_split.h"
#include "plugins/data/postgres_types.h"
#include "plugins/data/reader.h"
#include "plugins/db/postgres/session.h"
#include "plugins/db/sql_text.h"
#include "plugins/io/io_context.h"
#include "plugins/io/retry.h"

namespace udon::data {
namespace {

// Domains are followed to their base type, however deep; $1 is the table's OID.
constexpr const char* columns_sql = R"(
with recursive base(attnum, type, modifier) as (
  select attnum, atttypid, atttypmod from pg_catalog.pg_attribute
    where attrelid = $1::pg_catalog.oid and attnum > 0 and not attisdropped
  union all
  select b.attnum, t.typbasetype, case when b.modifier = -1 then t.typtypmod else b.modifier end
    from base b join pg_catalog.pg_type t on t.oid = b.type where t.typtype = 'd')
select a.attname as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type_text, b.type::pg_catalog.int8 as type,
  b.modifier, t.typtype as kind, t.typname as type_name,
  case when t.typcategory = 'A' and t.typelem <> 0 and t.typlen = -1 then coalesce(nullif(e.typbasetype, 0), e.oid) else 0 end::pg_catalog.int8 as element,
  e.typtype as element_kind, e.typname as element_name, a.attnotnull as not_null
from pg_catalog.pg_attribute a
join base b on b.attnum = a.attnum
join pg_catalog.pg_type t on t.oid = b.type and t.typtype <> 'd'
left join pg_catalog.pg_type e on e.oid = t.typelem
where a.attrelid = $1::pg_catalog.oid
order by a.attnum)";

constexpr const char* key_sql = R"(
select a.attname from pg_catalog.pg_index i
join pg_catalog.unnest(i.indkey::pg_catalog.int2[]) with ordinality as k(attnum, n) on true
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = $1::pg_catalog.oid and i.indisprimary order by k.n)";

int64_t to_integer(const std::optional<std::string>& text) { return text ? std::stoll(*text) : 0; }

class PostgresReader final : public TableReader {
 public:
  explicit PostgresReader(Connection connection) : connection_(std::move(connection)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    scan_.request = request;
    TRY_ASSIGN(scan_.zone, zone_of_parameter(request.timezone));
    TRY_ASSIGN(session_, PostgresSession::connect(connection_, {.all_rows = true}, stop));
    if (request.split.into > 1) {
      // Not in the transaction yet, which an error would end: some services do not know the function.
      const auto place = replayed(*session_);
      if (!place && (place.error().kind == ErrorKind::unavailable || place.error().kind == ErrorKind::cancelled))
        return Error(place.error());
      replayed_before_ = place ? *place : "unknown";
    }
    TRY(session_->execute(begin_));
    TRY_ASSIGN(const std::string from, quoted_table());
    TRY(lock_before_snapshot(from));
    TRY(take_bytes_as_they_are(*session_));
    TRY_ASSIGN(PostgresRelation relation, find_table(from));
    TRY_ASSIGN(const std::vector<PostgresCatalogColumn> catalog, read_catalog(relation));
    TRY(tell_catalog(catalog, relation.key));
    TRY_ASSIGN(scan_.plans, plan_postgres_columns(catalog, scan_.request));
    TRY(check_money_scale(*session_, catalog));
    TRY(make_select(relation));
    TRY(note_position());
    scan_.key = relation.key;

    std::vector<ColumnInfo> infos;
    arrow::FieldVector fields;
    for (const PostgresColumnPlan& plan : scan_.plans) {
      infos.push_back(plan.info);
      fields.push_back(arrow::field(plan.info.request.name, plan.info.type));
    }
    scan_.schema = arrow::schema(std::move(fields));
    TRY(open_readers(relation, catalog, stop));
    return infos;
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
    ENSURE(coordinator_, "a table in ranges has a session that reads none");
    const std::string& condition = ranges_->conditions().at(range);
    TRY_ASSIGN(const PostgresTable counted, coordinator_->query("select pg_catalog.count(*) from " + scan_.from +
                                                                where_clause(scan_.where, condition)));
    return static_cast<uint64_t>(to_integer(counted.rows[0][0]));
  }
  std::string state() const override { return state_; }
  std::string mechanism() const override {
    if (rejoined_ == 0) return mechanism_;
    return mechanism_ + fmt::format("; {} session{} lost and rejoined the snapshot", rejoined_.load(),
                                    rejoined_ == 1 ? " was" : "s were");
  }
  std::string position() const override { return position_; }
  Result<std::vector<DatabaseFigures>> figures() override {
    PostgresSession& session = coordinator_ ? *coordinator_ : rows_[0]->session();
    TRY_ASSIGN(auto all, ask_postgres_figures(session, scan_));
    TRY(session.execute("rollback"));
    return all;
  }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (const auto& rows : rows_) add_uses(uses, rows->policy_uses());
    return uses;
  }
  std::vector<size_t> key_columns() const override {
    std::vector<size_t> key;
    for (const std::string& name : scan_.key)
      for (size_t c = 0; c < scan_.plans.size(); ++c) {
        const ColumnRequest& column = scan_.plans[c].info.request;
        if (column.source_name == name && column.mask.empty()) key.push_back(c);
      }
    return key.size() == scan_.key.size() ? key : std::vector<size_t>();
  }

 private:
  Result<std::unique_ptr<PostgresSession>> open_session(const std::stop_token& stop) const {
    TRY_ASSIGN(auto session, PostgresSession::connect(connection_, {.all_rows = true}, stop));
    TRY(session->execute(begin_));
    return session;
  }
  Result<std::string> quoted_table() const {
    TRY_ASSIGN(const TableName name, parse_table_name(scan_.request.table, SqlDialect::postgresql));
    return (name.schema.empty() ? "" : quote_identifier(name.schema, SqlDialect::postgresql) + ".") +
           quote_identifier(name.table, SqlDialect::postgresql);
  }
  // From now on the table keeps its form until the transaction ends. Before the snapshot, not after: to a snapshot that
  // is older than a TRUNCATE, or than an ALTER TABLE that rewrites, the table is empty, without a word of the server's.
  Result<void> lock_before_snapshot(const std::string& from) {
    const auto locked = session_->execute(lock_statement(from));
    if (locked) return {};
    if (locked.error().kind == ErrorKind::cancelled || locked.error().kind == ErrorKind::unavailable)
      return Error(locked.error());
    // What is no table or view cannot be locked so, such as a materialized view; what is not there is told of later.
    TRY(session_->execute("rollback"));
    TRY(session_->execute(begin_));
    return {};
  }
  static std::string lock_statement(const std::string& from) { return "lock table " + from + " in access share mode"; }

  // Such a database knows of no character set. To a client that wants UTF-8 it refuses other bytes, whole tables long;
  // to one that wants them as they are it sends them, and policy `invalid_text` decides.
  static Result<void> take_bytes_as_they_are(PostgresSession& session) {
    TRY(
        session.query("select pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) "
                      "where pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'"));
    return {};
  }

  Result<void> open_readers(const PostgresRelation& relation, const std::vector<PostgresCatalogColumn>& catalog,
                            const std::stop_token& stop) {
    mechanism_ = "one REPEATABLE READ transaction, one reader";
    Ranges ranges{{""}, ""};
    const SplitRequest& split = scan_.request.split;
    if (split.into > 1 && split.ranges.size() > 1) {
      ranges = {split.ranges, fmt::format("the {} ranges of before", split.ranges.size())};
    } else if (split.into > 1) {
      TRY_ASSIGN(ranges, split_postgres_table(*session_, relation, catalog, split, scan_.where));
      mechanism_ += "; split: " + ranges.how;
    }
    const size_t readers = std::min(static_cast<size_t>(std::max(1, split.into)), ranges.conditions.size());
    if (readers > 1)
      mechanism_ = fmt::format("{} readers on one exported snapshot (pg_export_snapshot), REPEATABLE READ; split: {}",
                               readers, ranges.how);
    const bool asks_figures = scan_.request.certify == CertifyLevel::source;
    if (asks_figures) mechanism_ += "; figures: computed by the server in the same snapshot";
    ranges_.emplace(std::move(ranges.conditions));
    if (readers == 1) {
      rows_.push_back(std::make_unique<PostgresRows>(
          std::move(session_), scan_, *ranges_, asks_figures ? AfterLast::keep_transaction : AfterLast::end_transaction,
          JoinSnapshot()));
    } else {
      TRY(share_snapshot(relation));
      while (rows_.size() < readers) {
        TRY_ASSIGN(auto session, join_snapshot(stop));
        rows_.push_back(std::make_unique<PostgresRows>(std::move(session), scan_, *ranges_, AfterLast::end_transaction,
                                                       [this, stop] { return rejoin_snapshot(stop); }));
      }
    }
    if (readers > 1) TRY(note_state());
    return split.ranges.empty() ? rows_[0]->open() : Result<void>();
  }

  // On a replica the snapshot does not tell all that it shows; the place to which it has replayed does, if that was the
  // same before and after. On a primary the snapshot is exactly that: which transactions it sees.
  static Result<std::string> replayed(PostgresSession& session) {
    TRY_ASSIGN(const PostgresTable place,
               session.query("select case when pg_catalog.pg_is_in_recovery() then "
                             "coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, 'unknown') else '' end"));
    return place.rows[0][0].value_or("");
  }
  Result<void> note_state() {
    if (replayed_before_ == "unknown") return {};
    TRY_ASSIGN(const std::string replayed_now, replayed(*coordinator_));
    if (replayed_now != replayed_before_) return {};
    TRY_ASSIGN(const PostgresTable seen,
               coordinator_->query("select extract(epoch from pg_catalog.pg_postmaster_start_time())::text, "
                                   "pg_catalog.pg_current_snapshot()::text"));
    // What came to be while the server was down, such as another server's data, is not told by either.
    state_ = "server started " + seen.rows[0][0].value_or("") + ", " +
             (replayed_now.empty() ? "snapshot " + seen.rows[0][1].value_or("") : "replayed to " + replayed_now);
    return {};
  }

  // From here on the first session reads no rows: it holds the snapshot, so that whichever reader is lost, another can
  // take its place.
  Result<void> share_snapshot(const PostgresRelation& relation) {
    TRY_ASSIGN(const PostgresTable snapshot, session_->query("select pg_catalog.pg_export_snapshot()"));
    TRY_ASSIGN(const std::string name, session_->literal(snapshot.rows[0][0].value_or("")));
    set_snapshot_ = "set transaction snapshot " + name;
    if (relation.is_locked) lock_ = lock_statement(relation.from);
    coordinator_ = std::move(session_);
    return {};
  }

  // By any reader's thread.
  Result<std::unique_ptr<PostgresSession>> join_snapshot(const std::stop_token& stop) const {
    TRY_ASSIGN(auto session, open_session(stop));
    // Before any other statement of the transaction. The server knows the name as long as the coordinator lives.
    TRY(session->execute(set_snapshot_));
    // The coordinator's lock is still held; this one's own outlives it.
    if (!lock_.empty()) TRY(session->execute(lock_));
    TRY(take_bytes_as_they_are(*session));
    return session;
  }

  Result<std::unique_ptr<PostgresSession>> rejoin_snapshot(const std::stop_token& stop) {
    for (int attempt = 1;; ++attempt) {
      auto session = join_snapshot(stop);
      if (session) {
        ++rejoined_;
        return session;
      }
      const Error& error = session.error();
      if (stop.stop_requested()) return Error{ErrorKind::cancelled, "asked to stop"};
      if (error.kind != ErrorKind::unavailable || attempt == joins_max)
        return Error{ErrorKind::unavailable, "the snapshot cannot be rejoined: " + error.message};
      static_cast<void>(pause_unless_stopped(backoff(attempt, 0), stop));
    }
  }

  // not_found with the nearest name.
  Result<PostgresRelation> find_table(const std::string& from) {
    TRY_ASSIGN(const PostgresTable found,
               session_->query("select c.oid, c.relkind, c.relfilenode from pg_catalog.pg_class c where c.oid = "
                               "pg_catalog.to_regclass($1)",
                               {{from}}));
    if (found.rows.empty()) {
      std::vector<std::string> names;
      const auto tables = session_->query(
          "select case when pg_catalog.pg_table_is_visible(c.oid) then c.relname else n.nspname || '.' || c.relname "
          "end "
          "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in "
          "('r','p','v','m','f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1 limit 10000");
      if (tables)
        for (const auto& row : tables->rows) names.push_back(row[0].value_or(""));
      return Error{
          ErrorKind::not_found,
          fmt::format(
              "there is no table {} in {}{}; say schema.table where its schema is not in the user's search_path",
              scan_.request.table, connection_.display(), did_you_mean(scan_.request.table, names))};
    }
    const char kind = found.rows[0][1].value_or("r")[0];
    if (std::string_view("rpvmf").find(kind) == std::string_view::npos)
      return Error{ErrorKind::invalid,
                   fmt::format("{} in {} is no table or view", scan_.request.table, connection_.display())};
    // It is locked from here on, if it was not before.
    TRY(session_->query(fmt::format("select 1 from {} limit 0", from)));
    if (kind == 'm') {
      // pg_class is as the snapshot has it, the function's answer as it is now.
      TRY_ASSIGN(const PostgresTable now,
                 session_->query("select pg_catalog.pg_relation_filenode($1::pg_catalog.oid)", {{found.rows[0][0]}}));
      if (now.rows[0][0] != found.rows[0][2])
        return Error{ErrorKind::conflict, fmt::format("{} in {} was refreshed after the snapshot, to which it is empty",
                                                      scan_.request.table, connection_.display())};
    }
    return PostgresRelation{.oid = found.rows[0][0].value_or(""),
                            .from = from,
                            .kind = kind,
                            .key = {},
                            .is_locked = kind != 'm' && kind != 'f'};
  }

  Result<std::vector<PostgresCatalogColumn>> read_catalog(PostgresRelation& relation) {
    TRY_ASSIGN(const PostgresTable table, session_->query(columns_sql, {{relation.oid}}));
    std::vector<PostgresCatalogColumn> catalog;
    for (size_t r = 0; r < table.rows.size(); ++r) {
      PostgresCatalogColumn column;
      column.name = table.at(r, "name").value_or("");
      column.type_text = table.at(r, "type_text").value_or("");
      column.type = static_cast<uint32_t>(to_integer(table.at(r, "type")));
      column.modifier = static_cast<int32_t>(to_integer(table.at(r, "modifier")));
      column.type_kind = table.at(r, "kind").value_or("b")[0];
      column.type_name = table.at(r, "type_name").value_or("");
      column.element = static_cast<uint32_t>(to_integer(table.at(r, "element")));
      column.element_kind = table.at(r, "element_kind").value_or("b")[0];
      column.element_name = table.at(r, "element_name").value_or("");
      column.is_nullable = table.at(r, "not_null").value_or("f") != "t";
      catalog.push_back(std::move(column));
    }
    if (catalog.empty()) return Error{ErrorKind::invalid, fmt::format("table {} has no columns", scan_.request.table)};
    TRY_ASSIGN(const PostgresTable key, session_->query(key_sql, {{relation.oid}}));
    for (const auto& row : key.rows) relation.key.push_back(row[0].value_or(""));
    return catalog;
  }

  Result<void> tell_catalog(const std::vector<PostgresCatalogColumn>& columns, const std::vector<std::string>& key) {
    std::vector<CatalogColumn> catalog;
    for (const PostgresCatalogColumn& column : columns)
      catalog.push_back({.name = column.name,
                         .type = column.type_text,
                         .is_nullable = column.is_nullable,
                         .is_key = std::ranges::find(key, column.name) != key.end()});
    return offer_catalog(scan_.request, catalog);
  }

  // COPY takes no bound values, so they are written as literals, quoted by libpq and cast to the type that the server
  // itself infers for the place where each stands.
  Result<void> make_select(const PostgresRelation& relation) {
    const TableRequest& request = scan_.request;
    scan_.from = relation.from;
    TRY(select_columns(relation));
    if (request.where.empty()) return {};
    TRY_ASSIGN(const BoundSql bound, bind_parameters(request.where, request.where_parameters, SqlDialect::postgresql));
    TRY_ASSIGN(const std::vector<uint32_t> types,
               session_->parameter_types(fmt::format("select 1 from {} where ({}\n)", relation.from, bound.sql)));
    const PostgresParameterZone zone{.zone = scan_.zone, .name = request.timezone, .where = "where"};
    TRY_ASSIGN(scan_.where, with_postgres_literals(*session_, bound, types, zone));
    return {};
  }

  // libpq takes a row whole before we see how long it is: so the server is asked to send nothing of a row with a value
  // that is too large, but which one it is. A table that keeps nothing out of line has none, and is not asked.
  Result<void> select_columns(const PostgresRelation& relation) {
    std::vector<std::string> inner, outer, cases, sizes;
    const bool may_have_large = may_keep_large_values(relation);
    for (size_t c = 0; c < scan_.plans.size(); ++c) {
      const PostgresColumnPlan& plan = scan_.plans[c];
      inner.push_back(fmt::format("{} as c{}", plan.select, c));
      outer.push_back(fmt::format("c{}", c));
      const bool is_key = std::ranges::find(relation.key, plan.info.request.source_name) != relation.key.end();
      if (!may_have_large || plan.bytes.empty() || is_key) continue;  // an index has no large ones
      outer.back() = fmt::format("case when large is null then c{} end", c);
      cases.push_back(fmt::format("when {0} > {1} then '{2}:' || ({0})", plan.bytes, scan_.request.value_bytes_max, c));
      sizes.push_back(fmt::format("coalesce({}, 0)::pg_catalog.int8", plan.bytes));
    }
    if (cases.empty()) {
      std::vector<std::string> expressions;
      for (const PostgresColumnPlan& plan : scan_.plans) expressions.push_back(plan.select);
      scan_.select = "select " + join(expressions, ", ") + " from " + relation.from;
      return {};
    }
    if (sizes.size() > 1)
      cases.push_back(fmt::format("when {0} > {1} then '{2}:' || ({0})", join(sizes, " + "),
                                  scan_.request.row_bytes_max, scan_.plans.size()));
    scan_.has_guard = true;
    // `offset 0`: each value is judged once.
    scan_.select = fmt::format("select {}, large from (select {}, case {} end as large from {}", join(outer, ", "),
                               join(inner, ", "), join(cases, " "), relation.from);
    scan_.close = " offset 0) as judged";
    return {};
  }

  bool may_keep_large_values(const PostgresRelation& relation) {
    if (relation.kind == 'v' || relation.kind == 'f') return true;
    constexpr int64_t shrinks_at_most = 255;  // by lz4; pglz 90
    const auto kept = session_->query(
        "with recursive tree(oid) as (select $1::pg_catalog.oid union select i.inhrelid from pg_catalog.pg_inherits i "
        "join tree on i.inhparent = tree.oid) select coalesce(sum(pg_catalog.pg_relation_size(c.reltoastrelid)), "
        "0)::pg_catalog.int8 from pg_catalog.pg_class c join tree on c.oid = tree.oid where c.reltoastrelid <> 0",
        {{relation.oid}});
    return !kept || kept->rows.empty() ||
           to_integer(kept->rows[0][0]) > scan_.request.value_bytes_max / shrinks_at_most;
  }

  Result<void> note_position() {
    const auto position = session_->query(
        "select case when pg_catalog.pg_is_in_recovery() then 'replica, replayed to ' || "
        "coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, 'unknown') else 'primary, written to ' || "
        "pg_catalog.pg_current_wal_lsn()::text end || ', snapshot ' || pg_catalog.pg_current_snapshot()::text");
    if (position && !position->rows.empty()) position_ = position->rows[0][0].value_or("");
    return {};  // without it the export is as good; the certificate then has no position
  }

  // A session that waits, for its encoder or for the other readers, is none to be cleared away.
  static constexpr const char* begin_ =
      "begin isolation level repeatable read read only; set local idle_in_transaction_session_timeout = 0";
  static constexpr int joins_max = 5;  // in about 3 s: for as long as a server takes to have a free place again
  Connection connection_;
  PostgresScan scan_;
  std::unique_ptr<PostgresSession> session_;      // until it is the only reader's, or the coordinator
  std::unique_ptr<PostgresSession> coordinator_;  // of several readers: holds their snapshot, in which it does nothing
  std::string set_snapshot_, lock_;               // what a session does to be in it
  std::atomic<int> rejoined_ = 0;
  std::optional<RangeQueue> ranges_;
  std::vector<std::unique_ptr<PostgresRows>> rows_;  // after what they refer to
  std::string mechanism_, position_, state_;
  std::string replayed_before_;  // the snapshot; empty: no replica
};

}  // namespace

std::unique_ptr<TableReader> make_postgres_reader(const Connection& connection) {
  return std::make_unique<PostgresReader>(connection);
}

}  // namespace udon::data
