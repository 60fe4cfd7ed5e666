// Files of text, and the JSON that stands beside results, with bytes lost, doubled and exchanged: rows or an error with
// words, never anything else; and what was read says the same when it is written plainly and read again.
#include <catch2/catch.hpp>

#include "plugins/data/cell_text.h"
#include "plugins/data/csv_reader.h"
#include "plugins/data/json_reader.h"
#include "plugins/data/last_result.h"
#include "plugins/data/publish_intent.h"
#include "plugins/data/publish_steps.h"
#include "plugins/io/local_file_system.h"
#include "tests/base/temporary_folder.h"
#include "tests/support/mutation.h"

namespace udon::data {
namespace {

using namespace std::string_view_literals;
using test::mutated;

const StatedSchema schema{
    {"id", "int64"}, {"이름", "string"}, {"amount", "decimal(12,2)"}, {"at", "timestamptz"}, {"ok", "boolean"}};
constexpr int64_t rejects_max = 100'000;

void keep(const Path& file, const std::string& text) {
  REQUIRE(write_file_atomically(file, text, Durability::survives_kill));
}

struct Rows {
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string error;
  bool operator==(const Rows&) const = default;
};

Rows read_all(TableReader& reader) {
  Rows read;
  if (const auto columns = reader.open({}, {}); !columns) return {{}, columns.error().message};
  while (true) {
    const auto batch = reader.sources().front()->next();
    if (!batch) return {{}, batch.error().message};
    if (!*batch) return read;
    const arrow::RecordBatch& rows = *(*batch)->rows;
    REQUIRE(rows.ValidateFull().ok());
    for (int64_t r = 0; r < rows.num_rows(); ++r) {
      auto& row = read.rows.emplace_back();
      for (int c = 0; c < rows.num_columns(); ++c) {
        auto& cell = row.emplace_back();
        if (!rows.column(c)->IsNull(r)) append_cell_text(*rows.column(c), r, cell.emplace());
      }
    }
  }
}

// Every value in quotes; NULL is nothing at all.
std::string plain_csv(const Rows& read) {
  std::string text = "id,이름,amount,at,ok\n";
  for (const auto& row : read.rows)
    for (size_t c = 0; c < row.size(); ++c) {
      if (row[c]) {
        text += '"';
        for (const char byte : *row[c]) text += byte == '"' ? "\"\"" : std::string(1, byte);
        text += '"';
      }
      text += c + 1 == row.size() ? '\n' : ',';
    }
  return text;
}

std::string plain_json(const Rows& read) {
  std::string text;
  for (const auto& row : read.rows) {
    Value object = Value::map();
    for (size_t c = 0; c < row.size(); ++c) object.set(schema[c].first, row[c] ? Value(*row[c]) : Value());
    text += to_json(object) + "\n";
  }
  return text;
}

// `make`: the reader of a file, with a place for rejects or none.
template <class Make, class Plain>
void fuzz(const std::vector<std::string>& corpus, std::string_view spice, Make&& make, Plain&& plain) {
  const TemporaryFolder folder;
  const Path file = folder.path() / "given", rejected = folder.path() / "rejected", again = folder.path() / "again";
  const uint64_t seed = test::fuzz_seed();
  Random random(seed);
  uint64_t whole = 0, partly = 0;
  for (uint64_t round = test::fuzz_rounds(250); round > 0; --round) {
    const std::string text = mutated(corpus[random.below(corpus.size())], random, spice);
    INFO("seed " << seed << " round " << round << ": " << text);
    keep(file, text);
    const Rows strict = read_all(*make(file, nullptr));
    std::filesystem::remove(rejected);
    RejectLog rejects(rejected, rejects_max);
    const Rows lenient = read_all(*make(file, &rejects));
    // Where nothing is wrong nothing is rejected; what is wrong with the file as a whole is no row's fault.
    if (strict.error.empty()) {
      REQUIRE(rejects.rows() == 0);
      REQUIRE(lenient == strict);
      ++whole;
    } else {
      REQUIRE(strict.error.starts_with("주문"));
      REQUIRE((rejects.rows() > 0 || !lenient.error.empty()));
    }
    if (!lenient.error.empty()) continue;
    if (!lenient.rows.empty()) ++partly;
    keep(again, plain(lenient));
    INFO(plain(lenient));
    REQUIRE(read_all(*make(again, nullptr)) == lenient);
  }
  CHECK(whole > 0);
  CHECK(partly > whole);
}

TEST_CASE("no text makes the reader of CSV stumble, and what it reads is the same when it is written plainly") {
  const std::vector<std::string> corpus{
      "id,이름,amount,at,ok\n1,우동,10.50,2026-01-31T09:00:00+09:00,true\n-7,,,,\n9223372036854775807,\"\",-0.01,"
      "2026-01-31 00:00:00.000001Z,false\n",
      "ok,at,amount,이름,id\r\nTRUE,,1,\"두 줄\r\n\"\"인용\"\"\",3\r\n\r\nf,2026-01-31 00:00Z,+2.5,한,4",
      "\xEF\xBB\xBFid,이름,amount,at,ok\n1,\"a,b\",0,,1\n2,🍜,00012.3,,0\n\n3,\"\n\n\n\",,,\n"};
  const auto make = [](const Path& file, RejectLog* rejects) {
    CsvOptions options;
    options.schema = schema;
    options.rejects = rejects;
    options.display = "주문.csv";
    return make_csv_reader(file, options);
  };
  fuzz(corpus, "\",\n\r0123456789-+.:TZ \xEC\x9A\xB0\xff\x00"sv, make, plain_csv);
}

TEST_CASE("no text makes the readers of JSON stumble, and what they read is the same when it is written plainly") {
  const std::vector<std::string> lines{
      R"({"id":1,"이름":"우동","amount":10.50,"at":"2026-01-31T09:00:00+09:00","ok":true})"
      "\n"
      R"({"id":-7})"
      "\n\n"
      R"({"ok":null,"amount":"3","이름":{"a":[1,"}"]},"id":"9"})",
      "\xEF\xBB\xBF{\"\\uc774\\ub984\":\"\\ud83c\\udf5c \\\"\\\\\\/\\n\"}\r\n  "
      "{\"amount\":-0.5e1,\"id\":9223372036854775807}  \n"};
  std::vector<std::string> arrays{"[]", "[{\"id\":1},{\"id\":2 , \"이름\":\"]\"}\n,{}]"};
  const std::string_view spice = "{}[]\",:0123456789-+.eEtrufalsn\\ \n\r\x80\xff";
  const auto reader_of = [](JsonForm form) {
    return [form](const Path& file, RejectLog* rejects) {
      JsonOptions options;
      // What is written plainly is always lines.
      options.form = file.filename() == "again" ? JsonForm::lines : form;
      options.schema = schema;
      options.rejects = rejects;
      options.display = "주문.json";
      return make_json_reader(file, options);
    };
  };
  fuzz(lines, spice, reader_of(JsonForm::lines), plain_json);
  for (const std::string& objects : lines) {
    std::string array = "[\n" + objects.substr(objects.starts_with('\xEF') ? 3 : 0) + "]";
    for (size_t at = 0; (at = array.find("}\n", at)) != array.npos;) array.replace(at, 2, "},\n");
    arrays.push_back(array);
  }
  fuzz(arrays, spice, reader_of(JsonForm::array), plain_json);
}

Certificate full_certificate() {
  Certificate certificate;
  certificate.id = "018d5f2e-0000-7000-8000-000000000001";
  certificate.level = CertifyLevel::source;
  certificate.source = "mysql://db:3306/market table 주문";
  certificate.where = Value::Map{{"sql", "id < :below"}, {"values", Value::Map{{"below", 9}}}};
  certificate.increment = Value::Map{{"mode", "cursor"}, {"chunks", Value::List{Value::Map{{"rows", 3}}}}};
  certificate.rows = 3;
  certificate.row_sum = UINT64_MAX;
  certificate.columns = {
      {.name = "id",
       .source_type = "int(11)",
       .type = "int32",
       .count = 3,
       .sum = 5,
       .database = DatabaseFigures{.count = 3, .least = "1", .greatest = "3", .sum = "6"}},
      {.name = "이름", .type = "string", .count = 2, .nulls = 1, .recast = "string", .mask = "hmac_sha256"}};
  certificate.source_columns = {{"id", "int(11)"}, {"이름", "varchar(40)"}};
  certificate.files = {{.uri = "/lake/part-00000.parquet", .rows = 3, .bytes = 100, .sha256 = "00ff"}};
  certificate.policies = {{"이름", "invalid_text=replace", 1}};
  certificate.made_at = "2026-01-31T00:00:00Z";
  return certificate;
}

TEST_CASE("no manifest and no intent makes its reader stumble, and a certificate that is read comes back as it is") {
  const Certificate certificate = full_certificate();
  Value file = Value::Map{{"uri", "/lake/part-00000.parquet"}, {"rows", 3}, {"bytes", 100}, {"sha256", "00ff"}};
  const Value manifest = Value::Map{{"version", 1},
                                    {"files", Value::List{std::move(file)}},
                                    {"increment", Value::Map{{"chunks", Value::list()}}},
                                    {"certificate", to_value(certificate)}};
  const std::vector<std::string> manifests{to_json_pretty(manifest), to_json(manifest)};
  const std::vector<std::string> intents{
      intent_json({.try_id = "home-7", .adds = {"/lake/a"}, .removes = {"/lake/b"}, .certificate = certificate})};
  const TemporaryFolder folder;
  const std::string to = folder.path().string() + "/";
  LocalFileSystem files({});
  const uint64_t seed = test::fuzz_seed();
  Random random(seed);
  uint64_t read_well = 0;
  for (uint64_t round = test::fuzz_rounds(250); round > 0; --round) {
    const std::string text =
        mutated(manifests[random.below(manifests.size())], random, "{}[]\",:0123456789-.eEnul\\ \xff");
    INFO("seed " << seed << " round " << round << ": " << text);
    keep(folder.path() / std::string(manifest_name), text);
    const auto last = read_last_result(files, to);
    if (!last) {
      REQUIRE_FALSE(last.error().message.empty());
    } else if (*last) {
      ++read_well;
      REQUIRE(parse_certificate(to_value((*last)->certificate)) == (*last)->certificate);
    }
    const auto intent = parse_intent(mutated(intents.front(), random, "{}[]\",:0123456789-.eEnul\\ \xff"));
    if (!intent)
      REQUIRE_FALSE(intent.error().message.empty());
    else
      REQUIRE(parse_intent(intent_json(*intent))->adds == intent->adds);
  }
  CHECK(read_well > 0);
}

}  // namespace
}  // namespace udon::data
