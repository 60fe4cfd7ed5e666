#include "dagfile/loader/files.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "dagfile/loader/yaml.h"

namespace udon {
namespace {

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

// The folder's own links are the installation's business: only the way below it must stay inside.
bool is_inside(const Path& folder, const Path& path) {
  const auto end = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first;
  return end == folder.end() || end->empty();
}

}  // namespace

Result<void> check_inside(const Path& folder, const Path& path) {
  std::error_code error;
  const Path real_folder = std::filesystem::canonical(folder, error);
  if (error) return io_error("open", folder, error.value());
  const Path real_path = std::filesystem::canonical(path, error);
  if (error) return io_error("open", path, error.value());
  if (!is_inside(real_folder, real_path)) return invalid("it leads out of the DAGs folder");
  return {};
}

Result<IncludedFile> read_included(const Path& folder, const Path& dag_file, const std::string& named) {
  const Path wish(named);
  if (named.empty() || wish.is_absolute()) return invalid("expected a path relative to the DAG file");
  const Path relative = (dag_file.parent_path() / wish).lexically_normal();
  if (relative.begin() != relative.end() && *relative.begin() == "..")
    return invalid("it leads out of the DAGs folder");
  TRY(check_inside(folder, folder / relative));
  TRY_ASSIGN(std::string content, read_file(folder / relative, limits::dag_file_bytes_max));
  return IncludedFile{relative, std::move(content)};
}

Result<Value::List> parse_csv(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (!is_valid_utf8(text)) return invalid("it is no valid UTF-8");
  std::vector<std::string> header, row;
  Value::List list;
  int line = 1, row_line = 1;
  size_t i = 0;
  const auto take_row = [&]() -> Result<void> {
    if (row.size() == 1 && row[0].empty()) {  // an empty line
      row.clear();
      return {};
    }
    if (header.empty()) {
      header = std::move(row);
      for (size_t k = 0; k < header.size(); ++k) {
        if (header[k].empty() || std::find(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(k),
                                           header[k]) != header.begin() + static_cast<std::ptrdiff_t>(k))
          return invalid("line 1: the header's column " + std::to_string(k + 1) + " has no name of its own");
      }
    } else {
      if (row.size() != header.size())
        return invalid("line " + std::to_string(row_line) + ": " + std::to_string(row.size()) +
                       " fields where the header has " + std::to_string(header.size()));
      Value::Map map;
      for (size_t k = 0; k < row.size(); ++k) map.emplace_back(header[k], std::move(row[k]));
      list.emplace_back(std::move(map));
    }
    row.clear();
    return {};
  };
  while (i < text.size()) {
    std::string field;
    if (text[i] == '"') {
      for (++i;; ++i) {
        if (i >= text.size()) return invalid("line " + std::to_string(row_line) + ": a quoted field is not closed");
        if (text[i] == '\n') ++line;
        if (text[i] != '"')
          field += text[i];
        else if (i + 1 < text.size() && text[i + 1] == '"')
          field += text[i++];
        else
          break;
      }
      ++i;
      if (i < text.size() && text[i] != ',' && text[i] != '\n' && text[i] != '\r')
        return invalid("line " + std::to_string(line) + ": text after a quoted field");
    } else {
      const size_t end = std::min(text.find_first_of(",\r\n", i), text.size());
      field = text.substr(i, end - i);
      i = end;
    }
    row.push_back(std::move(field));
    if (i < text.size() && text[i] == ',') {
      if (++i == text.size()) row.emplace_back();
      if (i < text.size()) continue;
    }
    if (i < text.size() && text[i] == '\r') ++i;
    if (i < text.size() && text[i] == '\n') ++i;
    ++line;
    TRY(take_row());
    row_line = line;
  }
  if (header.empty()) return invalid("it has no header");
  return list;
}

Result<Value::List> list_in_file(const IncludedFile& file) {
  const std::string kind = lower_ascii(file.relative.extension().string());
  if (kind == ".csv") return parse_csv(file.content);
  Value value;
  if (kind == ".json") {
    TRY_ASSIGN(value, parse_json(file.content));
  } else if (kind == ".yaml" || kind == ".yml") {
    const YamlFile yaml = parse_yaml(file.content);
    if (yaml.problem) {
      const YamlPlace place = yaml.place(yaml.problem->offset);
      return invalid(std::to_string(place.line) + ":" + std::to_string(place.column) + ": " + yaml.problem->message);
    }
    if (yaml.documents.size() != 1)
      return invalid("expected one YAML document, found " + std::to_string(yaml.documents.size()));
    const YamlNode& root = yaml.documents[0].root;
    if (!root.is_list()) return invalid("expected a list at its top, found " + std::string(root.kind_name()));
    value = to_value(root);
  } else {
    return invalid("expected a .yaml, .yml, .json or .csv file");
  }
  if (!value.is_list()) return invalid("expected a list at its top, found " + std::string(value.type_name()));
  return std::move(value.as_list());
}

}  // namespace udon
