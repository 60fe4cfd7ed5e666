#include "plugins/data/audit.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plugins/data/certifier.h"
#include "plugins/data/table_copy.h"

namespace udon::data {
namespace {

constexpr int64_t part_bytes = 8 << 20;
constexpr int64_t manifest_bytes_max = 64 << 20;

// Counts and sums of rows now, against those that were stated.
void compare(const Certificate& stated, const Certificate& now, const std::vector<size_t>& only_counted,
             std::vector<std::string>& differences) {
  if (stated.rows != now.rows) differences.push_back(fmt::format("{} rows, not {}", now.rows, stated.rows));
  bool has_column = false;
  for (size_t c = 0; c < stated.columns.size(); ++c) {
    const ColumnCertificate& was = stated.columns[c];
    const ColumnCertificate& is = now.columns[c];
    const bool is_counted = std::ranges::find(only_counted, c) != only_counted.end();
    std::string difference;
    if (was.nulls != is.nulls || was.count != is.count)
      difference = fmt::format("{} values and {} NULLs, not {} and {}", is.count, is.nulls, was.count, was.nulls);
    else if (was.sum && is.sum && was.sum != is.sum && !is_counted)
      difference = "the checksum of its values is another";
    if (difference.empty()) continue;
    has_column = true;
    differences.push_back(fmt::format("column `{}`: {}", was.name, difference));
  }
  if (!has_column && only_counted.empty() && stated.rows == now.rows && stated.row_sum && now.row_sum &&
      stated.row_sum != now.row_sum)
    differences.push_back("all values are there, but some have moved to another row");
}

// A local file as it lies there; an object copied into the folder.
Result<Path> copied(FileSystem& file_system, const ObjectInfo& info, const Path& folder) {
  if (!info.uri.starts_with("s3://")) return Path(info.uri);
  const Path copy = folder / "audited";
  TRY_ASSIGN(const FileDescriptor file, open_file(copy, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  for (int64_t offset = 0; offset < info.bytes;) {
    TRY_ASSIGN(const std::string part, file_system.read_range(info.uri, offset, part_bytes));
    if (part.empty()) return Error{ErrorKind::unavailable, info.uri + " ended while it was read"};
    TRY(write_all(file.get(), part, copy));
    offset += static_cast<int64_t>(part.size());
  }
  return copy;
}

// Where another result has taken the files' place, its manifest says which.
std::string successor_of(FileSystem& file_system, const Certificate& certificate) {
  const std::string& uri = certificate.files.front().uri;
  const auto text = file_system.read(uri.substr(0, uri.rfind('/') + 1) + "_manifest.json", manifest_bytes_max);
  if (!text) return {};
  const auto manifest = parse_json(*text);
  const std::string id = manifest ? manifest->get("certificate").text("id") : "";
  if (id.empty() || id == certificate.id) return {};
  return fmt::format("the folder's manifest is of another result, certificate {} made at {}: it has replaced this one",
                     id, manifest->get("certificate").text("made_at"));
}

}  // namespace

Result<FileAtHand> at_hand(FileSystem& file_system, const FileCertificate& stated, const Path& folder) {
  TRY_ASSIGN(const std::optional<ObjectInfo> info, file_system.stat(stated.uri));
  if (!info) return FileAtHand{.difference = "is not there"};
  FileAtHand found;
  TRY_ASSIGN(found.file, copied(file_system, *info, folder));
  TRY_ASSIGN(const std::string sha256, sha256_of_file(found.file));
  if (static_cast<uint64_t>(info->bytes) != stated.bytes)
    found.difference = fmt::format("{} bytes, not {}", info->bytes, stated.bytes);
  else if (sha256 != stated.sha256)
    found.difference = fmt::format("its SHA-256 is {}, not {}", sha256, stated.sha256);
  return found;
}

Result<Audit> audit_files(FileSystem& file_system, const Certificate& certificate, const Path& folder) {
  Audit audit;
  Certifier all(certificate.level, certificate.columns.size());
  bool is_whole = true;
  for (const FileCertificate& file : certificate.files) {
    const auto differs = [&](const std::string& how) {
      audit.differences.push_back(file.uri + ": " + how);
      is_whole = false;
    };
    TRY_ASSIGN(const FileAtHand found, at_hand(file_system, file, folder));
    if (!found.difference.empty()) differs(found.difference);
    if (found.file.empty()) continue;
    if (!file.uri.ends_with(".parquet")) {
      audit.note = "CSV has no types: its bytes and checksums are compared, not its values";
      is_whole = false;
      continue;
    }
    const auto counted = count_parquet(found.file, certificate.level, certificate.columns.size());
    if (!counted && counted.error().kind == ErrorKind::io && !std::filesystem::exists(found.file))
      return counted.error();
    if (!counted) {
      differs("cannot be read: " + counted.error().message);
      continue;
    }
    if (counted->rows() != file.rows)
      audit.differences.push_back(fmt::format("{}: {} rows, not {}", file.uri, counted->rows(), file.rows));
    all.add(*counted);
  }
  // Of files that are broken themselves, the sums say nothing more.
  if (is_whole) {
    Certificate now = certificate;
    all.fill(now);
    compare(certificate, now, {}, audit.differences);
  }
  if (!audit.differences.empty())
    if (std::string successor = successor_of(file_system, certificate); !successor.empty()) audit.note = successor;
  return audit;
}

Result<Audit> audit_bytes(FileSystem& file_system, const std::vector<FileCertificate>& files, const Path& folder) {
  Audit audit;
  for (const FileCertificate& file : files) {
    TRY_ASSIGN(const FileAtHand found, at_hand(file_system, file, folder));
    if (!found.difference.empty()) audit.differences.push_back(file.uri + ": " + found.difference);
  }
  return audit;
}

Result<Audit> audit_source(SourceAudit asked, const Certificate& certificate, std::stop_token stop) {
  Audit audit;
  CopyRequest copy;
  copy.destination = Destination::nowhere;
  copy.source = certificate.source;
  copy.mask_key = asked.mask_key;
  copy.memory_bytes = asked.memory_bytes;
  copy.pace = asked.pace;
  copy.clock = asked.clock;
  copy.on_progress = std::move(asked.on_progress);
  TableRequest& request = copy.table;
  request.table = certificate.table;
  request.timezone = certificate.timezone;
  // The server's own figures were compared with the values, and these are compared here.
  request.certify = certificate.level == CertifyLevel::rows ? CertifyLevel::rows : CertifyLevel::wire;
  if (certificate.mechanism.find("no snapshot (consistency: none)") != std::string::npos) request.consistency = "none";
  if (asked.mask_key != nullptr && asked.mask_key->fingerprint() != certificate.mask_key_fingerprint &&
      !certificate.mask_key_fingerprint.empty())
    return Error{ErrorKind::invalid,
                 fmt::format("the key of masks is not that of the certificate: its fingerprint is {}, not {}",
                             asked.mask_key->fingerprint(), certificate.mask_key_fingerprint)};
  std::vector<size_t> only_counted;
  for (const ColumnCertificate& column : certificate.columns) {
    const bool is_counted = !column.mask.empty() && asked.mask_key == nullptr;
    if (is_counted) only_counted.push_back(request.columns.size());
    request.columns.push_back({.source_name = column.source_name,
                               .name = column.name,
                               .mask = is_counted ? "" : column.mask,
                               .type = column.recast});
  }
  if (!only_counted.empty()) audit.note = "without `mask_key`, values of masked columns are counted, not compared";
  if (const Value& where = certificate.where; where.is_map()) {
    if (!where.get("values").is_map())
      return Audit{.has_looked = false,
                   .note =
                       "its condition compares a masked column, so the certificate has not its values, and the rows "
                       "cannot be chosen again"};
    request.where = where.text("sql");
    request.where_parameters = where.get("values");
  }
  for (const PolicyUse& use : certificate.policies) {
    const size_t sign = use.policy.find('=');
    const std::string policy = use.policy.substr(0, sign);
    const std::string choice = sign == use.policy.npos ? "" : use.policy.substr(sign + 1);
    if (policy == "zero_dates") request.policies.zero_dates = choice;
    if (policy == "infinity") request.policies.infinity = choice;
    if (policy == "nan") request.policies.nan = choice;
    if (policy == "invalid_text") request.policies.invalid_text = choice;
    if (policy == "ancient_dates") request.policies.ancient_dates = choice;
  }
  const auto copied = copy_table(*asked.reader, copy, std::move(stop));
  if (!copied) {
    switch (copied.error().kind) {
      case ErrorKind::not_found:
      case ErrorKind::unsupported:
      case ErrorKind::data:
        audit.differences.push_back("cannot be read as it was: " + copied.error().message);
        return audit;
      default: return copied.error();
    }
  }
  for (size_t c = 0; c < certificate.columns.size(); ++c) {
    const ColumnCertificate& was = certificate.columns[c];
    const ColumnCertificate& is = copied->certificate.columns[c];
    if (was.source_type != is.source_type)
      audit.differences.push_back(
          fmt::format("column `{}`: its type is {}, not {}", was.name, is.source_type, was.source_type));
  }
  compare(certificate, copied->certificate, only_counted, audit.differences);
  return audit;
}

}  // namespace udon::data
