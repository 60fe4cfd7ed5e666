#include "plugins/data/partition_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "plugins/data/certifier.h"
#include "plugins/data/publish_steps.h"

namespace udon::data {
namespace {

// To find partitions that have no rows any more all files are looked at, some hundred requests of S3.
constexpr size_t listed_max = 300'000;
constexpr size_t first_look_max = 2'000;
constexpr int rivals_of_manifest_max = 20;

// A partition without rows: what vouches for it vouches for nothing else.
Certificate certificate_of_none(const Certificate& all) {
  Certificate none = all;
  none.rows = 0;
  none.files.clear();
  none.policies.clear();
  if (none.row_sum) none.row_sum = 0;
  if (none.level == CertifyLevel::source) none.level = CertifyLevel::wire;
  for (ColumnCertificate& column : none.columns) {
    column.count = column.nulls = 0;
    if (column.sum) column.sum = 0;
    column.database.reset();
  }
  return none;
}

}  // namespace

Result<std::unique_ptr<PartitionedExport>> PartitionedExport::make(PartitionedRequest request, FileSystem& files,
                                                                   const std::optional<LastResult>& last) {
  std::unique_ptr<PartitionedExport> made(new PartitionedExport(std::move(request), files));
  const PartitionedRequest& r = made->request_;
  const std::string folder = r.to.starts_with("file://") ? r.to.substr(7) : r.to;
  made->root_ = folder.ends_with('/') ? folder : folder + "/";
  if (r.window) {
    std::optional<size_t> finest;
    for (size_t f = 0; f < r.fields.size(); ++f) {
      const PartitionField& field = r.fields[f];
      if (field.each == PartitionField::Each::value || lower_ascii(field.by) != lower_ascii(r.window->by)) continue;
      if (!finest || r.fields[*finest].each < field.each) finest = f;
    }
    if (!finest)
      return Error{
          ErrorKind::invalid,
          fmt::format("partition_by: a window replaces whole partitions, so they have to be of stretches of its "
                      "column: add {{by: {}, each: day, as: dt}}",
                      r.window->by)};
    made->time_field_ = *finest;
    const PartitionField::Each each = r.fields[*finest].each;
    TRY_ASSIGN(made->stretch_, widened(*r.window, each, r.zone));
    TRY_ASSIGN(made->values_, names_in(*made->stretch_, each, r.zone));
    made->values_.push_back(partition_value(""));  // rows without a time are read by every window
  }
  TRY(made->check_root(last));
  made->layout_ = std::make_unique<PartitionLayout>(r.fields, r.zone);
  return made;
}

// "dt=2026-01-31/shop=3"
bool PartitionedExport::is_partition(std::string_view folder) const {
  const std::vector<std::string> parts = split(folder, '/');
  if (parts.size() != request_.fields.size()) return false;
  for (size_t f = 0; f < parts.size(); ++f)
    if (!parts[f].starts_with(request_.fields[f].as + "=")) return false;
  return true;
}

// Beside partitions nothing else of the table may stand: a reader would take both for it.
Result<void> PartitionedExport::check_root(const std::optional<LastResult>& last) const {
  if (last) {
    if (last->value.get("partitions").is_list()) {
      Value fields = Value::list();
      for (const PartitionField& field : request_.fields) fields.push_back(field.as);
      if (last->value.get("partition_by") == fields) return {};
      return Error{ErrorKind::invalid,
                   fmt::format("{} has partitions by {}, and not by {}; name another folder in `to`", root_,
                               to_json(last->value.get("partition_by")), to_json(fields))};
    }
    return Error{ErrorKind::invalid,
                 fmt::format("{} holds a result that has no partitions; name another folder in `to`", root_)};
  }
  const auto objects = files_.list(root_, first_look_max);
  if (!objects && objects.error().kind == ErrorKind::not_found) return {};
  if (!objects) return objects.error();
  std::vector<std::string> foreign;
  for (const ObjectInfo& object : *objects) {
    const std::string name = object.uri.substr(std::min(object.uri.size(), root_.size()));
    if (name.empty() || name[0] == '_' || name[0] == '.') continue;
    // What is in a folder of ours, its own publication looks at.
    if (!name.starts_with(request_.fields[0].as + "=")) foreign.push_back(name);
  }
  if (!foreign.empty()) return holds_others_files(root_, foreign);
  return {};
}

Result<void> PartitionedExport::on_catalog(const std::vector<CatalogColumn>& catalog, TableRequest& request) {
  for (const PartitionField& field : request_.fields) TRY(catalog_column(catalog, field.by, "partition_by"));
  if (!stretch_) return {};
  return ask_for(request_.window->by, {*stretch_}, request_.dialect, catalog, request);
}

std::string PartitionedExport::plan() const {
  if (!stretch_) return "partitions: all that have rows are made anew";
  return fmt::format("partitions: `{}` from {} to {} is read, and each of its {} partitions made anew",
                     request_.window->by, to_string(stretch_->from), to_string(stretch_->to), values_.size() - 1);
}

// Partitions of before that have rows there and none now.
Result<std::vector<std::string>> PartitionedExport::emptied(const std::vector<std::string>& written) const {
  if (!stretch_ && request_.has_condition) return std::vector<std::string>();
  std::vector<std::string> prefixes;
  if (stretch_ && time_field_ == 0)
    for (const std::string& value : values_) prefixes.push_back(root_ + request_.fields[0].as + "=" + value + "/");
  else
    prefixes.push_back(root_);
  const std::string tail = "/" + std::string(manifest_name);
  std::vector<std::string> found;
  for (const std::string& prefix : prefixes) {
    const auto objects = files_.list(prefix, listed_max);
    if (!objects && objects.error().kind == ErrorKind::not_found) continue;
    if (!objects) return objects.error();
    if (objects->size() >= listed_max)
      return Error{
          ErrorKind::unsupported,
          fmt::format("{} holds more than {} files: to find partitions that have no rows any more all would be "
                      "looked at. Use `mode: {{window: …}}` with its column first in `partition_by`",
                      prefix, listed_max)};
    for (const ObjectInfo& object : *objects) {
      if (!object.uri.starts_with(root_) || !object.uri.ends_with(tail) ||
          object.uri.size() < root_.size() + tail.size())
        continue;
      const std::string folder = object.uri.substr(root_.size(), object.uri.size() - root_.size() - tail.size());
      if (!is_partition(folder) || std::ranges::binary_search(written, folder)) continue;
      if (stretch_) {
        const std::string part = split(folder, '/')[time_field_];
        const std::string value = part.substr(request_.fields[time_field_].as.size() + 1);
        if (std::ranges::find(values_, value) == values_.end()) continue;
      }
      TRY_ASSIGN(const std::optional<LastResult> last, read_last_result(files_, root_ + folder));
      if (last && last->certificate.rows > 0) found.push_back(folder);
    }
  }
  return found;
}

Result<Published> PartitionedExport::publish(const PublishRequest& base, const CopyResult& copied, const Path& staging,
                                             const ParquetOptions& parquet,
                                             const std::function<Result<void>(const std::string&)>& told) {
  Published all{.certificate = copied.certificate, .manifest = root_ + std::string(manifest_name)};
  all.certificate.files.clear();
  if (stretch_)
    all.certificate.increment =
        Value(Value::Map{{"mode", "window"},
                         {"by", request_.window->by},
                         {"from", to_string(stretch_->from)},
                         {"to", to_string(stretch_->to)},
                         {"late", format_duration(request_.window->late)},
                         {"not_seen", "rows that have come, changed or gone in partitions that were not made anew"}});
  std::map<std::string, const CopyPart*> parts;  // by folder; none: without rows
  std::vector<std::string> written;
  for (const CopyPart& part : copied.parts) parts[layout_->folder(part.place)] = &part;
  for (const auto& [folder, part] : parts) written.push_back(folder);
  TRY_ASSIGN(const std::vector<std::string> none, emptied(written));
  for (const std::string& folder : none) parts[folder] = nullptr;

  Value partitions = Value::list();
  size_t number = 0;
  for (const auto& [folder, part] : parts) {
    PublishRequest request = base;
    request.to = root_ + folder + "/";
    if (part != nullptr) {
      request.staged = part->files;
      request.certificate = part->certificate;
    } else {
      const Path file = staging / fmt::format("empty-{}.parquet", number++);
      TRY_ASSIGN(const auto writer, ParquetWriter::create(file, copied.schema, parquet));
      TRY_ASSIGN(FinishedFile finished, writer->finish());
      request.staged = {file};
      request.certificate = certificate_of_none(copied.certificate);
      request.certificate.files.push_back({.uri = {},
                                           .rows = 0,
                                           .bytes = static_cast<uint64_t>(finished.bytes),
                                           .sha256 = std::move(finished.sha256),
                                           .etag = {}});
    }
    request.certificate.increment = all.certificate.increment;
    request.certificate.source_columns = all.certificate.source_columns;
    TRY(told(fmt::format("{}: {} rows", folder, request.certificate.rows)));
    auto published = data::publish(files_, request);
    if (!published) return published.error().within("partition " + folder);
    for (const FileCertificate& file : published->certificate.files) all.certificate.files.push_back(file);
    partitions.push_back(Value(Value::Map{{"name", folder},
                                          {"rows", static_cast<int64_t>(request.certificate.rows)},
                                          {"manifest", published->manifest}}));
  }
  TRY(write_manifest(base, all, partitions));
  return all;
}

// Who comes later has the say; what an earlier run has touched is there all the same.
Result<void> PartitionedExport::write_manifest(const PublishRequest& base, Published& all,
                                               const Value& partitions) const {
  Value fields = Value::list();
  for (const PartitionField& field : request_.fields) fields.push_back(field.as);
  Value manifest = Value::map();
  manifest.set("version", 1);
  manifest.set("try", base.try_id);
  manifest.set("files", Value::list());
  manifest.set("certificate", to_value(all.certificate));
  manifest.set("partition_by", std::move(fields));
  manifest.set("partitions", partitions);
  const std::string json = to_json_pretty(manifest) + "\n";
  for (int rivals = 0;;) {
    TRY_ASSIGN(const auto there, files_.stat(all.manifest));
    if (there) {
      const auto text = files_.read(all.manifest, manifest_bytes_max);
      if (!text && text.error().kind != ErrorKind::not_found) return text.error();
      const auto old = text ? parse_old_manifest(*text) : std::nullopt;
      if (old && is_later(old->try_id, base.try_id)) break;
    }
    PutOptions options;
    options.content_type = "application/json";
    if (there)
      options.if_match = there->etag;
    else
      options.if_none_match = true;
    const auto put = files_.write(all.manifest, json, options);
    if (put) break;
    if (put.error().kind != ErrorKind::conflict || ++rivals >= rivals_of_manifest_max) return put.error();
  }
  TRY(files_.write(root_ + std::string(success_name), "", {}));
  return {};
}

}  // namespace udon::data
