#include "plugins/db/sql_text.h"

#include <catch2/catch.hpp>

using namespace udon;

namespace {
Value values(std::initializer_list<Value::Member> members) { return Value(Value::Map(members)); }
std::string problem(std::string_view sql, const Value& parameters, SqlDialect dialect = SqlDialect::mysql) {
  auto bound = bind_parameters(sql, parameters, dialect);
  return bound ? "none: " + bound->sql : bound.error().message;
}
}  // namespace

TEST_CASE("an identifier is quoted whatever it holds") {
  CHECK(quote_identifier("order", SqlDialect::mysql) == "`order`");
  CHECK(quote_identifier("a`b", SqlDialect::mysql) == "`a``b`");
  CHECK(quote_identifier("주문 번호", SqlDialect::mysql) == "`주문 번호`");
  CHECK(quote_identifier("a\"b", SqlDialect::postgresql) == "\"a\"\"b\"");
}

TEST_CASE("a table's name is read with or without its schema, and with quotes") {
  auto read = [](std::string_view text, SqlDialect dialect = SqlDialect::mysql) {
    return parse_table_name(text, dialect).value();
  };
  CHECK(read("orders") == TableName{"", "orders"});
  CHECK(read("shop.주문") == TableName{"shop", "주문"});
  CHECK(read("`my.db`.`a``b`") == TableName{"my.db", "a`b"});
  CHECK(read("\"My Schema\".\"T\"", SqlDialect::postgresql) == TableName{"My Schema", "T"});
  for (const char* bad : {"", ".", "a.", ".b", "a.b.c", "`a", "`a`b", "``"}) {
    INFO(bad);
    auto name = parse_table_name(bad, SqlDialect::mysql);
    REQUIRE(!name);
    CHECK(name.error().kind == ErrorKind::invalid);
  }
}

TEST_CASE("named parameters become the server's placeholders, in order") {
  auto bound = bind_parameters("created_at >= :from and created_at < :to or x = :from",
                               values({{"from", "2026-01-01"}, {"to", 3}}), SqlDialect::mysql);
  REQUIRE(bound);
  CHECK(bound->sql == "created_at >= ? and created_at < ? or x = ?");
  CHECK(bound->values == std::vector<Value>{"2026-01-01", 3, "2026-01-01"});
  CHECK(bound->words == std::vector<std::string>{"created_at", "and", "created_at", "or", "x"});

  auto numbered = bind_parameters("a::text >= :from and b < :to and c > :from", values({{"from", 1}, {"to", 2}}),
                                  SqlDialect::postgresql);
  REQUIRE(numbered);
  CHECK(numbered->sql == "a::text >= $1 and b < $2 and c > $3");
  CHECK(numbered->values == std::vector<Value>{1, 2, 1});
}

TEST_CASE("a colon inside a literal, a quoted name or a comment is no parameter") {
  const Value one = values({{"x", 1}});
  CHECK(problem("a = ':y' and `b:y` = :x -- :z\n# :w\n/* :v */", one) ==
        "none: a = ':y' and `b:y` = ? -- :z\n# :w\n/* :v */");
  CHECK(problem("a = 'it''s :y \\' :z' and b = :x", one) == "none: a = 'it''s :y \\' :z' and b = ?");
  CHECK(problem("a = $t$ :y $t$ and \"c:d\" = :x", one, SqlDialect::postgresql) ==
        "none: a = $t$ :y $t$ and \"c:d\" = $1");
  CHECK(problem("a = E'\\' :y' and b = :x", one, SqlDialect::postgresql) == "none: a = E'\\' :y' and b = $1");
  CHECK(problem("(@a := :x) > 12:30", one) == "none: (@a := ?) > 12:30");
  CHECK(problem("가격 > :x", one) == "none: 가격 > ?");
}

TEST_CASE("a parameter without a value, a value without a place and an open literal are named") {
  CHECK(problem("a >= :form", values({{"from", 1}})) == "no value for parameter `:form`; did you mean `from`?");
  CHECK(problem("a >= 1", values({{"from", 1}})) == "parameter `from` has a value but no place `:from`");
  CHECK(problem("a = 'x", Value::map()) == "a literal that starts at byte 4 has no end");
  CHECK(problem("`a = 1", Value::map()) == "a quoted name has no end");
  CHECK(problem("a = 1 /* x", Value::map()) == "a comment that starts at byte 6 has no end");
  CHECK(problem("a = ?", Value::map()).find(":from") != std::string::npos);
}

TEST_CASE("each placeholder knows the name that stands beside it, if one does") {
  const auto beside = [](const std::string& sql) {
    Value parameters = Value::map();
    for (const char* name : {"x", "y", "z"})
      if (sql.find(std::string(":") + name) != std::string::npos) parameters.set(name, Value(1));
    const auto bound = bind_parameters(sql, parameters, SqlDialect::mysql);
    REQUIRE(bound);
    std::vector<std::string> names;
    for (const auto& place : bound->places) names.push_back(place.compared_with);
    return names;
  };
  using Names = std::vector<std::string>;
  CHECK(beside("ts >= :x and ts<:y") == Names{"ts", "ts"});
  CHECK(beside("a = 1 or (o.`만든 날` <=> :x) /* or */ and :y != b") == Names{"만든 날", "b"});
  CHECK(beside("not day between :x and :y and `between` = :z") == Names{"day", "day", "between"});
  CHECK(beside("day NOT IN ('2026-01-01', :x, :y) and :z <= t.ts") == Names{"day", "day", "ts"});
  CHECK(beside("ts not between :x and now()") == Names{"ts"});
  // Not the name itself.
  CHECK(beside("date(ts) = :x") == Names{""});
  CHECK(beside("ts + interval 1 day >= :x") == Names{""});
  CHECK(beside("- n = :x or :y < n * 2 or :z = f(n)") == Names{"", "", ""});
  CHECK(beside("n = 2 * :x or n = (:y)") == Names{"", ""});
  CHECK(beside(":x") == Names{""});
}

TEST_CASE("words are unquoted names, so that a caller can tell which columns a condition touches") {
  auto bound = bind_parameters("t.`order``s` > 1 and \"text\" = 'created_at'", Value::map(), SqlDialect::mysql);
  REQUIRE(bound);
  CHECK(bound->words == std::vector<std::string>{"t", "order`s", "and"});
}

TEST_CASE("SQLite's parameters are numbered, and its quotes are known") {
  auto bound =
      bind_parameters("[a:b] = :x and `c:d` = :y and e = :x", values({{"x", 1}, {"y", "우"}}), SqlDialect::sqlite);
  REQUIRE(bound);
  CHECK(bound->sql == "[a:b] = ?1 and `c:d` = ?2 and e = ?1");
  CHECK(bound->values == std::vector<Value>{1, "우"});
  for (const char* sql : {"a = ?", "a = $x", "a = @x"})
    CHECK_THAT(problem(sql, values({}), SqlDialect::sqlite), Catch::Contains("as in `:from`"));
}

TEST_CASE("a text is split into its statements, and what only comments is none") {
  const auto split = [](std::string_view sql, SqlDialect dialect = SqlDialect::mysql) {
    return split_statements(sql, dialect).value();
  };
  using Texts = std::vector<std::string>;
  CHECK(split("") == Texts{});
  CHECK(split(" ;\n-- nothing; at all\n;/* ; */;") == Texts{});
  CHECK(split("select 1;\nselect ';' -- ;\n;\n") == Texts{"select 1", "select ';' -- ;"});
  CHECK(split("select `a;b`, \"c;d\" # ;\n from t") == Texts{"select `a;b`, \"c;d\" # ;\n from t"});
  CHECK(split("/*!50000 set @a = 1 */; select 1") == Texts{"/*!50000 set @a = 1 */", "select 1"});
  CHECK(split("do $$ begin; end $$; select $x$;$x$", SqlDialect::postgresql) ==
        Texts{"do $$ begin; end $$", "select $x$;$x$"});
  CHECK(split("select [a;b]; select 1", SqlDialect::sqlite) == Texts{"select [a;b]", "select 1"});
  CHECK(split("a = :b::int; c := :d") == Texts{"a = :b::int", "c := :d"});
  CHECK(split("  이름을 = 1 ;  ") == Texts{"이름을 = 1"});
  CHECK_FALSE(split_statements("select 'a; select 1", SqlDialect::mysql));
}

TEST_CASE("a text's parameters and words are told") {
  CHECK(parameter_names("a = :b and c::int = :이름 and d := ':e' and f = :b", SqlDialect::postgresql).value() ==
        std::vector<std::string>{"b", "이름"});
  CHECK(words_of("/* x */ (WITH a AS (select 'select') INSERT into \"returning\")", SqlDialect::postgresql).value() ==
        std::vector<std::string>{"(", "with", "a", "as", "(", "select", ")", "insert", "into", ")"});
}
