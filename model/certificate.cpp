#include "model/certificate.h"

#include <charconv>

#include "base/ensure.h"
#include "model/fields.h"

namespace udon {
namespace {

constexpr int64_t certificate_version = 1;

Value count_value(uint64_t count) {
  ENSURE(count <= static_cast<uint64_t>(INT64_MAX), "a count beyond 63 bits cannot be true");
  return Value(static_cast<int64_t>(count));
}

Value sum_or_null(const std::optional<uint64_t>& sum) { return sum ? Value(std::to_string(*sum)) : Value(); }

uint64_t read_count(FieldReader& fields, std::string_view key) {
  const int64_t count = fields.integer_at_least(key, 0);
  return count < 0 ? 0 : static_cast<uint64_t>(count);
}

std::optional<uint64_t> read_sum(FieldReader& fields, std::string_view key) {
  const std::optional<std::string> text = fields.optional_text(key);
  if (!text) return std::nullopt;
  uint64_t sum = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), sum);
  if (error != std::errc{} || end != text->data() + text->size()) {
    fields.fail(key, "has to be a decimal number below 2^64 in a string, found `" + *text + "`");
    return std::nullopt;
  }
  return sum;
}

Value text_or_null(const std::optional<std::string>& text) { return text ? Value(*text) : Value(); }

Value to_value(const std::optional<DatabaseFigures>& figures) {
  if (!figures) return {};
  return Value(Value::Map{
      {"count", count_value(figures->count)},
      {"nulls", count_value(figures->nulls)},
      {"nulled", count_value(figures->nulled)},
      {"least", text_or_null(figures->least)},
      {"greatest", text_or_null(figures->greatest)},
      {"sum", text_or_null(figures->sum)},
      {"bytes", figures->bytes ? count_value(*figures->bytes) : Value()},
      {"left_out", figures->left_out},
  });
}

Result<DatabaseFigures> parse_figures(const Value& value) {
  FieldReader fields(value, "certificate's figures of the database");
  DatabaseFigures figures;
  figures.count = read_count(fields, "count");
  figures.nulls = read_count(fields, "nulls");
  figures.nulled = read_count(fields, "nulled");
  figures.least = fields.optional_text("least");
  figures.greatest = fields.optional_text("greatest");
  figures.sum = fields.optional_text("sum");
  if (fields.has("bytes")) figures.bytes = read_count(fields, "bytes");
  figures.left_out = fields.text("left_out");
  TRY(fields.status());
  return figures;
}

Value to_value(const ColumnCertificate& column) {
  return Value(Value::Map{
      {"name", column.name},
      {"source_name", column.source_name},
      {"source_type", column.source_type},
      {"type", column.type},
      {"count", count_value(column.count)},
      {"nulls", count_value(column.nulls)},
      {"sum", sum_or_null(column.sum)},
      {"after_transform", column.after_transform},
      {"recast", column.recast},
      {"mask", column.mask},
      {"database", to_value(column.database)},
  });
}

Result<ColumnCertificate> parse_column(const Value& value) {
  FieldReader fields(value, "certificate of a column");
  ColumnCertificate column;
  column.name = fields.text("name");
  column.source_name = fields.text("source_name");
  column.source_type = fields.text("source_type");
  column.type = fields.text("type");
  column.count = read_count(fields, "count");
  column.nulls = read_count(fields, "nulls");
  column.sum = read_sum(fields, "sum");
  column.after_transform = fields.flag("after_transform");
  column.recast = fields.optional_text("recast").value_or("");
  column.mask = fields.optional_text("mask").value_or("");
  if (fields.has("database")) {
    if (Result<DatabaseFigures> figures = parse_figures(fields.any("database")))
      column.database = std::move(*figures);
    else
      fields.fail(figures.error());
  }
  TRY(fields.status());
  return column;
}

Value to_value(const SourceColumn& column) { return Value(Value::Map{{"name", column.name}, {"type", column.type}}); }

Result<SourceColumn> parse_source_column(const Value& value) {
  FieldReader fields(value, "certificate's column of the source");
  SourceColumn column;
  column.name = fields.text("name");
  column.type = fields.text("type");
  TRY(fields.status());
  return column;
}

Value to_value(const FileCertificate& file) {
  return Value(Value::Map{
      {"uri", file.uri},
      {"rows", count_value(file.rows)},
      {"bytes", count_value(file.bytes)},
      {"sha256", file.sha256},
      {"etag", file.etag},
  });
}

Result<FileCertificate> parse_file(const Value& value) {
  FieldReader fields(value, "certificate of a file");
  FileCertificate file;
  file.uri = fields.text("uri");
  file.rows = read_count(fields, "rows");
  file.bytes = read_count(fields, "bytes");
  file.sha256 = fields.text("sha256");
  file.etag = fields.text("etag");
  TRY(fields.status());
  return file;
}

Value to_value(const PolicyUse& use) {
  return Value(Value::Map{{"column", use.column}, {"policy", use.policy}, {"values", count_value(use.values)}});
}

Result<PolicyUse> parse_policy_use(const Value& value) {
  FieldReader fields(value, "certificate's use of a policy");
  PolicyUse use;
  use.column = fields.text("column");
  use.policy = fields.text("policy");
  use.values = read_count(fields, "values");
  TRY(fields.status());
  return use;
}

template <class T>
Value list_of(const std::vector<T>& items) {
  Value list = Value::list();
  for (const T& item : items) list.push_back(to_value(item));
  return list;
}

template <class T>
std::vector<T> read_list(FieldReader& fields, std::string_view key, Result<T> (*parse)(const Value&)) {
  std::vector<T> items;
  for (const Value& item : fields.list(key)) {
    Result<T> parsed = parse(item);
    if (!parsed) {
      fields.fail(parsed.error());
      return {};
    }
    items.push_back(std::move(*parsed));
  }
  return items;
}

}  // namespace

std::string_view to_string(CertifyLevel level) {
  switch (level) {
    case CertifyLevel::rows: return "rows";
    case CertifyLevel::wire: return "wire";
    case CertifyLevel::source: return "source";
  }
  ENSURE(false, "a level of certification outside its enum");
}

std::optional<CertifyLevel> parse_certify_level(std::string_view text) {
  for (const CertifyLevel level : {CertifyLevel::rows, CertifyLevel::wire, CertifyLevel::source}) {
    if (to_string(level) == text) return level;
  }
  return std::nullopt;
}

Value to_value(const Certificate& certificate) {
  return Value(Value::Map{
      {"version", certificate_version},          {"id", certificate.id},
      {"level", to_string(certificate.level)},   {"source", certificate.source},
      {"connection", certificate.connection},    {"table", certificate.table},
      {"timezone", certificate.timezone},        {"where", certificate.where},
      {"increment", certificate.increment},      {"mechanism", certificate.mechanism},
      {"position", certificate.position},        {"mask_key_fingerprint", certificate.mask_key_fingerprint},
      {"rows", count_value(certificate.rows)},   {"row_sum", sum_or_null(certificate.row_sum)},
      {"columns", list_of(certificate.columns)}, {"source_columns", list_of(certificate.source_columns)},
      {"files", list_of(certificate.files)},     {"policies", list_of(certificate.policies)},
      {"made_at", certificate.made_at},
  });
}

Result<Certificate> parse_certificate(const Value& value) {
  FieldReader fields(value, "certificate");
  if (const int64_t version = fields.integer("version"); version > certificate_version) {
    fields.fail(Error{ErrorKind::unsupported, "certificate: written in version " + std::to_string(version) +
                                                  " of its form; this program reads up to " +
                                                  std::to_string(certificate_version)});
  }
  Certificate certificate;
  certificate.id = fields.text("id");
  certificate.level = fields.word("level", parse_certify_level);
  certificate.source = fields.text("source");
  certificate.connection = fields.optional_text("connection").value_or("");
  certificate.table = fields.optional_text("table").value_or("");
  certificate.timezone = fields.optional_text("timezone").value_or("");
  if (fields.has("where")) certificate.where = fields.map("where");
  if (fields.has("increment")) certificate.increment = fields.map("increment");
  certificate.mechanism = fields.text("mechanism");
  certificate.position = fields.text("position");
  certificate.mask_key_fingerprint = fields.text("mask_key_fingerprint");
  certificate.rows = read_count(fields, "rows");
  certificate.row_sum = read_sum(fields, "row_sum");
  certificate.columns = read_list(fields, "columns", parse_column);
  // Earlier certificates have none.
  if (fields.has("source_columns"))
    certificate.source_columns = read_list(fields, "source_columns", parse_source_column);
  certificate.files = read_list(fields, "files", parse_file);
  certificate.policies = read_list(fields, "policies", parse_policy_use);
  certificate.made_at = fields.text("made_at");
  TRY(fields.status());
  return certificate;
}

}  // namespace udon
