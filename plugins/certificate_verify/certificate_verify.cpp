#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "plugins/api/aws_default.h"
#include "plugins/api/operator.h"
#include "plugins/api/plugin.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/audit.h"
#include "plugins/data/mask.h"
#include "plugins/data/reader.h"
#include "plugins/data/recast_reader.h"
#include "plugins/data/try_pace.h"
#include "plugins/io/io_context.h"
#include "plugins/io/make_file_system.h"

namespace udon {

extern const char certificate_verify_description[];
extern const char certificate_verify_help[];

namespace {

constexpr int64_t manifest_bytes_max = 64 << 20;

Value shown(const data::Audit& audit) {
  Value differences = Value::list();
  for (const std::string& difference : audit.differences) differences.push_back(difference);
  return Value::Map{{"looked", audit.has_looked},
                    {"same", audit.has_looked && audit.differences.empty()},
                    {"differences", std::move(differences)},
                    {"note", audit.note}};
}

class CertificateVerify final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    TRY_ASSIGN(const Certificate certificate, find_certificate(context));
    // The newest run of a result that grows may have added none.
    if (certificate.files.empty() && others_.empty() && certificate.rows > 0)
      return Error{ErrorKind::invalid, "certificate " + certificate.id + " names no files"};
    TRY_ASSIGN(const data::Audit files, look_at_files(context, certificate));
    tell(context, "files", files);
    TRY_ASSIGN(const data::Audit source, look_at_source(context, certificate));
    tell(context, "source", source);

    const bool source_counts = parameters.text("source", "same") == "same";
    const bool is_same = files.differences.empty() && (source.differences.empty() || !source_counts);
    Outcome outcome;
    outcome.return_value = Value::Map{
        {"certificate", certificate.id}, {"same", is_same}, {"files", shown(files)}, {"source", shown(source)}};
    outcome.message = is_same ? "as certified" : "not as certified";
    if (is_same || parameters.text("on_difference", "error") == "report") return outcome;
    std::vector<std::string> differences = files.differences;
    if (source_counts)
      for (const std::string& difference : source.differences) differences.push_back("source: " + difference);
    return Error{ErrorKind::data,
                 fmt::format("not as certificate {} of {} says: {}{}", certificate.id, certificate.made_at,
                             join(differences, "; "), files.note.empty() ? "" : " (" + files.note + ")")};
  }

 private:
  Result<data::Audit> look_at_files(TaskContext& context, const Certificate& certificate) const {
    // Of a table with partitions that had no rows in any of them.
    if (certificate.files.empty() && others_.empty())
      return data::Audit{.has_looked = true, .note = "it says that there were no rows, and so names no files"};
    TRY_ASSIGN(const auto file_system,
               files_at(context, certificate.files.empty() ? others_.front().uri : certificate.files.front().uri));
    TRY_ASSIGN(const Path staging, context.staging());
    TRY_ASSIGN(data::Audit files, data::audit_files(*file_system, certificate, staging));
    TRY(audit_others(*file_system, staging, files));
    return files;
  }

  // What earlier runs have added to the result, each with a certificate of its own that is no longer there: the
  // manifest has their bytes and checksums.
  Result<void> audit_others(FileSystem& file_system, const Path& staging, data::Audit& audit) const {
    if (others_.empty()) return {};
    TRY_ASSIGN(const data::Audit found, data::audit_bytes(file_system, others_, staging));
    audit.differences.insert(audit.differences.end(), found.differences.begin(), found.differences.end());
    audit.note += fmt::format("{}{} file{} of earlier runs compared by checksum", audit.note.empty() ? "" : "; ",
                              others_.size(), others_.size() == 1 ? "" : "s");
    return {};
  }

  // The files of a manifest that its newest certificate does not speak of.
  static Result<std::vector<FileCertificate>> others_of(const Value& manifest, const Certificate& newest) {
    std::vector<FileCertificate> others;
    if (!manifest.get("increment").get("chunks").is_list() || !manifest.get("files").is_list()) return others;
    for (const Value& file : manifest.get("files").as_list()) {
      const std::string uri = file.text("uri");
      if (std::ranges::any_of(newest.files, [&](const FileCertificate& own) { return own.uri == uri; })) continue;
      if (!file.get("bytes").is_int() || file.text("sha256").empty())
        return Error{ErrorKind::invalid, "the manifest does not say bytes and SHA-256 of " + uri};
      others.push_back({.uri = uri,
                        .rows = static_cast<uint64_t>(file.integer("rows")),
                        .bytes = static_cast<uint64_t>(file.integer("bytes")),
                        .sha256 = file.text("sha256")});
    }
    return others;
  }

  static Result<std::unique_ptr<FileSystem>> files_at(TaskContext& context, const std::string& uri) {
    std::optional<Connection> connection;
    if (needs_connection(uri)) {
      TRY_ASSIGN(connection, aws_connection(context, "from_connection"));
    }
    return make_file_system(uri, connection, io_context_of(context, "from_connection"));
  }

  Result<Certificate> find_certificate(TaskContext& context) {
    const Value& given = context.parameters().get("certificate");
    const std::string manifest = context.parameters().text("manifest");
    if (given.is_map() != manifest.empty())
      return Error{ErrorKind::invalid, "say `manifest` or `certificate`, one of the two"};
    if (given.is_map()) return parse_certificate(given);
    TRY_ASSIGN(const auto file_system, files_at(context, manifest));
    TRY_ASSIGN(const std::string text, file_system->read(manifest, manifest_bytes_max));
    const auto parsed = parse_json(text);
    if (!parsed) return Error{ErrorKind::invalid, manifest + " is no manifest: " + parsed.error().message};
    auto certificate = parse_certificate(parsed->get("certificate"));
    if (!certificate) return certificate.error().within(manifest);
    TRY_ASSIGN(others_, others_of(*parsed, *certificate));
    return certificate;
  }

  static Result<data::Audit> look_at_source(TaskContext& context, const Certificate& certificate) {
    const Value& parameters = context.parameters();
    const std::string id = parameters.text("connection");
    if (id.empty()) return data::Audit{.has_looked = false, .note = "not looked at: no `connection` is given"};
    if (certificate.table.empty() || certificate.columns.empty())
      return data::Audit{.has_looked = false, .note = "not looked at: it is no table of a database"};
    TRY_ASSIGN(const Connection connection, context.connection(id));
    std::optional<data::MaskKey> key;
    if (const std::string key_id = parameters.text("mask_key"); !key_id.empty()) {
      TRY_ASSIGN(const Connection holder, context.connection(key_id));
      TRY_ASSIGN(data::MaskKey parsed, data::MaskKey::parse(holder.password, key_id));
      key.emplace(std::move(parsed));
    }
    auto reader =
        connection.type == "mysql" ? data::make_mysql_reader(connection) : data::make_postgres_reader(connection);
    const std::unique_ptr<data::Pace> pace = data::make_pace(context, id, connection);
    TRY_ASSIGN(
        data::Audit audit,
        data::audit_source({.reader = data::make_recast_reader(std::move(reader)),
                            .mask_key = key ? &*key : nullptr,
                            .memory_bytes = parameters.integer("memory", 256 << 20),
                            .pace = pace.get(),
                            .clock = &context.clock(),
                            .on_progress = [&](uint64_t rows) { context.log(fmt::format("{} rows read", rows)); }},
                           certificate, context.stop_token()));
    if (audit.has_looked)
      audit.note += fmt::format(
          "{}read as it is now: what was written, changed or deleted there since {} differs without any "
          "fault",
          audit.note.empty() ? "" : "; ", certificate.made_at);
    return audit;
  }

  static void tell(TaskContext& context, const std::string& what, const data::Audit& audit) {
    if (audit.has_looked && audit.differences.empty()) context.log(what + ": as certified");
    for (const std::string& difference : audit.differences) context.log(what + ": " + difference);
    if (!audit.note.empty()) context.log(what + ": " + audit.note);
  }

  std::vector<FileCertificate> others_;
};

const PluginOperator operators[] = {
    plugin_operator<CertificateVerify>(certificate_verify_description, certificate_verify_help)};
const Plugin plugin = {.arrow_version = data::arrow_version, .operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1();
extern "C" const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
