#include "plugins/data/drift.h"

#include <catch2/catch.hpp>

#include "base/text.h"

namespace udon::data {
namespace {

using Catalog = std::vector<CatalogColumn>;

const Catalog three = {
    {"id", "bigint(20)", false, false}, {"이름", "varchar(40)", true, false}, {"amount", "int(11)", true, false}};

Certificate certificate_of(const Catalog& catalog, const std::vector<std::string>& chosen = {}) {
  Certificate certificate;
  certificate.source = "mysql://replica:3306/market table orders";
  certificate.made_at = "2026-01-31T00:00:00Z";
  for (const CatalogColumn& column : catalog) {
    certificate.source_columns.push_back({column.name, column.type});
    if (!chosen.empty() && std::ranges::find(chosen, column.name) == chosen.end()) continue;
    certificate.columns.push_back({.name = column.name,
                                   .source_name = column.name,
                                   .source_type = column.type,
                                   .type = column.type.starts_with("int") ? "int32" : "string"});
  }
  return certificate;
}

struct Asked {
  TableRequest request;
  std::vector<std::string> notes;
  Result<void> done;
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const ColumnRequest& column : request.columns) all.push_back(column.name);
    return all;
  }
};

// No columns: '*'.
Asked choose(const std::optional<Certificate>& before, const Catalog& now, const std::vector<std::string>& columns,
             const DriftPolicy& policy = {}) {
  Asked asked;
  asked.request.all_columns = columns.empty();
  for (const std::string& name : columns)
    asked.request.columns.push_back({.source_name = name, .name = name, .mask = "", .type = ""});
  Drift drift(policy, before, "mysql://other:3306/market table orders");
  asked.done = drift.choose(now, asked.request);
  asked.notes = drift.notes();
  if (!asked.done) UNSCOPED_INFO(asked.done.error().message);
  return asked;
}

Catalog with(Catalog catalog, const CatalogColumn& column) {
  catalog.push_back(column);
  return catalog;
}
Catalog without(Catalog catalog, const std::string& name) {
  std::erase_if(catalog, [&](const CatalogColumn& column) { return column.name == name; });
  return catalog;
}
const CatalogColumn phone = {"phone", "varchar(20)", true, false};

TEST_CASE("the first run has nothing to compare, and '*' is every column that is not left out") {
  CHECK(choose({}, three, {}).names() == std::vector<std::string>{"id", "이름", "amount"});
  CHECK(choose({}, three, {}, {.leave_out = {"이름"}}).names() == std::vector<std::string>{"id", "amount"});
  CHECK(choose({}, with(three, {"hidden", "int(11)", true, true}), {}).names().size() == 3);
}

TEST_CASE("a name in leave_out that the table lacks lets no column out") {
  const Asked asked = choose({}, three, {}, {.leave_out = {"amuont"}});
  REQUIRE_FALSE(asked.done);
  CHECK(asked.done.error().kind == ErrorKind::not_found);
  CHECK_THAT(asked.done.error().message, Catch::Contains("no column `amuont`; did you mean `amount`"));
  CHECK_FALSE(choose({}, three, {"id", "amount"}, {.leave_out = {"amount"}}).done);
}

TEST_CASE("a new column: '*' includes it and a list leaves it out, and the log tells, unless the file says otherwise") {
  const Certificate before = certificate_of(three);
  const Catalog now = with(three, phone);
  const Asked all = choose(before, now, {});
  REQUIRE(all.done);
  CHECK(all.names() == std::vector<std::string>{"id", "이름", "amount", "phone"});
  CHECK(all.notes == std::vector<std::string>{"new in the source since the last result, and exported: `phone`"});
  const Asked listed = choose(before, now, {"id"});
  REQUIRE(listed.done);
  CHECK(listed.names() == std::vector<std::string>{"id"});
  CHECK(listed.notes == std::vector<std::string>{"new in the source since the last result, and left out: `phone`"});

  CHECK(choose(before, now, {}, {.on_new_column = OnNewColumn::ignore}).names().size() == 3);
  CHECK(choose(before, now, {"id"}, {.on_new_column = OnNewColumn::include}).names() ==
        std::vector<std::string>{"id", "phone"});
  // Who asks for it, or has it left out, has decided.
  CHECK(choose(before, now, {"id", "phone"}, {.on_new_column = OnNewColumn::error}).notes.empty());
  CHECK(choose(before, now, {}, {.on_new_column = OnNewColumn::error, .leave_out = {"phone"}}).done);
}

TEST_CASE("a new column to decide on is shown beside the old ones, with what to paste") {
  const Certificate before = certificate_of(three);
  const Asked all = choose(before, with(three, phone), {}, {.on_new_column = OnNewColumn::error});
  REQUIRE_FALSE(all.done);
  CHECK(all.done.error().kind == ErrorKind::data);
  CHECK(all.done.error().message ==
        "mysql://other:3306/market table orders has changed since the last result (of 2026-01-31T00:00:00Z): `phone` "
        "(varchar(20)) is new. Nothing was exported. Paste into the DAG file what is meant:\n"
        "  to export it: on_new_column: include, until it is in a result\n"
        "  to leave it out: leave_out: [phone]\n"
        "  column  before       now\n"
        "  id      bigint(20)   bigint(20)\n"
        "  이름    varchar(40)  varchar(40)\n"
        "  amount  int(11)      int(11)\n"
        "  phone   (none)       varchar(20)  <-");
  const Asked listed = choose(certificate_of(three, {"id"}), with(three, phone), {"id"},
                              {.on_new_column = OnNewColumn::error, .leave_out = {"이름"}});
  REQUIRE_FALSE(listed.done);
  CHECK_THAT(listed.done.error().message,
             Catch::Contains("in `columns` phone") && Catch::Contains("leave_out: [이름, phone]"));
}

TEST_CASE("a column that was ignored is not exported by a later run of '*' without a word") {
  const Certificate before = certificate_of(with(three, phone), {"id", "이름", "amount"});
  CHECK(choose(before, with(three, phone), {}, {.on_new_column = OnNewColumn::ignore}).names().size() == 3);
  CHECK_FALSE(choose(before, with(three, phone), {}, {.on_new_column = OnNewColumn::error}).done);
  CHECK(choose(before, with(three, phone), {}).notes.size() == 1);
  // A list that never had it was decided on when the source had it already.
  CHECK(choose(before, with(three, phone), {"id"}, {.on_new_column = OnNewColumn::error}).done);
}

TEST_CASE("a column that is gone stops the export, and one of the same type that has come may be it") {
  const Certificate before = certificate_of(three);
  const Asked gone = choose(before, without(three, "amount"), {});
  REQUIRE_FALSE(gone.done);
  CHECK_THAT(gone.done.error().message, Catch::Contains("`amount` is gone") &&
                                            Catch::Contains("on_dropped_column: ignore") &&
                                            Catch::Contains("  amount  int(11)      (gone)  <-"));
  Catalog changed = without(three, "amount");
  changed[0].type = "bigint(20) unsigned";
  const Asked both = choose(before, changed, {});
  REQUIRE_FALSE(both.done);
  CHECK_THAT(both.done.error().message,
             Catch::Contains("`id` was bigint(20), is bigint(20) unsigned") && Catch::Contains("`amount` is gone") &&
                 Catch::Contains("the other type of `id`") && Catch::Contains("on_type_change: widen"));
  const Asked went_on = choose(before, without(three, "amount"), {}, {.on_dropped_column = OnDroppedColumn::ignore});
  REQUIRE(went_on.done);
  CHECK(went_on.names().size() == 2);
  CHECK(went_on.notes.size() == 1);

  const Catalog renamed = with(without(three, "이름"), {"성명", "varchar(40)", true, false});
  const Asked all = choose(before, renamed, {});
  REQUIRE_FALSE(all.done);
  CHECK_THAT(all.done.error().message,
             Catch::Contains("`이름` is gone, and `성명` of the same type is new: renamed?") &&
                 Catch::Contains("columns: [id, amount, {name: 성명, as: 이름}]"));
  const Asked listed = choose(before, renamed, {"id", "이름"}, {.on_dropped_column = OnDroppedColumn::ignore});
  REQUIRE_FALSE(listed.done);
  CHECK_THAT(listed.done.error().message, Catch::Contains("in `columns` {name: 성명, as: 이름} in its place") &&
                                              Catch::Contains("take `이름` out of `columns`"));
  // It is not asked for any more.
  CHECK(choose(before, without(three, "amount"), {"id", "이름"}).done);
}

TEST_CASE("the list to paste for a renamed column has only those new ones that would have been exported") {
  const Certificate before = certificate_of(three);
  const Catalog now = with(with(without(three, "이름"), {"성명", "varchar(40)", true, false}), phone);
  const auto told = [&](OnNewColumn on_new) {
    const Asked asked = choose(before, now, {}, {.on_new_column = on_new});
    REQUIRE_FALSE(asked.done);
    return asked.done.error().message;
  };
  const std::string without_it = "columns: [id, amount, {name: 성명, as: 이름}]";
  CHECK_THAT(told(OnNewColumn::ignore), Catch::Contains(without_it));
  CHECK_THAT(told(OnNewColumn::error), Catch::Contains(without_it) && Catch::Contains("`phone` (varchar(20)) is new"));
  CHECK_THAT(told(OnNewColumn::unsaid), Catch::Contains("columns: [id, amount, phone, {name: 성명, as: 이름}]"));
}

TEST_CASE("one new column is not offered as the new name of two") {
  const Catalog alike = with(three, {"별명", "varchar(40)", true, false});
  const Catalog now = with(without(without(alike, "이름"), "별명"), {"성명", "varchar(40)", true, false});
  const Asked asked = choose(certificate_of(alike), now, {});
  REQUIRE_FALSE(asked.done);
  CHECK_THAT(asked.done.error().message,
             Catch::Contains("`이름` is gone; `별명` is gone") && !Catch::Contains("renamed"));
}

TEST_CASE("a result of another table, and one that did not remember the source's columns, are not compared with") {
  Certificate other = certificate_of(three);
  other.source = "mysql://replica:3306/market table customers";
  CHECK(choose(other, without(three, "amount"), {}).done);
  Certificate old = certificate_of(three, {"id"});
  old.source_columns.clear();
  CHECK(choose(old, with(three, phone), {"id"}, {.on_new_column = OnNewColumn::error}).notes.empty());
}

TEST_CASE("of a table with many columns only what differs is shown") {
  Catalog many;
  for (int i = 0; i < 60; ++i) many.push_back({"c" + std::to_string(i), "int(11)", true, false});
  const Asked asked = choose(certificate_of(many), with(without(many, "c7"), phone), {});
  REQUIRE_FALSE(asked.done);
  CHECK_THAT(asked.done.error().message, Catch::EndsWith("  column  before   now\n"
                                                         "  c7      int(11)  (gone)  <-\n"
                                                         "  phone   (none)   varchar(20)  <-\n"
                                                         "  and 59 columns that are the same"));
}

struct Types {
  Result<void> done;
  std::string asked;  // the type that is asked for now
  std::vector<std::string> notes;
};
Types settle(ColumnCertificate before, ColumnInfo now, OnTypeChange policy = OnTypeChange::error) {
  Certificate certificate = certificate_of({});
  before.name = before.source_name = now.request.source_name = now.request.name = "price";
  certificate.columns = {std::move(before)};
  Drift drift({.on_type_change = policy}, certificate, certificate.source);
  std::vector<ColumnInfo> columns = {std::move(now)};
  Types types;
  types.done = drift.settle_types(columns);
  if (!types.done) UNSCOPED_INFO(types.done.error().message);
  types.asked = columns[0].request.type;
  types.notes = drift.notes();
  return types;
}
ColumnInfo column(const std::string& source_type, std::shared_ptr<arrow::DataType> type) {
  return {.request = {}, .source_type = source_type, .type = std::move(type)};
}

TEST_CASE("a column whose type has changed stops the export where the result's would change") {
  const ColumnCertificate before = {.source_type = "int(11)", .type = "int32"};
  const Types changed = settle(before, column("bigint(20)", arrow::int64()));
  REQUIRE_FALSE(changed.done);
  CHECK_THAT(changed.done.error().message,
             Catch::Contains("`price` was int(11), is bigint(20) (int32 in the result, would be int64)") &&
                 Catch::Contains("on_type_change: widen") &&
                 Catch::Contains("{name: price, as: price, type: \"int32\"}"));
  CHECK(settle({.source_type = "varchar(20)", .type = "string"}, column("varchar(40)", arrow::utf8())).done);
  // The DAG file says another type, a zone, or nothing any more: nobody else has decided.
  ColumnInfo asked = column("bigint(20)", arrow::int64());
  asked.request.type = "int64";
  CHECK(settle(before, asked).done);
  CHECK(settle({.source_type = "datetime", .type = "timestamp[us]"},
               column("datetime", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")))
            .done);
  CHECK(settle({.source_type = "int(11)", .type = "string", .after_transform = true, .recast = "string"},
               column("bigint(20)", arrow::int64()))
            .done);
}

TEST_CASE("widen takes a type that holds what was and what is, and never a narrower one") {
  using enum OnTypeChange;
  const Types wider = settle({.source_type = "int(11)", .type = "int32"}, column("bigint(20)", arrow::int64()), widen);
  REQUIRE(wider.done);
  CHECK(wider.asked.empty());
  CHECK(wider.notes.size() == 1);
  const Types narrower =
      settle({.source_type = "bigint(20)", .type = "int64"}, column("int(11)", arrow::int32()), widen);
  REQUIRE(narrower.done);
  CHECK(narrower.asked == "int64");
  // So it stays in the runs after that.
  CHECK(settle({.source_type = "int(11)", .type = "int64", .after_transform = true, .recast = "int64"},
               column("int(11)", arrow::int32()), widen)
            .asked == "int64");
  CHECK(settle({.source_type = "decimal(12,2)", .type = "decimal128(12, 2)"},
               column("decimal(10,4)", arrow::decimal128(10, 4)), widen)
            .asked == "decimal(14,4)");
  CHECK_FALSE(settle({.source_type = "int(11)", .type = "int32"}, column("varchar(20)", arrow::utf8()), widen).done);
}

TEST_CASE("numbers are widened to what holds every value of both") {
  CHECK(wider_type("int8", "int16") == "int16");
  CHECK(wider_type("int64", "int16") == "int64");
  CHECK(wider_type("float", "double") == "double");
  CHECK(wider_type("int16", "float") == "float");
  CHECK(wider_type("int32", "float") == "double");
  CHECK(wider_type("int64", "double") == std::nullopt);
  CHECK(wider_type("int64", "decimal128(20, 0)") == "decimal128(20, 0)");
  CHECK(wider_type("int32", "decimal128(5, 2)") == "decimal128(12, 2)");
  CHECK(wider_type("decimal128(38, 0)", "decimal128(38, 10)") == std::nullopt);
  CHECK(wider_type("decimal128(12, 2)", "double") == std::nullopt);
  CHECK(wider_type("string", "int32") == std::nullopt);
}

TEST_CASE("a masked column whose masks would not join with those of before stops the export") {
  const auto masked = [](const std::string& type, std::shared_ptr<arrow::DataType> arrow_type) {
    ColumnInfo info = column(type, std::move(arrow_type));
    info.request.mask = "hmac_sha256";
    return info;
  };
  const ColumnCertificate before = {.source_type = "int(11)", .type = "string", .after_transform = true};
  CHECK(settle(before, masked("bigint(20)", arrow::int64())).done);
  CHECK_FALSE(settle(before, masked("varchar(20)", arrow::utf8())).done);
  CHECK_FALSE(settle(before, masked("bigint(20) unsigned", arrow::decimal128(20, 0)), OnTypeChange::widen).done);
  CHECK(settle({.source_type = "varchar(20)", .type = "string", .after_transform = true}, masked("text", arrow::utf8()))
            .done);
}

}  // namespace
}  // namespace udon::data
