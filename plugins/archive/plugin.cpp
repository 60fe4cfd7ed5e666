// The door of archive.so: rows out of a table into files, and, once those are proven, out of the table.
#include <fmt/format.h>
#include <xxhash.h>

#include "base/pause.h"
#include "base/text.h"
#include "plugins/api/aws_default.h"
#include "plugins/api/operator.h"
#include "plugins/api/plugin.h"
#include "plugins/archive/archived_rows.h"
#include "plugins/archive/table_facts.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/audit.h"
#include "plugins/data/export.h"
#include "plugins/data/last_result.h"
#include "plugins/data/query.h"
#include "plugins/data/reader.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"

namespace udon {

extern const char archive_description[];
extern const char archive_help[];

namespace {

constexpr size_t named_max = 10;                 // changed rows in the message
constexpr uint64_t rows_between_lines = 50'000;  // of the log

class Archive final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    context_ = &context;
    const Value& parameters = context.parameters();
    table_ = parameters.text("table");
    TRY_ASSIGN(source_, context.connection(parameters.text("connection")));
    const std::string target_id = parameters.text("delete_connection", source_.id);
    TRY_ASSIGN(target_, context.connection(target_id));
    if (source_.type != target_.type)
      return Error{ErrorKind::invalid,
                   fmt::format("`connection` is of type {}, `delete_connection` of {}", source_.type, target_.type)};
    dialect_ = target_.type == "mysql" ? SqlDialect::mysql : SqlDialect::postgresql;
    // Before anything is read: what can never be deleted need not be exported.
    TRY_ASSIGN(facts_, archive_facts(target_, table_, parameters.flag("with_triggers"), context.stop_token()));
    TRY(make_request());
    TRY_ASSIGN(const FileLock lock, lock_target());
    TRY_ASSIGN(const data::Published archived, archive());
    TRY(delete_archived(archived.certificate));
    return outcome(archived);
  }

 private:
  Result<void> make_request() {
    const Value& parameters = context_->parameters();
    request_.table = table_;
    for (const std::string& column : facts_.columns)
      request_.columns.push_back({.source_name = column, .name = column});
    for (const std::string& name : facts_.key)
      for (size_t c = 0; c < facts_.columns.size(); ++c)
        if (facts_.columns[c] == name) key_.push_back(c);
    request_.timezone = parameters.text("timezone");
    request_.policies.ancient_dates = parameters.text("ancient_dates", "error");
    TRY(data::parse_where(parameters.get("where"), request_));
    return {};
  }

  // Two tries at once would each publish, and the archive of the first be replaced while it deletes.
  Result<FileLock> lock_target() const {
    const std::string to = context_->parameters().text("to");
    TRY_ASSIGN(const Path staging, context_->staging());
    const Path folder = staging.parent_path().parent_path() / "archives";
    TRY(make_directories(folder, 0700));
    auto lock = FileLock::acquire(folder / fmt::format("{:016x}.lock", XXH3_64bits(to.data(), to.size())));
    if (!lock && lock.error().kind == ErrorKind::conflict)
      return Error{ErrorKind::conflict, fmt::format("another try archives to {} ({})", to, lock.error().message)};
    return lock;
  }

  std::unique_ptr<data::TableReader> make_reader(const Connection& connection) const {
    return connection.type == "mysql" ? data::make_mysql_reader(connection) : data::make_postgres_reader(connection);
  }

  // What this try has published, or an earlier one. Once there is an archive it is never written anew: rows that it
  // holds may be nowhere else.
  Result<data::Published> archive() {
    const std::string to = context_->parameters().text("to");
    std::optional<Connection> connection;
    if (to.starts_with("s3://")) {
      TRY_ASSIGN(connection, aws_connection(*context_, "to_connection"));
    }
    TRY_ASSIGN(files_, make_file_system(to, connection, io_context_of(*context_, "to_connection")));
    TRY_ASSIGN(const std::optional<data::LastResult> before, data::read_last_result(*files_, to));
    if (before) {
      TRY(check_same(*before, to));
      context_->log(fmt::format("{} holds the archive of an earlier try, {} rows: it stays, and its rows are deleted",
                                to, before->certificate.rows));
      is_resumed_ = true;
      return data::Published{.certificate = before->certificate, .manifest = before->manifest};
    }
    TRY_ASSIGN(const Outcome exported, data::export_table(
                                           *context_, [this] { return make_reader(source_); }, request_,
                                           source_.display() + " table " + table_, dialect_));
    TRY_ASSIGN(Certificate certificate, parse_certificate(exported.return_value.get("certificate")));
    return data::Published{.certificate = std::move(certificate), .manifest = exported.return_value.text("manifest")};
  }

  Result<void> check_same(const data::LastResult& before, const std::string& to) const {
    const bool is_same_condition = before.certificate.where.text("sql") == request_.where &&
                                   is_same_values(before.certificate.where.get("values"), request_.where_parameters);
    if (before.certificate.table == table_ && is_same_condition &&
        before.certificate.columns.size() == facts_.columns.size())
      return {};
    return Error{ErrorKind::conflict,
                 fmt::format("{} holds another archive ({}, where {}): its rows may be nowhere else, so it is not "
                             "replaced; name another folder",
                             to, before.certificate.source, to_json(before.certificate.where))};
  }

  static bool is_same_values(const Value& one, const Value& other) {
    return (one.size() == 0 && other.size() == 0) || one == other;
  }

  Result<void> delete_archived(const Certificate& certificate) {
    if (certificate.level == CertifyLevel::rows)
      return Error{ErrorKind::invalid,
                   "the archive is certified at level rows only: nothing is deleted on that ground"};
    TRY_ASSIGN(const Path staging, context_->staging());
    for (const FileCertificate& file : certificate.files) {
      // As it stands at the target, and the very bytes that were certified.
      TRY_ASSIGN(const data::FileAtHand found, data::at_hand(*files_, file, staging));
      if (!found.difference.empty())
        return Error{ErrorKind::data,
                     fmt::format("{} is not what was certified ({}): nothing was deleted on the ground "
                                 "of it; find out who has written it",
                                 file.uri, found.difference)};
      TRY(open_session());
      uint64_t rows = 0;
      TRY(read_parquet(found.file, context_->parameters().integer("batch_rows", 1000),
                       [&](const arrow::RecordBatch& batch) -> Result<void> {
                         if (context_->stop_requested())
                           return Error{ErrorKind::cancelled, "asked to stop; " + so_far()};
                         rows += static_cast<uint64_t>(batch.num_rows());
                         return delete_batch(batch);
                       }));
      if (rows != file.rows)
        return Error{ErrorKind::data,
                     fmt::format("{} has {} rows, its certificate says {}", file.uri, rows, file.rows)};
    }
    return {};
  }

  // Anew for each file, which may have taken long to come: the server ends sessions that rest.
  Result<void> open_session() {
    TRY_ASSIGN(session_, data::open_query_session(target_, {.program = "udon archive"}, context_->stop_token()));
    if (dialect_ != SqlDialect::mysql) return {};
    TRY(session_->execute({.sql = "set session transaction isolation level read committed"}));
    TRY(session_->execute({.sql = "set session time_zone = '+00:00', sql_mode = ''"}));
    return {};
  }

  // In one transaction: the rows are locked, then read by a snapshot of their own, and those that are still what the
  // archive holds are deleted. A row that somebody has changed stays.
  Result<void> delete_batch(const arrow::RecordBatch& batch) {
    for (const size_t c : key_)
      if (batch.column(static_cast<int>(c))->type_id() == arrow::Type::TIMESTAMP && !request_.timezone.empty())
        return Error{
            ErrorKind::unsupported,
            fmt::format("column `{}` of the primary key is a time: without `timezone` it is taken as it stands",
                        facts_.columns[c])};
    KnownRows archived, present;
    TRY(add_rows(batch, key_, dialect_, archived));
    std::vector<const KnownRow*> wanted;
    for (const auto& [key, row] : archived) wanted.push_back(&row);
    const std::string from = quoted_table();
    const std::string predicate = predicate_of(wanted, facts_.key, dialect_);
    TRY(session_->begin(data::Access::writes));
    TRY(session_->execute({.sql = fmt::format("select 1 from {} where {} for update", from, predicate)}));
    TRY(read_present(predicate, present));
    std::vector<const KnownRow*> same;
    uint64_t gone = 0;
    for (const auto& [key, row] : archived) {
      const auto found = present.find(key);
      if (found == present.end()) {
        gone += 1;
      } else if (found->second.hashes != row.hashes) {
        changed_ += 1;
        if (changed_names_.size() < named_max) changed_names_.push_back(row.shown);
      } else {
        same.push_back(&row);
      }
    }
    // Batches go in the order of the archive: those of an earlier try come before the first that has rows to delete.
    if (!same.empty()) is_beyond_earlier_ = true;
    (is_resumed_ && !is_beyond_earlier_ ? deleted_earlier_ : gone_) += gone;
    if (!same.empty()) {
      TRY_ASSIGN(const int64_t removed,
                 session_->execute(
                     {.sql = fmt::format("delete from {} where {}", from, predicate_of(same, facts_.key, dialect_))}));
      if (removed != static_cast<int64_t>(same.size()))
        return Error{ErrorKind::data,
                     fmt::format("table {}: {} rows would have been deleted instead of {}; the batch was "
                                 "undone, {}",
                                 table_, removed, same.size(), so_far())};
    }
    TRY(session_->commit());
    deleted_ += same.size();
    if (deleted_ / rows_between_lines != (deleted_ - same.size()) / rows_between_lines) context_->log(so_far());
    if (!same.empty()) pause();
    return {};
  }

  Result<void> read_present(const std::string& predicate, KnownRows& present) {
    data::TableRequest request = request_;
    request.where = predicate;
    request.where_parameters = Value::map();
    request.certify = CertifyLevel::wire;
    const auto reader = make_reader(target_);
    TRY(reader->open(request, context_->stop_token()));
    for (data::BatchSource* source : reader->sources())
      while (true) {
        TRY_ASSIGN(const std::optional<data::SourceBatch> rows, source->next());
        if (!rows) break;
        TRY(add_rows(*rows->rows, rows->hashes, key_, dialect_, present));
      }
    return {};
  }

  std::string quoted_table() const {
    const auto name = parse_table_name(table_, dialect_);
    std::string quoted = quote_identifier(name->table, dialect_);
    return name->schema.empty() ? quoted : quote_identifier(name->schema, dialect_) + "." + quoted;
  }

  // The service goes before.
  void pause() { pause_unless_stopped(Duration(context_->parameters().integer("pause")), context_->stop_token()); }

  std::string so_far() const {
    return fmt::format("{} rows deleted{}, {} changed since and kept, {} gone already", deleted_,
                       deleted_earlier_ > 0 ? fmt::format(", {} by earlier tries", deleted_earlier_) : "", changed_,
                       gone_);
  }

  Outcome outcome(const data::Published& archived) const {
    Outcome outcome;
    outcome.return_value = data::outcome_value(archived);
    outcome.return_value.set("deleted", static_cast<int64_t>(deleted_));
    outcome.return_value.set("deleted_earlier", static_cast<int64_t>(deleted_earlier_));
    outcome.return_value.set("changed", static_cast<int64_t>(changed_));
    outcome.return_value.set("gone", static_cast<int64_t>(gone_));
    outcome.message = fmt::format("{} rows archived: {}", archived.certificate.rows, so_far());
    if (!changed_names_.empty())
      outcome.message += fmt::format(" ({}{})", join(changed_names_, "; "), changed_ > named_max ? "; …" : "");
    return outcome;
  }

  TaskContext* context_ = nullptr;
  std::string table_;
  Connection source_, target_;
  SqlDialect dialect_ = SqlDialect::mysql;
  ArchiveFacts facts_;
  data::TableRequest request_;
  std::vector<size_t> key_;  // places of the key's columns
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<data::QuerySession> session_;
  uint64_t deleted_ = 0, changed_ = 0, gone_ = 0, deleted_earlier_ = 0;
  bool is_resumed_ = false;         // the archive is that of an earlier try
  bool is_beyond_earlier_ = false;  // a row was found that it had not deleted
  std::vector<std::string> changed_names_;
};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1() {
  static const udon::PluginOperator operators[] = {
      udon::plugin_operator<udon::Archive>(udon::archive_description, udon::archive_help)};
  static const udon::Plugin plugin{
      .arrow_version = udon::data::arrow_version, .operators = operators, .operator_count = 1};
  return &plugin;
}
