#include "plugins/data/byte_source.h"
#include "tests/sql/databases.h"

namespace udon::test {
namespace {

std::string unpacked(const Path& file) {
  auto bytes = data::open_bytes(file, data::compression_by_name(file.string()), file.string());
  REQUIRE(bytes);
  std::string text;
  std::string piece(1 << 16, '\0');
  while (true) {
    const auto got = (*bytes)->read(piece.data(), piece.size());
    if (!got) FAIL(got.error().message);
    if (*got == 0) return text;
    text.append(piece, 0, *got);
  }
}

class Target {
 public:
  Path path() const { return folder_.path() / "out"; }
  std::string text(const std::string& name = "part-00000.csv") const { return unpacked(path() / name); }

 private:
  TemporaryFolder folder_;
};

Outcome exported(const SqlDatabase& database, const Target& target, Parameters parameters) {
  parameters.emplace_back("to", target.path().string());
  return SqlRun("csv_export", database, parameters).success();
}

void check_refused(const SqlDatabase& database, ErrorKind kind, const std::string& word, Parameters parameters) {
  const Target target;
  parameters.emplace_back("to", target.path().string());
  check_says(SqlRun("csv_export", database, parameters).failure(), kind, {word});
  CHECK_FALSE(std::filesystem::exists(target.path()));
}

void make_dishes(const SqlDatabase& database) {
  database.run(
      "drop table if exists csv_dishes; create table csv_dishes (id int primary key, name varchar(80), price "
      "decimal(12,2));"
      "insert into csv_dishes values (1, '=우동()', 12000.50), (2, '-1', -3.00), (3, null, null), (4, '', 0), "
      "(5, '@a, \"b\"', 1), (6, 'plain', 2), (7, '＋8210', 3)");
}

TEST_CASE("a query of every database becomes CSV as it is") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_dishes(database);
    const Target target;
    const Outcome outcome = exported(database, target,
                                     {{"sql", "select id, name from csv_dishes where id < :n order by id"},
                                      {"parameters", Value(Value::Map{{"n", Value(6)}})}});
    CHECK(target.text() == "id,name\n1,=우동()\n2,-1\n3,\n4,\"\"\n5,\"@a, \"\"b\"\"\"\n");
    CHECK(outcome.return_value.integer("rows") == 5);
    CHECK(outcome.return_value.get("certificate").text("level") == "rows");
  }
}

TEST_CASE(
    "for a spreadsheet, texts that would be formulas are guarded, numbers are not, and the file says that it is "
    "UTF-8") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_dishes(database);
    const Target target;
    exported(database, target,
             {{"sql", "select name, id - 4 as n from csv_dishes order by id"}, {"excel", true}, {"line_end", "crlf"}});
    CHECK(target.text() ==
          "\xEF\xBB\xBFname,n\r\n'=우동(),-3\r\n'-1,-2\r\n,-1\r\n\"\",0\r\n\"'@a, "
          "\"\"b\"\"\",1\r\nplain,2\r\n'＋8210,3\r\n");
  }
}

TEST_CASE("a table is read with columns, names and conditions, and packed") {
  for (const SqlDatabase& database : sql_databases()) {
    if (database.is("sqlite")) continue;
    INFO(database.name);
    make_dishes(database);
    const Target target;
    Value columns = Value::list();
    columns.push_back("id");
    columns.push_back(Value(Value::Map{{"name", Value("price")}, {"as", Value("가격")}}));
    exported(database, target,
             {{"table", "csv_dishes"},
              {"columns", columns},
              {"where", Value(Value::Map{{"sql", Value("id <= :n")}, {"n", Value(3)}})},
              {"delimiter", "\t"},
              {"null_text", "\\N"},
              {"compression", "gzip"}});
    CHECK(target.text("part-00000.tsv.gz") == "id\t가격\n1\t12000.50\n2\t-3.00\n3\t\\N\n");
  }
}

TEST_CASE("many rows stream, in files of the size asked for, and a rerun replaces them") {
  const SqlDatabase& sqlite = sql_databases().back();
  const Target target;
  const std::string many =
      "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) select i, 'row ' || i as t "
      "from n";
  Outcome outcome = exported(sqlite, target, {{"sql", many}, {"memory", "16MB"}, {"target_file_bytes", "1MB"}});
  const size_t files = outcome.return_value.get("files").size();
  CHECK(files > 1);
  std::string all;
  for (const Value& file : outcome.return_value.get("files").as_list()) all += unpacked(file.as_string());
  CHECK(std::count(all.begin(), all.end(), '\n') == static_cast<int64_t>(200'000 + files));
  exported(sqlite, target, {{"sql", "select 1 as a where 1 = 0"}});
  CHECK(target.text() == "a\n");
  CHECK_FALSE(std::filesystem::exists(target.path() / "part-00001.csv"));
}

TEST_CASE("what cannot be meant is refused before anything is read") {
  for (const SqlDatabase& database : sql_databases()) {
    INFO(database.name);
    make_dishes(database);
    check_refused(database, ErrorKind::invalid, "one of them", {});
    check_refused(database, ErrorKind::invalid, "one of them", {{"table", "csv_dishes"}, {"sql", "select 1 as a"}});
    check_refused(database, ErrorKind::invalid, "one statement that reads", {{"sql", "delete from csv_dishes"}});
    check_refused(database, ErrorKind::invalid, "one statement that reads", {{"sql", "select 1 as a; select 2 as b"}});
    check_refused(database, ErrorKind::invalid, "delimiter", {{"sql", "select 1 as a"}, {"delimiter", "\""}});
    if (database.is("sqlite"))
      check_refused(database, ErrorKind::invalid, "of it say `sql`", {{"table", "csv_dishes"}});
    else
      check_refused(database, ErrorKind::not_found, "csv_nowhere", {{"table", "csv_nowhere"}});
  }
}

}  // namespace
}  // namespace udon::test
