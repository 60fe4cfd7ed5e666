// Statements on PostgreSQL. Rows come by COPY (…) TO STDOUT (FORMAT binary) as those of a table do, with the same
// types; what COPY does not take (SHOW, EXPLAIN, CALL) comes as text.
#include <arrow/builder.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/canonical.h"
#include "plugins/data/postgres_columns.h"
#include "plugins/data/postgres_hash.h"
#include "plugins/data/postgres_money.h"
#include "plugins/data/postgres_parameters.h"
#include "plugins/data/postgres_types.h"
#include "plugins/data/query_sessions.h"
#include "plugins/db/postgres/copy_stream.h"
#include "plugins/db/postgres/row_stream.h"
#include "plugins/db/postgres/session.h"

namespace udon::data {
namespace {

// As postgres_reader.cpp asks for the columns of a table. $1, $2: types and modifiers of the answer's columns, as
// arrays; domains are resolved already.
constexpr const char* types_sql = R"(
select pg_catalog.format_type(c.type, c.modifier) as type_text, t.typtype as kind, t.typname as type_name,
  case when t.typcategory = 'A' and t.typelem <> 0 and t.typlen = -1 then coalesce(nullif(e.typbasetype, 0), e.oid) else 0 end::pg_catalog.int8 as element,
  e.typtype as element_kind, e.typname as element_name
from rows from (pg_catalog.unnest($1::pg_catalog.oid[]), pg_catalog.unnest($2::pg_catalog.int4[])) with ordinality as c(type, modifier, n)
join pg_catalog.pg_type t on t.oid = c.type
left join pg_catalog.pg_type e on e.oid = t.typelem
order by c.n)";

std::string column_alias(size_t c) { return "c" + std::to_string(c + 1); }

struct Words {
  std::string verb;
  bool writes = false;
};
Words words_in(const Statement& statement) {
  Words words;
  const auto all = words_of(statement.sql, SqlDialect::postgresql);
  if (!all) return words;
  for (const std::string& word : *all) {
    if (words.verb.empty() && word != "(" && word != ")") words.verb = word;
    words.writes = words.writes || word == "insert" || word == "update" || word == "delete" || word == "merge";
  }
  return words;
}

bool is_copyable(const std::string& verb) {
  constexpr std::string_view verbs[] = {"select", "with", "values", "table", "insert", "update", "delete"};
  return std::ranges::find(verbs, verb) != std::end(verbs);
}

class PostgresQueryRows final : public QueryRows {
 public:
  PostgresQueryRows(PostgresSession& session, Statement statement)
      : session_(session), statement_(std::move(statement)), words_(words_in(statement_)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token) override {
    request_ = request;
    TRY_ASSIGN(zone_, zone_of_parameter(request.timezone));
    const PostgresParameterZone zone{.zone = zone_, .name = request.timezone, .where = "parameters"};
    TRY_ASSIGN(const BoundSql bound, bind_parameters(statement_.sql, statement_.parameters, SqlDialect::postgresql));
    TRY_ASSIGN(const PostgresSession::Description description, session_.describe(bound.sql));
    std::vector<std::string> names;
    for (const auto& column : description.columns) names.push_back(column.name);
    TRY(check_distinct(names));
    if (!is_copyable(words_.verb) || description.columns.empty()) return open_text(bound, description, zone);

    TRY(plan(description));
    TRY_ASSIGN(const std::string sql, with_postgres_literals(session_, bound, description.parameters, zone));
    TRY_ASSIGN(const std::string select, select_of(sql));
    for (const PostgresColumnPlan& plan : plans_)
      columns_.push_back(make_postgres_column(plan.value, plan.element.get(), request_.policies, zone_));
    hasher_.emplace(plans_, request_.policies, zone_);
    TRY_ASSIGN(copy_, PostgresCopyStream::open(session_, select, plans_.size()));
    return infos();
  }

  Result<std::optional<SourceBatch>> next() override {
    if (has_ended_ || plans_.empty()) return std::optional<SourceBatch>();
    return copy_ ? next_copied() : next_text();
  }

  int64_t rows_changed() const override {
    if (text_) return text_->rows_changed();
    const bool changes = words_.verb == "insert" || words_.verb == "update" || words_.verb == "delete";
    return copy_ && changes ? static_cast<int64_t>(copy_->rows()) : -1;  // of each it gave a row
  }
  std::string mechanism() const override { return "one statement, one reader"; }
  std::string position() const override { return {}; }
  std::vector<PolicyUse> policy_uses() const override {
    std::vector<PolicyUse> uses;
    for (size_t c = 0; c < columns_.size(); ++c) columns_[c]->report_policies(plans_[c].info.request.name, uses);
    return uses;
  }

 private:
  Result<void> plan(const PostgresSession::Description& description) {
    std::string types, modifiers;
    for (const auto& column : description.columns) {
      types += (types.empty() ? "{" : ",") + std::to_string(column.type);
      modifiers += (modifiers.empty() ? "{" : ",") + std::to_string(column.modifier);
    }
    TRY_ASSIGN(const PostgresTable table, session_.query(types_sql, {{types + "}"}, {modifiers + "}"}}));
    if (table.rows.size() != description.columns.size())
      return Error{ErrorKind::conflict,
                   "the types of the answer's columns are not in the catalog: they are being altered"};
    std::vector<PostgresCatalogColumn> catalog;
    TableRequest renamed = request_;
    renamed.all_columns = false;
    renamed.columns.clear();
    for (size_t c = 0; c < description.columns.size(); ++c) {
      PostgresCatalogColumn column;
      column.name = column_alias(c);
      column.type = description.columns[c].type;
      column.modifier = description.columns[c].modifier;
      column.type_text = table.at(c, "type_text").value_or("");
      column.type_kind = table.at(c, "kind").value_or("b")[0];
      column.type_name = table.at(c, "type_name").value_or("");
      column.element = static_cast<uint32_t>(std::stoll(table.at(c, "element").value_or("0")));
      column.element_kind = table.at(c, "element_kind").value_or("b")[0];
      column.element_name = table.at(c, "element_name").value_or("");
      renamed.columns.push_back({.source_name = column.name, .name = description.columns[c].name});
      catalog.push_back(std::move(column));
    }
    TRY_ASSIGN(plans_, plan_postgres_columns(catalog, renamed));
    return check_money_scale(session_, catalog);
  }

  // Columns that are not to be read off the wire are cast to text around the statement.
  Result<std::string> select_of(const std::string& sql) {
    const auto is_plain = [](const PostgresColumnPlan& plan) {
      return plan.select == quote_identifier(plan.info.request.source_name, SqlDialect::postgresql);
    };
    if (std::ranges::all_of(plans_, is_plain)) return sql + "\n";  // it may end in a comment
    if (words_.writes && words_.verb != "select") {
      const auto found = std::ranges::find_if_not(plans_, is_plain);
      return Error{ErrorKind::unsupported,
                   fmt::format("column `{}` ({}) cannot be taken from a statement that writes; in its RETURNING write "
                               "`::text` behind it",
                               found->info.request.name, found->info.source_type)};
    }
    std::vector<std::string> expressions, aliases;
    for (const PostgresColumnPlan& plan : plans_) {
      expressions.push_back(plan.select);
      aliases.push_back(plan.info.request.source_name);
    }
    return fmt::format("select {} from ({}\n) as answer({})", join(expressions, ", "), sql, join(aliases, ", "));
  }

  std::vector<ColumnInfo> infos() {
    std::vector<ColumnInfo> columns;
    arrow::FieldVector fields;
    for (PostgresColumnPlan& plan : plans_) {
      plan.info.request.source_name = plan.info.request.name;
      columns.push_back(plan.info);
      fields.push_back(arrow::field(plan.info.request.name, plan.info.type));
    }
    schema_ = arrow::schema(std::move(fields));
    return columns;
  }

  Result<std::vector<ColumnInfo>> open_text(const BoundSql& bound, const PostgresSession::Description& description,
                                            const PostgresParameterZone& zone) {
    std::vector<std::optional<std::string>> values;
    for (size_t i = 0; i < bound.values.size(); ++i) {
      TRY_ASSIGN(values.emplace_back(), postgres_parameter(bound.values[i], description.parameters.at(i), zone));
    }
    TRY_ASSIGN(text_, PostgresRowStream::open(session_, bound.sql, values));
    for (const std::string& name : text_->columns()) {
      PostgresColumnPlan plan;
      plan.info.request.name = name;
      plan.info.source_type = "text";
      plan.info.type = arrow::utf8();
      plans_.push_back(std::move(plan));
    }
    return infos();
  }

  Result<std::optional<SourceBatch>> next_text() {
    std::vector<arrow::StringBuilder> builders(plans_.size());
    SourceBatch batch;
    batch.hashes.resize(request_.certify == CertifyLevel::rows ? 0 : plans_.size());
    int64_t rows = 0, bytes = 0;
    for (; rows < request_.batch_rows && bytes < request_.batch_bytes; ++rows) {
      const auto step = text_->next();
      if (step == PostgresRowStream::Step::failed) return text_->error();
      if (step == PostgresRowStream::Step::end) {
        has_ended_ = true;
        break;
      }
      for (size_t c = 0; c < plans_.size(); ++c) {
        const auto field = text_->field(c);
        TRY(from_arrow(field ? builders[c].Append(*field) : builders[c].AppendNull(), "rows of the answer"));
        if (!batch.hashes.empty()) batch.hashes[c].push_back(field ? hash_text(*field) : null_hash);
        bytes += field ? static_cast<int64_t>(field->size()) : 1;
      }
    }
    if (rows == 0) return std::optional<SourceBatch>();
    arrow::ArrayVector arrays;
    for (arrow::StringBuilder& builder : builders) {
      TRY_ASSIGN(arrays.emplace_back(), from_arrow(builder.Finish(), "rows of the answer"));
    }
    batch.rows = arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
    return std::optional(std::move(batch));
  }

  Result<std::optional<SourceBatch>> next_copied() {
    const bool is_hashed = request_.certify != CertifyLevel::rows;
    SourceBatch batch;
    if (is_hashed) batch.hashes.resize(plans_.size());
    int64_t rows = 0, bytes = 0;
    for (; rows < request_.batch_rows && bytes < request_.batch_bytes; ++rows) {
      std::span<const PostgresField> row;
      const auto step = copy_->next(row);
      if (step == PostgresCopyStream::Step::failed) return copy_->error();
      if (step == PostgresCopyStream::Step::end) {
        has_ended_ = true;
        break;
      }
      for (size_t c = 0; c < plans_.size(); ++c) {
        TRY_ASSIGN(const uint64_t hash, take(row[c], c, is_hashed));
        if (is_hashed) batch.hashes[c].push_back(hash);
        bytes += 8 + std::max(row[c].size, 0);
      }
    }
    if (rows == 0) return std::optional<SourceBatch>();
    arrow::ArrayVector arrays;
    for (const auto& column : columns_) {
      TRY_ASSIGN(arrays.emplace_back(), column->finish());
    }
    batch.rows = arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
    return std::optional(std::move(batch));
  }

  Result<uint64_t> take(const PostgresField& field, size_t c, bool is_hashed) {
    const PostgresColumnPlan& plan = plans_[c];
    PostgresColumn& column = *columns_[c];
    TRY(column.reserve(1));
    if (field.is_null()) {
      column.append_null();
      return null_hash;
    }
    if (field.size > request_.value_bytes_max) return value_too_large(plan.info, copy_->rows(), request_, field.size);
    switch (column.append(field)) {
      case PostgresColumn::Taken::value: break;
      case PostgresColumn::Taken::null: return null_hash;
      case PostgresColumn::Taken::refused:
        return Error{ErrorKind::data, fmt::format("{}: {}", place_of(plan.info, copy_->rows()), column.refusal())};
    }
    return is_hashed ? hasher_->hash(c, field) : uint64_t{0};
  }

  PostgresSession& session_;
  const Statement statement_;
  const Words words_;
  TableRequest request_;
  std::shared_ptr<const TimeZone> zone_;
  std::vector<PostgresColumnPlan> plans_;
  std::vector<std::unique_ptr<PostgresColumn>> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  std::optional<PostgresHasher> hasher_;
  std::unique_ptr<PostgresCopyStream> copy_;  // one of the two
  std::unique_ptr<PostgresRowStream> text_;
  bool has_ended_ = false;
};

class PostgresQueries final : public QuerySession {
 public:
  PostgresQueries(std::unique_ptr<PostgresSession> session, PostgresParameterZone zone)
      : session_(std::move(session)), zone_(std::move(zone)) {}

  Result<void> begin(Access) override { return session_->execute("begin"); }
  Result<void> commit() override { return session_->execute("commit"); }

  Result<int64_t> execute(const Statement& statement) override {
    TRY_ASSIGN(const BoundSql bound, bind_parameters(statement.sql, statement.parameters, SqlDialect::postgresql));
    std::vector<std::optional<std::string>> values;
    if (!bound.values.empty()) {
      TRY_ASSIGN(const std::vector<uint32_t> types, session_->parameter_types(bound.sql));
      for (size_t i = 0; i < bound.values.size(); ++i) {
        TRY_ASSIGN(values.emplace_back(), postgres_parameter(bound.values[i], types.at(i), zone_));
      }
    }
    TRY_ASSIGN(const std::unique_ptr<PostgresRowStream> stream, PostgresRowStream::open(*session_, bound.sql, values));
    for (;;) {
      const auto step = stream->next();
      if (step == PostgresRowStream::Step::failed) return stream->error();
      if (step == PostgresRowStream::Step::end) return stream->rows_changed();
    }
  }
  std::unique_ptr<QueryRows> rows(const Statement& statement) override {
    return std::make_unique<PostgresQueryRows>(*session_, statement);
  }

 private:
  std::unique_ptr<PostgresSession> session_;
  PostgresParameterZone zone_;
};

}  // namespace

Result<std::unique_ptr<QuerySession>> open_postgres_queries(const Connection& connection, const QueryOptions& options,
                                                            std::stop_token stop) {
  PostgresParameterZone zone{.name = options.timezone, .where = "parameters"};
  TRY_ASSIGN(zone.zone, zone_of_parameter(options.timezone));
  PostgresOptions how;
  how.program = options.program;
  how.row_errors = RowErrors::told;
  TRY_ASSIGN(std::unique_ptr<PostgresSession> session, PostgresSession::connect(connection, how, std::move(stop)));
  return std::unique_ptr<QuerySession>(std::make_unique<PostgresQueries>(std::move(session), std::move(zone)));
}

}  // namespace udon::data
