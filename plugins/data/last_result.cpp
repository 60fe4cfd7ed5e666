#include "plugins/data/last_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "plugins/data/publish_steps.h"

namespace udon::data {
namespace {

// Three years of days of some thirty files; a list of so many takes S3 some ten seconds.
constexpr size_t listed_max = 40'000;

std::string with_slash(const std::string& to) {
  const std::string folder = to.starts_with("file://") ? to.substr(7) : to;
  return folder.ends_with('/') ? folder : folder + "/";
}

// `name=value`
bool is_partition(std::string_view name) {
  const size_t equals = name.find('=');
  return equals != name.npos && equals > 0 && name[0] != '.' && name[0] != '_';
}

// The folder of the table, and how many levels of partitions the target is below it.
std::pair<std::string, size_t> table_of(std::string folder) {
  size_t levels = 0;
  while (true) {
    const size_t slash = folder.rfind('/', folder.size() - 2);
    if (slash == folder.npos || !is_partition(std::string_view(folder).substr(slash + 1))) return {folder, levels};
    folder.resize(slash + 1);
    ++levels;
  }
}

}  // namespace

Result<std::optional<LastResult>> read_last_result(FileSystem& files, const std::string& to) {
  const std::string uri = with_slash(to) + std::string(manifest_name);
  const auto text = files.read(uri, manifest_bytes_max);
  if (!text && text.error().kind == ErrorKind::not_found) return std::optional<LastResult>();
  if (!text) return text.error();
  if (!parse_old_manifest(*text)) return std::optional<LastResult>();
  TRY_ASSIGN(Value value, parse_json(*text));
  auto certificate = parse_certificate(value.get("certificate"));
  if (!certificate) return certificate.error().within(uri);
  return std::optional(LastResult{.manifest = uri, .value = std::move(value), .certificate = std::move(*certificate)});
}

Result<LastOfTable> read_last_of_table(FileSystem& files, const std::string& to) {
  LastOfTable last;
  const auto [table, levels] = table_of(with_slash(to));
  if (levels > 0) {
    const auto objects = files.list(table, listed_max);
    if (!objects && objects.error().kind != ErrorKind::not_found) return objects.error();
    std::vector<std::string> folders;
    for (size_t i = 0; objects && i < objects->size(); ++i) {
      const std::string& uri = (*objects)[i].uri;
      if (!uri.starts_with(table) || !uri.ends_with("/" + std::string(manifest_name))) continue;
      const std::string folder = uri.substr(table.size(), uri.size() - table.size() - manifest_name.size());
      const std::vector<std::string> parts = split(folder.substr(0, folder.size() - 1), '/');
      if (parts.size() == levels && std::ranges::all_of(parts, is_partition)) folders.push_back(table + folder);
    }
    last.too_many = objects && objects->size() >= listed_max;
    std::ranges::sort(folders, std::ranges::greater());
    for (const std::string& folder : folders) {
      if (last.too_many) break;
      TRY_ASSIGN(last.result, read_last_result(files, folder));
      if (last.result) return last;
    }
  }
  TRY_ASSIGN(last.result, read_last_result(files, to));
  return last;
}

Result<void> check_partitions_around(FileSystem& files, const std::string& to, Partitions written) {
  std::string folder = with_slash(to);
  const std::string target = folder;
  if (written == Partitions::none) {
    TRY_ASSIGN(const std::optional<LastResult> here, read_last_result(files, folder));
    if (here && here->value.get("partitions").is_list())
      return Error{
          ErrorKind::invalid,
          fmt::format("to: {} holds a result with partitions by {}, made at {}, and this one has none: readers would "
                      "take both for one table. Name another folder in `to`, or keep `partition_by`; or take that "
                      "result away first, with its folders",
                      target, to_json(here->value.get("partition_by")), here->certificate.made_at)};
  }
  for (size_t levels = table_of(folder).second; levels > 0; --levels) {
    folder.resize(folder.rfind('/', folder.size() - 2) + 1);
    const auto above = read_last_result(files, folder);
    // Who may write in this folder may not have to read beside it.
    if (!above && above.error().kind == ErrorKind::denied) continue;
    if (!above) return above.error();
    if (!*above || !(*above)->value.get("partitions").is_list()) continue;
    return Error{
        ErrorKind::invalid,
        fmt::format("to: {} is a partition's folder of the result at {} (partitions by {}, made at {}), which alone "
                    "replaces it. Name another folder in `to`; or have the partition made anew by the export to {}, "
                    "with `mode: {{window: …}}`",
                    target, folder, to_json((*above)->value.get("partition_by")), (*above)->certificate.made_at,
                    folder)};
  }
  return {};
}

}  // namespace udon::data
