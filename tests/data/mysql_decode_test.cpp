#include "plugins/data/mysql_decode.h"

#include <catch2/catch.hpp>

#include "base/unicode.h"
#include "plugins/data/cell_text.h"
#include "plugins/data/text_times.h"

namespace udon::data {
namespace {

using Texts = std::vector<std::optional<std::string>>;

MysqlColumnPlan plan_of(MysqlKind kind, std::shared_ptr<arrow::DataType> type, int scale = 0) {
  MysqlColumnPlan plan;
  plan.kind = kind;
  plan.scale = scale;
  plan.info.type = std::move(type);
  plan.info.request.name = "c";
  return plan;
}

struct Decoded {
  ValueProblem problem = ValueProblem::none;
  size_t at = 0;
  Texts values;  // as text
  int64_t nulls = 0;
  uint64_t by_policy = 0;
};

// The cells in blocks of so many, as the reader gives them.
Decoded decode(const MysqlColumnPlan& plan, const Texts& wire, const TableRequest& request = {}, size_t block = 256) {
  std::vector<MysqlCell> cells;
  static constexpr uint8_t nothing = 0;
  for (const auto& value : wire) {
    if (!value)
      cells.emplace_back();
    else
      cells.push_back({value->empty() ? &nothing : reinterpret_cast<const uint8_t*>(value->data()), value->size()});
  }
  const auto decoder = make_mysql_decoder(plan, request, std::nullopt);
  Decoded decoded;
  decoder->reserve(static_cast<int64_t>(cells.size()));
  for (size_t begin = 0; begin < cells.size(); begin += block) {
    const size_t rows = std::min(block, cells.size() - begin);
    decoded.problem = decoder->append(std::span(cells).subspan(begin, rows), {}, decoded.at);
    decoded.at += begin;
    if (decoded.problem != ValueProblem::none) return decoded;
  }
  const auto array = decoder->finish().ValueOrDie();
  REQUIRE(array->ValidateFull().ok());
  REQUIRE(array->length() == static_cast<int64_t>(wire.size()));
  decoded.nulls = array->null_count();
  for (int64_t row = 0; row < array->length(); ++row) {
    std::string text;
    if (!array->IsNull(row)) append_cell_text(*array, row, text);
    decoded.values.push_back(array->IsNull(row) ? std::nullopt : std::optional(text));
  }
  for (const PolicyUse& use : decoder->policy_uses()) decoded.by_policy += use.values;
  return decoded;
}

std::string date_cell(int year, int month, int day) {
  std::string cell(4, '\0');
  cell[0] = static_cast<char>(year & 0xff), cell[1] = static_cast<char>(year >> 8);
  cell[2] = static_cast<char>(month), cell[3] = static_cast<char>(day);
  return cell;
}

}  // namespace

TEST_CASE("texts of a block are taken with their NULLs and empty values, in whatever blocks they come") {
  Texts texts;
  for (int i = 0; i < 700; ++i)
    texts.push_back(i % 7 == 3    ? std::nullopt
                    : i % 11 == 0 ? std::optional<std::string>("")
                                  : std::optional("우동 " + std::string(static_cast<size_t>(i % 40), 'x')));
  for (const size_t block : {1, 16, 255, 256, 700})
    CHECK(decode(plan_of(MysqlKind::text, arrow::utf8()), texts, {}, block).values == texts);
  const Texts no_nulls{"a", "", "b"};
  CHECK(decode(plan_of(MysqlKind::binary, arrow::binary()), no_nulls).nulls == 0);
  CHECK(decode(plan_of(MysqlKind::text, arrow::utf8()), {std::nullopt, std::nullopt}).nulls == 2);
  CHECK(decode(plan_of(MysqlKind::text, arrow::utf8()), {}).values.empty());
}

TEST_CASE("halves of a character in two values that follow each other are invalid text, each of them") {
  const std::string whole = "동";
  const Texts halves{"ab", whole.substr(0, 1), whole.substr(1), "c"};
  const MysqlColumnPlan plan = plan_of(MysqlKind::text, arrow::utf8());
  const Decoded refused = decode(plan, halves);
  CHECK(refused.problem == ValueProblem::invalid_text);
  CHECK(refused.at == 1);
  TableRequest request;
  request.policies.invalid_text = "null";
  const Decoded nulled = decode(plan, halves, request);
  CHECK(nulled.values == Texts{"ab", std::nullopt, std::nullopt, "c"});
  CHECK(nulled.by_policy == 2);
  // An empty value between them, or a NULL, does not part them.
  CHECK(decode(plan, {whole.substr(0, 2), "", std::nullopt, whole.substr(2)}).at == 0);
  CHECK(decode(plan, {"x", std::nullopt, whole.substr(2)}).at == 2);
  // Bytes are taken as they are.
  CHECK(decode(plan_of(MysqlKind::binary, arrow::binary()), halves).problem == ValueProblem::none);
}

TEST_CASE("of a block the first value that cannot be taken is named") {
  TableRequest request;
  request.value_bytes_max = 3;
  const Decoded large = decode(plan_of(MysqlKind::text, arrow::utf8()), {"abc", "abcd", "\xff"}, request);
  CHECK(large.problem == ValueProblem::too_large);
  CHECK(large.at == 1);
  const Decoded invalid = decode(plan_of(MysqlKind::text, arrow::utf8()), {"abc", "\xff", "abcd"}, request);
  CHECK(invalid.problem == ValueProblem::invalid_text);
  CHECK(invalid.at == 1);
}

TEST_CASE("decimals are read with exactly their scale's digits, short and long") {
  const auto of_scale = [](int scale) { return plan_of(MysqlKind::decimal, arrow::decimal128(38, scale), scale); };
  const Texts two{"0.00",
                  "-0.01",
                  std::nullopt,
                  "1234567890123.45",
                  "-123456789012345.67",
                  "1234567890123456.78",
                  "-12345678901234567.89",
                  "999999999999999999999999999999999999.99"};
  CHECK(decode(of_scale(2), two).values == two);
  const Texts none{"0", "-7", "123456789012345678", "1234567890123456789", "-99999999999999999999999999999999999999"};
  CHECK(decode(of_scale(0), none).values == none);
  for (const char* wrong :
       {"", "-", "1", "1.2", "1.234", "12", ".1", "1,23", "1.2x", "x.23", "--1.23", "1.23 ", "1..2",
        "zzzzzzzzzzzzzzzzzz", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff.\xff\xff"})
    CHECK(decode(of_scale(2), {wrong}).problem == ValueProblem::malformed);
}

TEST_CASE("days are those of the calendar, in the years of the table and outside") {
  const MysqlColumnPlan plan = plan_of(MysqlKind::date, arrow::date32());
  Texts cells, expected;
  for (int year : {1582, 1583, 1896, 1899, 1900, 1901, 2000, 2024, 2026, 2099, 2100, 2101, 9999})
    for (int month = year == 1582 ? 11 : 1; month <= 12; ++month)
      for (int day = 1; day <= 31; ++day) {
        const std::string cell = date_cell(year, month, day);
        if (!days_of(year, month, day)) {
          CHECK(decode(plan, {cell}).problem == ValueProblem::zero_date);
          continue;
        }
        cells.push_back(cell);
        char text[16];
        std::snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
        expected.push_back(text);
      }
  CHECK(decode(plan, cells).values == expected);
  for (const std::string& wrong :
       {date_cell(2026, 0, 1), date_cell(2026, 13, 1), date_cell(2026, 1, 0), date_cell(0, 0, 0)})
    CHECK(decode(plan, {wrong}).problem == ValueProblem::zero_date);
  TableRequest request;
  request.policies.zero_dates = request.policies.ancient_dates = "null";
  const Decoded nulled =
      decode(plan, {date_cell(2026, 2, 30), date_cell(1582, 10, 14), date_cell(1582, 10, 15)}, request);
  CHECK(nulled.values == Texts{std::nullopt, std::nullopt, "1582-10-15"});
  CHECK(nulled.by_policy == 2);
}

}  // namespace udon::data
