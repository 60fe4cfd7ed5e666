// Statements on MySQL and MariaDB, in the binary protocol: types by what the answer says of its columns.
#include <fmt/format.h>

#include "plugins/data/arrow_result.h"
#include "plugins/data/mysql_block.h"
#include "plugins/data/mysql_types.h"
#include "plugins/data/mysql_wire.h"
#include "plugins/data/query_sessions.h"
#include "plugins/db/mysql/row_stream.h"
#include "plugins/db/mysql/session.h"

namespace udon::data {
namespace {

constexpr int decimal_digits_max = 38;

struct Target {
  MysqlKind kind;
  std::shared_ptr<arrow::DataType> type;
  std::string source_type;
};

Target decimal_target(const MysqlColumn& column) {
  // What is sent is how many characters the longest value takes.
  const int scale = static_cast<int>(column.decimals);
  const int precision = static_cast<int>(column.length) - (scale > 0 ? 1 : 0) - (column.is_unsigned ? 0 : 1);
  const std::string name = fmt::format("decimal({},{})", precision, scale);
  if (precision < 1 || precision > decimal_digits_max || scale > precision)
    return {MysqlKind::digits, arrow::utf8(), name};
  return {MysqlKind::decimal, arrow::decimal128(precision, scale), name};
}

Target bit_target(const MysqlColumn& column) {
  constexpr uint64_t widest = 64;
  const std::string name = fmt::format("bit({})", column.length);
  if (column.length == 1) return {MysqlKind::boolean, arrow::boolean(), name};
  if (column.length == widest) return {MysqlKind::bits64, arrow::decimal128(20, 0), name};
  return {MysqlKind::bits, arrow::int64(), name};
}

// As mysql_types.cpp has it for columns of tables.
Target target_of(const MysqlColumn& column, bool has_zone) {
  using Wire = MysqlWireType;
  using enum MysqlKind;
  const auto wall = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto utc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const std::string sign = column.is_unsigned ? " unsigned" : "";
  switch (column.type) {
    case Wire::tiny:
      return column.is_unsigned ? Target{int16, arrow::int16(), "tinyint unsigned"}
                                : Target{int8, arrow::int8(), "tinyint"};
    case Wire::short_int:
      return column.is_unsigned ? Target{int32, arrow::int32(), "smallint unsigned"}
                                : Target{int16, arrow::int16(), "smallint"};
    case Wire::int24: return {int32, arrow::int32(), "mediumint" + sign};
    case Wire::long_int:
      return column.is_unsigned ? Target{int64, arrow::int64(), "int unsigned"} : Target{int32, arrow::int32(), "int"};
    case Wire::long_long:
      return column.is_unsigned ? Target{uint64, arrow::decimal128(20, 0), "bigint unsigned"}
                                : Target{int64, arrow::int64(), "bigint"};
    case Wire::year: return {int16, arrow::int16(), "year"};
    case Wire::bit: return bit_target(column);
    case Wire::new_decimal: return decimal_target(column);
    case Wire::float32: return {float32, arrow::float32(), "float"};
    case Wire::float64: return {float64, arrow::float64(), "double"};
    case Wire::date: return {date, arrow::date32(), "date"};
    case Wire::datetime: return {datetime, has_zone ? utc : wall, "datetime"};
    case Wire::timestamp: return {instant, utc, "timestamp"};
    case Wire::time: return {time, arrow::utf8(), "time"};
    case Wire::geometry: return {geometry, arrow::binary(), "geometry"};
    case Wire::null: return {text, arrow::utf8(), "null"};
    case Wire::json: return {text, arrow::utf8(), "json"};
    case Wire::enumeration:
    case Wire::set: return {text, arrow::utf8(), "text"};
    case Wire::varchar:
    case Wire::tiny_blob:
    case Wire::medium_blob:
    case Wire::long_blob:
    case Wire::blob:
    case Wire::var_string:
    case Wire::string: break;
  }
  return column.is_binary ? Target{binary, arrow::binary(), "binary"} : Target{text, arrow::utf8(), "text"};
}

MysqlColumnPlan plan_of(const MysqlColumn& column, const TableRequest& request) {
  Target target = target_of(column, !request.timezone.empty());
  MysqlColumnPlan plan;
  plan.info.request.source_name = plan.info.request.name = column.name;
  plan.info.source_type = std::move(target.source_type);
  plan.info.type = std::move(target.type);
  plan.kind = target.kind;
  plan.is_zoned = target.kind == MysqlKind::datetime && !request.timezone.empty();
  plan.is_unsigned = column.is_unsigned;
  plan.scale = static_cast<int>(column.decimals);
  return plan;
}

const char* words_for(ValueProblem problem) {
  switch (problem) {
    case ValueProblem::zero_date: return "is no day of the calendar; choose `zero_dates: 'null'`, or CAST it to CHAR";
    case ValueProblem::ancient_date:
      return "is before 1582-10-15, which Spark refuses or shifts; choose `ancient_dates: keep` or 'null', or CAST it "
             "to CHAR";
    case ValueProblem::skipped_time:
      return "never was on a clock of the declared `timezone`; without it the column stays without zone";
    case ValueProblem::repeated_time:
      return "was twice on a clock of the declared `timezone`; without it the column stays without zone";
    case ValueProblem::invalid_text: return "is no valid UTF-8; choose `invalid_text: replace` or 'null'";
    case ValueProblem::unmapped_text: return "holds a character that the server cannot convert to Unicode";
    case ValueProblem::malformed: return "is not what the protocol says";
    case ValueProblem::no_memory: return "finds no memory";
    case ValueProblem::too_large:
    case ValueProblem::row_too_large:
    case ValueProblem::none: break;
  }
  return "";
}

class MysqlQueryRows final : public QueryRows {
 public:
  MysqlQueryRows(MysqlSession& session, Statement statement) : session_(session), statement_(std::move(statement)) {}

  Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token) override {
    request_ = request;
    TRY_ASSIGN(const std::optional<WallClock> clock, clock_of(request.timezone));
    TRY_ASSIGN(const BoundSql bound, bind_as_wall_clock(statement_, SqlDialect::mysql, request.timezone));
    TRY_ASSIGN(stream_, MysqlRowStream::open(session_, bound.sql, bound.values));
    std::vector<ColumnInfo> columns;
    std::vector<std::string> names;
    arrow::FieldVector fields;
    for (const MysqlColumn& column : stream_->columns()) {
      plans_.push_back(plan_of(column, request));
      const ColumnInfo& info = plans_.back().info;
      columns.push_back(info);
      names.push_back(info.request.name);
      fields.push_back(arrow::field(info.request.name, info.type));
    }
    TRY(check_distinct(names));
    blocks_.emplace(plans_, std::vector<size_t>(), request_, clock);
    blocks_->start_stream(stream_->columns());
    schema_ = arrow::schema(std::move(fields));
    return columns;
  }

  Result<std::optional<SourceBatch>> next() override {
    if (has_ended_ || plans_.empty()) return std::optional<SourceBatch>();
    blocks_->start_batch();
    while (!has_ended_ && !blocks_->is_full()) {
      switch (blocks_->read(*stream_)) {
        case MysqlBlocks::Step::rows: break;
        case MysqlBlocks::Step::end: has_ended_ = true; break;
        case MysqlBlocks::Step::failed: return stream_->error();
        case MysqlBlocks::Step::malformed:
          return Error{ErrorKind::unavailable,
                       fmt::format("{}: row {}: the server sent a malformed row", session_.address(), stream_->rows())};
        case MysqlBlocks::Step::refused: return value_error();
      }
    }
    if (blocks_->rows() == 0) return std::optional<SourceBatch>();
    TRY_ASSIGN(SourceBatch batch, from_arrow(blocks_->finish_batch(schema_), "rows of the answer"));
    return std::optional(std::move(batch));
  }

  int64_t rows_changed() const override { return stream_ ? stream_->rows_changed() : -1; }
  std::string mechanism() const override { return "one statement, one reader"; }
  std::string position() const override { return {}; }
  std::vector<PolicyUse> policy_uses() const override {
    return blocks_ ? blocks_->policy_uses() : std::vector<PolicyUse>();
  }

 private:
  Error value_error() const {
    const auto [problem, c, row, bytes] = blocks_->refusal();
    const ColumnInfo& info = plans_[c].info;
    if (problem == ValueProblem::too_large)
      return value_too_large(info, row, request_, static_cast<int64_t>(blocks_->refused_cell(c).size));
    if (problem == ValueProblem::row_too_large) return row_too_large(row, request_, bytes);
    const ErrorKind kind = problem == ValueProblem::malformed   ? ErrorKind::unavailable
                           : problem == ValueProblem::no_memory ? ErrorKind::io
                                                                : ErrorKind::data;
    return Error{kind, fmt::format("{}: {} {}", place_of(info, row),
                                   describe_mysql_cell(plans_[c], blocks_->refused_cell(c)), words_for(problem))};
  }

  MysqlSession& session_;
  const Statement statement_;
  TableRequest request_;
  std::unique_ptr<MysqlRowStream> stream_;
  std::vector<MysqlColumnPlan> plans_;
  std::optional<MysqlBlocks> blocks_;
  std::shared_ptr<arrow::Schema> schema_;
  bool has_ended_ = false;
};

class MysqlQueries final : public QuerySession {
 public:
  MysqlQueries(std::unique_ptr<MysqlSession> session, std::string zone)
      : session_(std::move(session)), timezone_(std::move(zone)) {}

  Result<void> begin(Access) override { return session_->execute("start transaction"); }
  Result<void> commit() override { return session_->execute("commit"); }

  Result<int64_t> execute(const Statement& statement) override {
    TRY_ASSIGN(const BoundSql bound, bind_as_wall_clock(statement, SqlDialect::mysql, timezone_));
    TRY_ASSIGN(const std::unique_ptr<MysqlRowStream> stream, MysqlRowStream::open(*session_, bound.sql, bound.values));
    if (stream->columns().empty()) return stream->rows_changed();
    std::span<const uint8_t> packet;
    for (;;) {
      const MysqlRowStream::Step step = stream->next(packet);
      if (step == MysqlRowStream::Step::failed) return stream->error();
      if (step == MysqlRowStream::Step::end) return int64_t{-1};
    }
  }
  std::unique_ptr<QueryRows> rows(const Statement& statement) override {
    return std::make_unique<MysqlQueryRows>(*session_, statement);
  }

 private:
  std::unique_ptr<MysqlSession> session_;
  std::string timezone_;
};

}  // namespace

Result<std::unique_ptr<QuerySession>> open_mysql_queries(const Connection& connection, const QueryOptions& options,
                                                         std::stop_token stop) {
  MysqlOptions how;
  how.program = options.program;
  how.row_errors = RowErrors::told;
  TRY_ASSIGN(std::unique_ptr<MysqlSession> session, MysqlSession::connect(connection, how, std::move(stop)));
  // The server's SQL mode stays: it is what makes a value that does not fit an error.
  TRY(session->execute("set session time_zone = '+00:00', autocommit = 1, " + std::string(patient_server)));
  return std::unique_ptr<QuerySession>(std::make_unique<MysqlQueries>(std::move(session), options.timezone));
}

}  // namespace udon::data
