#include "plugins/data/increment.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/fields.h"
#include "plugins/data/increment_kinds.h"

namespace udon::data {
namespace {

Result<Chunk> parse_chunk(const Value& value) {
  FieldReader fields(value, "manifest: chunk");
  Chunk chunk;
  chunk.run = fields.text("run");
  chunk.from = fields.any("from");
  chunk.to = fields.any("to");
  chunk.rows = static_cast<uint64_t>(fields.integer_at_least("rows", 0));
  chunk.row_sum = fields.optional_text("row_sum").value_or("");
  chunk.files = fields.texts("files");
  chunk.certificate = fields.text("certificate");
  chunk.made_at = fields.text("made_at");
  TRY(fields.status());
  return chunk;
}

Result<FileCertificate> parse_named_file(const Value& value) {
  FieldReader fields(value, "manifest: file");
  FileCertificate file;
  file.uri = fields.text("uri");
  file.rows = static_cast<uint64_t>(fields.integer_at_least("rows", 0));
  file.bytes = static_cast<uint64_t>(fields.integer_at_least("bytes", 0));
  file.sha256 = fields.text("sha256");
  file.etag = fields.text("etag");
  TRY(fields.status());
  return file;
}

}  // namespace

Result<ModeKind> mode_kind_of(const Value& mode) {
  if (mode.is_null() || (mode.is_string() && mode.as_string() == "full")) return ModeKind::full;
  if (mode.is_map() && mode.size() == 1) {
    if (mode.find("window") != nullptr) return ModeKind::window;
    if (mode.find("cursor") != nullptr) return ModeKind::cursor;
  }
  return Error{ErrorKind::invalid,
               "mode: expected full, {window: {by: a column, from: …, to: …, late: 2d}} or {cursor: {by: a column, "
               "key: a column, lag: 5m}}"};
}

Value to_value(const Chunk& chunk) {
  Value files = Value::list();
  for (const std::string& name : chunk.files) files.push_back(name);
  return Value(Value::Map{{"run", chunk.run},
                          {"from", chunk.from},
                          {"to", chunk.to},
                          {"rows", static_cast<int64_t>(chunk.rows)},
                          {"row_sum", chunk.row_sum.empty() ? Value() : Value(chunk.row_sum)},
                          {"files", std::move(files)},
                          {"certificate", chunk.certificate},
                          {"made_at", chunk.made_at}});
}

Result<Standing> parse_standing(const std::optional<LastResult>& last) {
  Standing standing;
  if (!last) return standing;
  standing.certificate = last->certificate.id;
  const auto parse = [&]() -> Result<void> {
    for (const Value& value : last->value.get("files").as_list()) {
      TRY_ASSIGN(FileCertificate file, parse_named_file(value));
      standing.files.push_back(std::move(file));
    }
    const Value& state = last->value.get("increment");
    if (!state.is_map()) return {};
    standing.has_state = true;
    standing.mode = state.text("mode") == "cursor" ? ModeKind::cursor : ModeKind::window;
    standing.by = state.get("by");
    standing.key = state.get("key");
    standing.cursor = state.get("cursor");
    if (!state.get("chunks").is_list()) return Error{ErrorKind::data, "`increment` has no list `chunks`"};
    for (const Value& value : state.get("chunks").as_list()) {
      TRY_ASSIGN(Chunk chunk, parse_chunk(value));
      standing.chunks.push_back(std::move(chunk));
    }
    return {};
  };
  const auto parsed = parse();
  if (!parsed) return parsed.error().within(last->manifest);
  return standing;
}

Result<std::vector<FileCertificate>> files_of(const Standing& standing, const std::vector<Chunk>& chunks) {
  std::vector<FileCertificate> files;
  for (const Chunk& chunk : chunks) {
    for (const std::string& name : chunk.files) {
      const auto file = std::ranges::find_if(
          standing.files, [&](const FileCertificate& f) { return f.uri.substr(f.uri.rfind('/') + 1) == name; });
      if (file == standing.files.end())
        return Error{ErrorKind::data, fmt::format("the manifest lists {} in a chunk, and not among the files", name)};
      files.push_back(*file);
    }
  }
  return files;
}

Result<std::unique_ptr<Increment>> make_increment(const IncrementRequest& request,
                                                  const std::optional<LastResult>& last) {
  TRY_ASSIGN(const ModeKind kind, mode_kind_of(request.mode));
  TRY_ASSIGN(Standing standing, parse_standing(last));
  switch (kind) {
    case ModeKind::window: return make_window_increment(request, std::move(standing));
    case ModeKind::cursor: return make_cursor_increment(request, std::move(standing));
    case ModeKind::full: break;
  }
  return std::unique_ptr<Increment>();
}

}  // namespace udon::data
