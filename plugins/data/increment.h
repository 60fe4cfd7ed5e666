#pragma once
// `mode`: an export that does not read all anew. What a run adds is a chunk of the result; the manifest lists the
// chunks, each with its range and the run that added it, and where a cursor stands. It is all that is remembered, and
// it changes at one conditional write: so a try that dies has moved nothing, and the next begins where the last that
// published ended. docs/adr/0010.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/value.h"
#include "plugins/data/last_result.h"
#include "plugins/data/layout.h"
#include "plugins/data/publisher.h"
#include "plugins/data/table_copy.h"
#include "plugins/db/sql_text.h"

namespace udon::data {

struct IncrementRequest {
  Value mode;  // as in the DAG file
  SqlDialect dialect = SqlDialect::mysql;
  std::string table;     // as in the DAG file
  std::string timezone;  // or empty
  std::string run;       // which run of which task: what a rerun of it replaces
  TimePoint now;
};

class Increment {
 public:
  virtual ~Increment() = default;
  // For TableRequest::on_catalog: adds to the condition what this run has to read.
  virtual Result<void> on_catalog(const std::vector<CatalogColumn>& catalog, TableRequest& request) = 0;
  virtual Layout& layout() = 0;
  // After the rows were read: what stays, and the new state; the certificate's `increment` is set. `copied` keeps the
  // files that are to be published.
  virtual Result<Growth> grow(CopyResult& copied, const std::string& try_id) = 0;
  // A line for the log: what is read, and why.
  virtual std::string plan() const = 0;
};

enum class ModeKind { full, window, cursor };
// invalid: `mode` is none of its forms.
Result<ModeKind> mode_kind_of(const Value& mode);
// `last`: what the target holds. invalid: it holds a result that this mode cannot be added to.
Result<std::unique_ptr<Increment>> make_increment(const IncrementRequest& request,
                                                  const std::optional<LastResult>& last);

// One piece of a result that grows.
struct Chunk {
  std::string run;
  Value from, to;  // a window: moments as text; a cursor: lists of values, `from` null: the beginning
  uint64_t rows = 0;
  std::string row_sum;             // empty at level rows
  std::vector<std::string> files;  // names in the folder
  std::string certificate, made_at;
};

// What stands at the target.
struct Standing {
  std::string certificate;  // id; empty: nothing stands there
  bool has_state = false;   // of an export that added to it
  Value by, key, cursor;
  ModeKind mode = ModeKind::full;
  std::vector<Chunk> chunks;
  std::vector<FileCertificate> files;
};
Result<Standing> parse_standing(const std::optional<LastResult>& last);
Value to_value(const Chunk& chunk);
// The chunks' files. data: one is not in the manifest.
Result<std::vector<FileCertificate>> files_of(const Standing& standing, const std::vector<Chunk>& chunks);

}  // namespace udon::data
