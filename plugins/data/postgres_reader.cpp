// A table of PostgreSQL by COPY (…) TO STDOUT (FORMAT binary), inside one REPEATABLE READ transaction.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "plugins/data/canonical.h"
#include "plugins/data/postgres_columns.h"
#include "plugins/data/postgres_hash.h"
#include "plugins/data/postgres_types.h"
#include "plugins/data/reader.h"
#include "plugins/db/postgres/copy_stream.h"
#include "plugins/db/postgres/session.h"
#include "plugins/db/sql_text.h"

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

constexpr uint32_t oid_date = 1082, oid_timestamp = 1114, oid_timestamptz = 1184;

int64_t to_integer(const std::optional<std::string>& text) { return text ? std::stoll(*text) : 0; }

std::string printed(const Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "true" : "false";
  return to_json(value);
}

class PostgresReader final : public TableReader, public BatchSource {
 public:
  explicit PostgresReader(Connection connection) : connection_(std::move(connection)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) override {
    request_ = request;
    stop_ = stop;
    if (!request.timezone.empty()) {
      auto zone = TimeZone::find(request.timezone);
      if (!zone)
        return Error{ErrorKind::invalid, fmt::format("timezone: `{}` is no time zone{}", request.timezone,
                                                     did_you_mean(request.timezone, known_timezones()))};
      zone_ = *zone;
    }
    TRY_ASSIGN(session_, PostgresSession::connect(connection_, {}, stop));
    TRY(session_->execute("begin isolation level repeatable read read only"));
    // Such a database knows of no character set. To a client that wants UTF-8 it refuses other bytes, whole tables
    // long; to one that wants them as they are it sends them, and policy `invalid_text` decides.
    TRY(
        session_->query("select pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) "
                        "where pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'"));
    TRY_ASSIGN(const std::string relation, find_table());
    TRY_ASSIGN(const std::vector<PostgresCatalogColumn> catalog, read_catalog(relation));
    TRY_ASSIGN(plans_, plan_postgres_columns(catalog, request));
    TRY(check_money(catalog));
    TRY_ASSIGN(const std::string select, make_select(request));
    TRY(note_position());
    hasher_.emplace(plans_, request.policies, zone_);

    std::vector<ColumnInfo> infos;
    arrow::FieldVector fields;
    for (const PostgresColumnPlan& plan : plans_) {
      infos.push_back(plan.info);
      fields.push_back(arrow::field(plan.info.request.name, plan.info.type));
      columns_.push_back(make_postgres_column(plan.value, plan.element.get(), request.policies, zone_));
    }
    schema_ = arrow::schema(std::move(fields));
    TRY_ASSIGN(stream_, PostgresCopyStream::open(*session_, select, plans_.size()));
    return infos;
  }

  Result<std::optional<SourceBatch>> next() override {
    if (at_end_) return std::optional<SourceBatch>();
    const bool hashed = request_.certify != CertifyLevel::rows;
    SourceBatch batch;
    if (hashed) batch.hashes.resize(columns_.size());
    int64_t rows = 0;
    int64_t bytes = 0;
    while (rows < request_.batch_rows && bytes < request_.batch_bytes) {
      std::span<const PostgresField> row;
      const auto step = stream_->next(row);
      if (step == PostgresCopyStream::Step::failed) return stream_->error().within("table " + request_.table);
      if (step == PostgresCopyStream::Step::end) {
        at_end_ = true;
        static_cast<void>(session_->execute("rollback"));  // nothing was changed; the session ends with us anyway
        break;
      }
      for (size_t c = 0; c < columns_.size(); ++c) {
        TRY_ASSIGN(const uint64_t hash, take(row, c, hashed));
        if (hashed) batch.hashes[c].push_back(hash);
        bytes += 8 + std::max(row[c].size, 0);
      }
      ++rows;
    }
    if (rows == 0) return std::optional<SourceBatch>();
    arrow::ArrayVector arrays;
    for (const auto& column : columns_) {
      TRY_ASSIGN(auto array, column->finish());
      arrays.push_back(std::move(array));
    }
    batch.rows = arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
    return std::optional<SourceBatch>(std::move(batch));
  }

  std::vector<BatchSource*> sources() override { return {this}; }
  std::string mechanism() const override { return "one REPEATABLE READ transaction, one reader"; }
  std::string position() const override { return position_; }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (size_t c = 0; c < columns_.size(); ++c) columns_[c]->report_policies(plans_[c].info.request.name, uses);
    return uses;
  }
  std::vector<size_t> key_columns() const override {
    std::vector<size_t> key;
    for (const std::string& name : key_)
      for (size_t c = 0; c < plans_.size(); ++c)
        if (plans_[c].info.request.source_name == name && plans_[c].info.request.mask.empty()) key.push_back(c);
    return key.size() == key_.size() ? key : std::vector<size_t>();
  }

 private:
  // The table's OID as text; not_found with the nearest name.
  Result<std::string> find_table() {
    TRY_ASSIGN(const TableName name, parse_table_name(request_.table, SqlDialect::postgresql));
    from_ = (name.schema.empty() ? "" : quote_identifier(name.schema, SqlDialect::postgresql) + ".") +
            quote_identifier(name.table, SqlDialect::postgresql);
    TRY_ASSIGN(
        const PostgresTable found,
        session_->query("select c.oid, c.relkind from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass($1)",
                        {{from_}}));
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
              request_.table, connection_.display(), did_you_mean(request_.table, names))};
    }
    const char kind = found.rows[0][1].value_or("r")[0];
    if (std::string_view("rpvmf").find(kind) == std::string_view::npos)
      return Error{ErrorKind::invalid,
                   fmt::format("{} in {} is no table or view", request_.table, connection_.display())};
    return found.rows[0][0].value_or("");
  }

  Result<std::vector<PostgresCatalogColumn>> read_catalog(const std::string& relation) {
    TRY_ASSIGN(const PostgresTable table, session_->query(columns_sql, {{relation}}));
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
    if (catalog.empty()) return Error{ErrorKind::invalid, fmt::format("table {} has no columns", request_.table)};
    TRY_ASSIGN(const PostgresTable key, session_->query(key_sql, {{relation}}));
    for (const auto& row : key.rows) key_.push_back(row[0].value_or(""));
    return catalog;
  }

  // money has as many digits behind the point as the server's lc_monetary says; our type has two.
  Result<void> check_money(const std::vector<PostgresCatalogColumn>& catalog) {
    const bool has_money = std::any_of(catalog.begin(), catalog.end(), [](const auto& c) {
      return c.type_name == "money" || (c.element != 0 && c.element_name == "money");
    });
    if (!has_money) return {};
    TRY_ASSIGN(
        const PostgresTable scale,
        session_->query("select pg_catalog.scale('0.001'::pg_catalog.numeric::pg_catalog.money::pg_catalog.numeric)"));
    if (to_integer(scale.rows.at(0).at(0)) > 2)
      return Error{
          ErrorKind::unsupported,
          fmt::format("the server's lc_monetary gives money {} digits behind the point, decimal(19,2) has two; leave "
                      "the column out or select it from a view as numeric",
                      *scale.rows[0][0])};
    return {};
  }

  // COPY takes no bound values, so they are written as literals, quoted by libpq and cast to the type that the server
  // itself infers for the place where each stands.
  Result<std::string> make_select(const TableRequest& request) {
    std::vector<std::string> expressions;
    for (const PostgresColumnPlan& plan : plans_) expressions.push_back(plan.select);
    std::string select = "select " + join(expressions, ", ") + " from " + from_;
    if (request.where.empty()) return select;
    TRY_ASSIGN(const BoundSql bound, bind_parameters(request.where, request.where_parameters, SqlDialect::postgresql));
    TRY_ASSIGN(const std::vector<uint32_t> types,
               session_->parameter_types(fmt::format("select 1 from {} where ({})", from_, bound.sql)));
    std::vector<std::string> literals;
    for (size_t i = 0; i < bound.values.size(); ++i) {
      const Value& value = bound.values[i];
      const uint32_t type = i < types.size() ? types[i] : 25;
      if (value.is_null()) {
        literals.push_back(fmt::format("null::{}", type_name(type)));
        continue;
      }
      TRY_ASSIGN(const std::string text, as_parameter(printed(value), type));
      TRY_ASSIGN(const std::string literal, session_->literal(text));
      literals.push_back(fmt::format("{}::{}", literal, type_name(type)));
    }
    return select + " where (" + with_literals(bound, literals) + ")";
  }

  std::string type_name(uint32_t type) {
    const auto found =
        session_->query("select pg_catalog.format_type($1::pg_catalog.oid, null)", {{std::to_string(type)}});
    return found && !found->rows.empty() ? found->rows[0][0].value_or("text") : "text";
  }

  // An instant against a column without zone would silently lose its offset, and a time without offset against one with
  // zone would silently be taken as UTC.
  Result<std::string> as_parameter(const std::string& text, uint32_t type) const {
    if (type != oid_date && type != oid_timestamp && type != oid_timestamptz) return text;
    const auto instant = parse_time(text);  // a plain date is one too, with its midnight in UTC
    const bool is_plain_date = text.size() == 10;
    if (type == oid_timestamptz) {
      if (instant && !is_plain_date) return text;
      if (!zone_)
        return Error{ErrorKind::invalid,
                     fmt::format("where: '{}' has no offset and is compared with an instant; write the "
                                 "offset, or say `timezone:`",
                                 text)};
      return text + " " + request_.timezone;  // the server reads a time with a zone's name
    }
    if (!instant || is_plain_date) return text;  // a wall clock, as the column is
    if (!zone_)
      return Error{ErrorKind::invalid,
                   fmt::format("where: the instant '{}' is compared with a column without zone; say "
                               "`timezone:`, the zone that its times are meant in",
                               text)};
    const std::string wall = format_time(*instant, *zone_).substr(0, 19);
    if (type == oid_date && wall.substr(11) != "00:00:00")
      return Error{ErrorKind::invalid,
                   fmt::format("where: '{}' is {} in {}, which is no midnight, and is compared with a date", text, wall,
                               request_.timezone)};
    const auto micros = instant->time_since_epoch().count() % 1'000'000;
    return micros == 0 ? wall : fmt::format("{}.{:06}", wall, micros < 0 ? micros + 1'000'000 : micros);
  }

  Result<void> note_position() {
    const auto position = session_->query(
        "select case when pg_catalog.pg_is_in_recovery() then 'replica, replayed to ' || "
        "coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, 'unknown') else 'primary, written to ' || "
        "pg_catalog.pg_current_wal_lsn()::text end || ', snapshot ' || pg_catalog.pg_current_snapshot()::text");
    if (position && !position->rows.empty()) position_ = position->rows[0][0].value_or("");
    return {};  // without it the export is as good; the certificate then has no position
  }

  Result<uint64_t> take(std::span<const PostgresField> row, size_t c, bool hashed) {
    const PostgresField& field = row[c];
    PostgresColumn& column = *columns_[c];
    if (field.is_null()) {
      column.append_null();
      return null_hash;
    }
    if (field.size > request_.value_bytes_max) return large_value(row, c);
    switch (column.append(field)) {
      case PostgresColumn::Taken::value:
      case PostgresColumn::Taken::null: break;
      case PostgresColumn::Taken::refused:
        return Error{ErrorKind::data, fmt::format("table {}, column `{}` ({}), {}: {}", request_.table,
                                                  plans_[c].info.request.source_name, plans_[c].info.source_type,
                                                  key_of(row), column.refusal())};
    }
    return hashed ? hasher_->hash(c, field) : uint64_t{0};
  }

  Error large_value(std::span<const PostgresField> row, size_t c) const {
    return Error{ErrorKind::data,
                 fmt::format("table {}, column `{}`, {}: a value of {} bytes, more than an eighth of the "
                             "budget allows ({}): raise `memory`, or leave the column out",
                             request_.table, plans_[c].info.request.source_name, key_of(row), row[c].size,
                             request_.value_bytes_max)};
  }

  // Which row: by its primary key where that is among the columns and not masked, else by its number.
  std::string key_of(std::span<const PostgresField> row) const {
    std::vector<std::string> parts;
    for (const std::string& name : key_) {
      for (size_t c = 0; c < plans_.size(); ++c) {
        if (plans_[c].info.request.source_name != name || !plans_[c].info.request.mask.empty()) continue;
        if (const auto text = key_text(row[c], plans_[c].value)) parts.push_back(name + "=" + *text);
      }
    }
    if (!key_.empty() && parts.size() == key_.size()) return "key " + join(parts, ", ");
    return fmt::format("row {} of the export", stream_->rows());
  }

  static std::optional<std::string> key_text(const PostgresField& field, const PostgresValuePlan& plan) {
    if (field.is_null()) return std::nullopt;
    switch (plan.kind) {
      case PostgresKind::text: return "'" + std::string(field.text().substr(0, 100)) + "'";
      case PostgresKind::int16:
      case PostgresKind::int32:
      case PostgresKind::int64:
      case PostgresKind::oid: {
        uint64_t value = plan.kind != PostgresKind::oid && (field.data[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
        for (int i = 0; i < field.size; ++i) value = value << 8 | field.data[i];
        return std::to_string(static_cast<int64_t>(value));
      }
      default: return std::nullopt;
    }
  }

  Connection connection_;
  TableRequest request_;
  std::stop_token stop_;
  std::shared_ptr<const TimeZone> zone_;
  std::unique_ptr<PostgresSession> session_;
  std::string from_;
  std::vector<std::string> key_;
  std::vector<PostgresColumnPlan> plans_;
  std::vector<std::unique_ptr<PostgresColumn>> columns_;
  std::optional<PostgresHasher> hasher_;
  std::shared_ptr<arrow::Schema> schema_;
  std::string position_;
  std::unique_ptr<PostgresCopyStream> stream_;  // after the session that it reads from
  bool at_end_ = false;
};

}  // namespace

std::unique_ptr<TableReader> make_postgres_reader(const Connection& connection) {
  return std::make_unique<PostgresReader>(connection);
}

}  // namespace udon::data
