#include "plugins/data/postgres_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <string>

#include "base/text.h"
#include "plugins/data/figures.h"
#include "plugins/data/split.h"
#include "plugins/data/wall_clock.h"

namespace udon::data {
namespace {

// The server takes 1664 expressions a statement; each statement reads the table once.
constexpr size_t columns_per_statement = 300;
constexpr int64_t epoch_days = 10'957;  // PostgreSQL counts from 2000-01-01
constexpr int64_t epoch_us = epoch_days * 86'400'000'000;

enum class Figure { count, least, greatest, sum, bytes };

struct Asked {
  size_t column;
  Figure figure;
  std::string sql;
};

// Of the rows of which no policy makes a NULL.
std::string filter_of(const PostgresColumnPlan& plan, const Policies& policies) {
  std::vector<std::string> conditions;
  switch (plan.value.kind) {
    case PostgresKind::decimal:
      if (policies.nan == "null") conditions.push_back(fmt::format("{} <> 'NaN'::pg_catalog.numeric", plan.select));
      break;
    case PostgresKind::date:
    case PostgresKind::wall_clock:
    case PostgresKind::instant:
      if (policies.infinity == "null") conditions.push_back(fmt::format("pg_catalog.isfinite({})", plan.select));
      if (policies.ancient_dates == "null") conditions.push_back(fmt::format("{} >= '1582-10-15'", plan.select));
      break;
    default: break;
  }
  return conditions.empty() ? "" : " filter (where " + join(conditions, " and ") + ")";
}

class Asking {
 public:
  Asking(const PostgresScan& scan, const std::string& encoding) : scan_(scan), encoding_(encoding) {}

  void ask(size_t c, std::vector<Asked>& asked, DatabaseFigures& figures) const {
    const PostgresColumnPlan& plan = scan_.plans[c];
    const std::string& e = plan.select;
    const auto add = [&](Figure figure, std::string sql) { asked.push_back({c, figure, std::move(sql)}); };
    add(Figure::count, fmt::format("pg_catalog.count({})", e));
    if (!plan.info.request.mask.empty()) return;  // whatever is told of its values would be told to all
    const std::string filter = filter_of(plan, scan_.request.policies);
    // `form`: how the result is had as text, of which {} is the aggregate.
    const auto least_and_greatest = [&](std::string_view form, const std::string& of) {
      add(Figure::least, fmt::format(fmt::runtime(form), fmt::format("pg_catalog.min({}){}", of, filter)));
      add(Figure::greatest, fmt::format(fmt::runtime(form), fmt::format("pg_catalog.max({}){}", of, filter)));
    };
    switch (plan.value.kind) {
      case PostgresKind::boolean:
      case PostgresKind::int16:
      case PostgresKind::int32:
      case PostgresKind::int64:
      case PostgresKind::oid:
      case PostgresKind::decimal: {
        std::string number = e;
        if (plan.value.kind == PostgresKind::boolean) number = fmt::format("({})::pg_catalog.int4", e);
        if (plan.value.kind == PostgresKind::oid) number = fmt::format("({})::pg_catalog.int8", e);
        least_and_greatest("{}", number);
        add(Figure::sum, fmt::format("pg_catalog.sum({}){}", number, filter));
        return;
      }
      case PostgresKind::float32:
      case PostgresKind::float64:
        least_and_greatest("pg_catalog.encode(pg_catalog.float8send({}), 'hex')",
                           fmt::format("({})::pg_catalog.float8", e));
        figures.left_out = "sum: that of floating numbers depends on the order of adding";
        return;
      case PostgresKind::date: least_and_greatest("pg_catalog.encode(pg_catalog.date_send({}), 'hex')", e); return;
      case PostgresKind::wall_clock:
        least_and_greatest("pg_catalog.encode(pg_catalog.timestamp_send({}), 'hex')", e);
        return;
      case PostgresKind::instant:
        least_and_greatest("pg_catalog.encode(pg_catalog.timestamptz_send({}), 'hex')", e);
        return;
      case PostgresKind::text:
        // concat() takes a value as the server prints it, also the blanks of char(n), which a cast would take away.
        add(Figure::bytes, encoding_ == "UTF8" || encoding_ == "SQL_ASCII"
                               ? fmt::format("pg_catalog.sum(pg_catalog.octet_length(pg_catalog.concat({})))", e)
                               : fmt::format("pg_catalog.sum(pg_catalog.octet_length(pg_catalog.convert_to("
                                             "pg_catalog.concat({}), 'UTF8')))",
                                             e));
        figures.left_out = "least, greatest: a server orders texts otherwise than by their bytes";
        return;
      case PostgresKind::binary:
        add(Figure::bytes, fmt::format("pg_catalog.sum(pg_catalog.octet_length({}))", e));
        figures.left_out = "least, greatest: not of binary values";
        return;
      case PostgresKind::list: figures.left_out = "all but counts: a list"; return;
    }
  }

 private:
  const PostgresScan& scan_;
  const std::string& encoding_;
};

Error unexpected(const std::string& said) {
  return {ErrorKind::unsupported, "the server answered `" + said + "` where a figure of a column was asked for"};
}

Result<uint64_t> number_of(const std::string& text, int base = 10) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size()) return unexpected(text);
  return number;
}

Result<std::string> written(const PostgresColumnPlan& plan, const PostgresScan& scan, const std::string& text) {
  switch (plan.value.kind) {
    case PostgresKind::float32:
    case PostgresKind::float64: {
      TRY_ASSIGN(const uint64_t bits, number_of(text, 16));
      return figure_of_real(std::bit_cast<double>(bits));
    }
    case PostgresKind::date: {
      TRY_ASSIGN(const uint64_t bits, number_of(text, 16));
      return figure_of_day(static_cast<int32_t>(static_cast<uint32_t>(bits)) + epoch_days);
    }
    case PostgresKind::wall_clock:
    case PostgresKind::instant: {
      TRY_ASSIGN(const uint64_t bits, number_of(text, 16));
      int64_t us = static_cast<int64_t>(bits) + epoch_us;
      if (!plan.value.is_zoned) return figure_of_moment(us, plan.value.kind == PostgresKind::instant);
      // Between wall clocks that mean one instant each, time does not run backwards: the least stays the least.
      TRY_ASSIGN(WallClock clock, WallClock::of_zone(scan.request.timezone));
      if (clock.to_instant(us, us) != TimeZone::Kind::unique) return unexpected(text);
      return figure_of_moment(us, true);
    }
    default: return figure_of_digits(text);
  }
}

Result<void> take(const PostgresScan& scan, const Asked& asked, const std::optional<std::string>& said,
                  DatabaseFigures& figures) {
  if (!said) {
    if (asked.figure == Figure::bytes) figures.bytes = 0;
    return {};
  }
  switch (asked.figure) {
    case Figure::count: {
      TRY_ASSIGN(figures.count, number_of(*said));
      return {};
    }
    case Figure::least: {
      TRY_ASSIGN(figures.least, written(scan.plans[asked.column], scan, *said));
      return {};
    }
    case Figure::greatest: {
      TRY_ASSIGN(figures.greatest, written(scan.plans[asked.column], scan, *said));
      return {};
    }
    case Figure::sum: figures.sum = figure_of_digits(*said); return {};
    case Figure::bytes: {
      TRY_ASSIGN(figures.bytes, number_of(*said));
      return {};
    }
  }
  return {};
}

Result<void> run(PostgresSession& session, const PostgresScan& scan, const std::vector<Asked>& asked,
                 std::vector<DatabaseFigures>& all) {
  std::string sql = "select pg_catalog.count(*)";
  for (const Asked& figure : asked) sql += ", " + figure.sql;
  sql += " from " + scan.from;
  sql += where_clause(scan.where, "");
  TRY_ASSIGN(const PostgresTable answer, session.query(sql));
  TRY_ASSIGN(const uint64_t rows, number_of(answer.rows[0][0].value_or("")));
  for (size_t i = 0; i < asked.size(); ++i) TRY(take(scan, asked[i], answer.rows[0][i + 1], all[asked[i].column]));
  for (const Asked& figure : asked) all[figure.column].nulls = rows - std::min(rows, all[figure.column].count);
  return {};
}

}  // namespace

Result<std::vector<DatabaseFigures>> ask_postgres_figures(PostgresSession& session, const PostgresScan& scan) {
  TRY_ASSIGN(const PostgresTable shown, session.query("select pg_catalog.current_setting('server_encoding')"));
  const std::string encoding = shown.rows[0][0].value_or("");
  const Asking asking(scan, encoding);
  std::vector<DatabaseFigures> all(scan.plans.size());
  for (size_t first = 0; first < all.size(); first += columns_per_statement) {
    std::vector<Asked> asked;
    const size_t end = std::min(first + columns_per_statement, all.size());
    for (size_t c = first; c < end; ++c) asking.ask(c, asked, all[c]);
    if (auto done = run(session, scan, asked, all); !done)
      return done.error().within("table " + scan.request.table + ": its figures for `certify: source`");
  }
  return all;
}

}  // namespace udon::data
