#pragma once
// Files that a DAG file names: relative to it, inside of the DAGs folder, part of the DAG's version.
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/value.h"

namespace udon {

// The DAG files of a folder, by name, relative to it: those that the catalog loads.
std::vector<Path> dag_files(const Path& folder);

struct IncludedFile {
  Path relative;  // to the DAGs folder
  std::string content;
};
// `named` as the DAG file has it. invalid, not_found, …: with the reason.
Result<IncludedFile> read_included(const Path& folder, const Path& dag_file, const std::string& named);
// The list that a .yaml, .yml, .json or .csv file holds. Of CSV (RFC 4180): one map of texts a row, by its header.
Result<Value::List> list_in_file(const IncludedFile& file);
Result<Value::List> parse_csv(std::string_view text);

// `path` and everything that it links to, inside of `folder`.
Result<void> check_inside(const Path& folder, const Path& path);

}  // namespace udon
