#include "plugins/data/mysql_figures.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <span>
#include <string>

#include "plugins/data/figures.h"
#include "plugins/data/mysql_wire.h"
#include "plugins/data/split.h"
#include "plugins/data/text_times.h"
#include "plugins/db/sql_text.h"

namespace udon::data {
namespace {

// The server takes 4096 expressions a statement; each statement reads the table once.
constexpr size_t columns_per_statement = 500;

enum class Figure { count, least, greatest, sum, bytes };

struct Asked {
  size_t column;
  Figure figure;
  std::string sql;
};

// `column` where no policy makes a NULL of it.
std::string without_nulled(const std::string& column, const Policies& policies) {
  std::string condition;
  if (policies.zero_dates == "null")
    condition =
        "month(" + column + ") > 0 and dayofmonth(" + column + ") between 1 and dayofmonth(last_day(" + column + "))";
  if (policies.ancient_dates == "null") condition += (condition.empty() ? "" : " and ") + column + " >= '1582-10-15'";
  return condition.empty() ? column : "case when " + condition + " then " + column + " end";
}

std::string as_text(const std::string& expression) { return "cast(" + expression + " as char)"; }

void ask(const MysqlScan& scan, size_t c, std::vector<Asked>& asked, DatabaseFigures& figures) {
  const MysqlColumnPlan& plan = scan.plans[c];
  const std::string column = quote_identifier(plan.info.request.source_name, SqlDialect::mysql);
  asked.push_back({c, Figure::count, as_text("count(" + column + ")")});
  if (!plan.info.request.mask.empty()) return;  // whatever is told of its values would be told to all
  if (plan.kind == MysqlKind::time) {
    figures.left_out = "all but counts: the file has times in a form of its own";
    return;
  }
  const auto least_and_greatest = [&](const std::string& of, bool is_text) {
    asked.push_back({c, Figure::least, is_text ? as_text("min(" + of + ")") : "min(" + of + ")"});
    asked.push_back({c, Figure::greatest, is_text ? as_text("max(" + of + ")") : "max(" + of + ")"});
  };
  switch (figure_kind(*plan.info.type)) {
    case FigureKind::counts: return;
    case FigureKind::number: {
      // Added to a nought, a number loses what its display says: ZEROFILL, a year's four digits, the bytes of bits.
      const std::string number = plan.kind == MysqlKind::decimal ? column : column + " + 0";
      least_and_greatest(number, true);
      asked.push_back({c, Figure::sum, as_text("sum(" + number + ")")});
      return;
    }
    case FigureKind::real:
      // As doubles on the wire, not as text: every bit.
      least_and_greatest(column + " + 0e0", false);
      figures.left_out = "sum: that of floating numbers depends on the order of adding";
      return;
    case FigureKind::day:
    case FigureKind::moment: least_and_greatest(without_nulled(column, scan.request.policies), true); return;
    case FigureKind::bytes:
      if (plan.kind == MysqlKind::geometry)
        asked.push_back({c, Figure::bytes, as_text("sum(length(" + column + ") - 4)")});  // without its SRID
      else if (plan.kind == MysqlKind::binary)
        asked.push_back({c, Figure::bytes, as_text("sum(length(" + plan.select + "))")});
      else
        asked.push_back({c, Figure::bytes, as_text("sum(length(convert(" + plan.select + " using utf8mb4)))")});
      figures.left_out = "least, greatest: a server orders texts otherwise than by their bytes";
      if (plan.kind == MysqlKind::binary || plan.kind == MysqlKind::geometry)
        figures.left_out = "least, greatest: not of binary values";
      return;
  }
}

Error unexpected(const std::string& said) {
  return {ErrorKind::unsupported, "the server answered `" + said + "` where a figure of a column was asked for"};
}

Result<uint64_t> number_of(const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return unexpected(text);
  return number;
}

// What the server said of least or greatest, as a figure is written.
Result<std::string> written(const MysqlColumnPlan& plan, const MysqlCell& cell, std::optional<WallClock> clock) {
  const std::string text(cell.text());
  switch (figure_kind(*plan.info.type)) {
    case FigureKind::counts:
    case FigureKind::bytes:
    case FigureKind::number: return figure_of_digits(text);
    case FigureKind::real:
      if (cell.size != sizeof(double)) return unexpected(text);
      return figure_of_real(read_little_endian<double>(cell.data));
    case FigureKind::day: {
      int32_t days = 0;
      if (parse_day(text, days) != TimeProblem::none) return unexpected(text);
      return figure_of_day(days);
    }
    case FigureKind::moment: {
      int64_t us = 0;
      if (parse_wall_clock(text, us) != TimeProblem::none) return unexpected(text);
      // Between wall clocks that mean one instant each, time does not run backwards: the least stays the least.
      if (plan.is_zoned && clock->to_instant(us, us) != TimeZone::Kind::unique) return unexpected(text);
      return figure_of_moment(us, plan.is_zoned || plan.kind == MysqlKind::instant);
    }
  }
  return unexpected(text);
}

Result<void> take(const MysqlScan& scan, const Asked& asked, const MysqlCell& cell, DatabaseFigures& figures) {
  if (cell.is_null()) {
    if (asked.figure == Figure::bytes) figures.bytes = 0;
    return {};
  }
  switch (asked.figure) {
    case Figure::count: {
      TRY_ASSIGN(figures.count, number_of(std::string(cell.text())));
      return {};
    }
    case Figure::least: {
      TRY_ASSIGN(figures.least, written(scan.plans[asked.column], cell, scan.clock));
      return {};
    }
    case Figure::greatest: {
      TRY_ASSIGN(figures.greatest, written(scan.plans[asked.column], cell, scan.clock));
      return {};
    }
    case Figure::sum: figures.sum = figure_of_digits(cell.text()); return {};
    case Figure::bytes: {
      TRY_ASSIGN(figures.bytes, number_of(std::string(cell.text())));
      return {};
    }
  }
  return {};
}

// The statement's only row.
Result<void> ask_row(MysqlSession& session, const MysqlScan& scan, const std::string& sql,
                     const std::function<Result<void>(std::span<const MysqlCell>)>& take_row) {
  TRY_ASSIGN(const auto stream, MysqlRowStream::open(session, sql, scan.where.values));
  const MysqlRowSplitter splitter(stream->columns());
  std::span<const uint8_t> packet;
  std::vector<MysqlCell> cells(stream->columns().size());
  if (stream->next(packet) != MysqlRowStream::Step::row) return stream->error();
  if (!splitter.split(packet, cells.data())) return unexpected("a malformed row");
  TRY(take_row(cells));
  if (stream->next(packet) != MysqlRowStream::Step::end) return stream->error();
  return {};
}

Result<void> run(MysqlSession& session, const MysqlScan& scan, const std::vector<Asked>& asked,
                 std::vector<DatabaseFigures>& all) {
  std::string sql = "select " + as_text("count(*)");
  for (const Asked& figure : asked) sql += ", " + figure.sql;
  sql += scan.from + where_clause(scan.where.sql, "");
  return ask_row(session, scan, sql, [&](std::span<const MysqlCell> cells) -> Result<void> {
    TRY_ASSIGN(const uint64_t rows, number_of(std::string(cells[0].text())));
    for (size_t i = 0; i < asked.size(); ++i) TRY(take(scan, asked[i], cells[i + 1], all[asked[i].column]));
    for (const Asked& figure : asked) all[figure.column].nulls = rows - std::min(rows, all[figure.column].count);
    return {};
  });
}

}  // namespace

Result<uint64_t> count_mysql_rows(MysqlSession& session, const MysqlScan& scan, const std::string& range) {
  const std::string sql = "select " + as_text("count(*)") + scan.from + where_clause(scan.where.sql, range);
  uint64_t rows = 0;
  TRY(ask_row(session, scan, sql, [&](std::span<const MysqlCell> cells) -> Result<void> {
    TRY_ASSIGN(rows, number_of(std::string(cells[0].text())));
    return {};
  }));
  return rows;
}

Result<std::vector<DatabaseFigures>> ask_mysql_figures(MysqlSession& session, const MysqlScan& scan) {
  std::vector<DatabaseFigures> all(scan.plans.size());
  for (size_t first = 0; first < all.size(); first += columns_per_statement) {
    std::vector<Asked> asked;
    const size_t end = std::min(first + columns_per_statement, all.size());
    for (size_t c = first; c < end; ++c) ask(scan, c, asked, all[c]);
    if (auto done = run(session, scan, asked, all); !done)
      return done.error().within("table " + scan.table + ": its figures for `certify: source`");
  }
  return all;
}

}  // namespace udon::data
