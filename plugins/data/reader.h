#pragma once
// From a source to Arrow record batches: what every reader (MySQL/MariaDB, PostgreSQL, CSV, …) offers, and every writer
// is fed from. Arrow's own headers are allowed in plugins/data only.
#include <arrow/api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "connections/connection.h"
#include "model/certificate.h"
#include "plugins/data/memory_shares.h"

namespace udon::data {

// One column as asked for; `columns:` in the DAG file.
struct ColumnRequest {
  std::string source_name;
  std::string name;  // in the file; the same unless renamed (`as`)
  std::string mask;  // empty, or "hmac_sha256"
  std::string type;  // empty: by TYPES; else an override, as to_string(DataType) writes it: recast.h
};

// What to do with values that have no exact place in the target; each `error` unless said otherwise.
struct Policies {
  std::string zero_dates = "error";
  std::string infinity = "error";
  std::string nan = "error";
  std::string invalid_text = "error";
  std::string ancient_dates = "error";
};

// How a table is divided among readers; `split:` in the DAG file.
struct SplitRequest {
  std::vector<std::string> by;  // the columns whose ranges the readers take; empty: what the server offers
  int into = 1;                 // readers at once
  bool is_stable = false;       // rows that were once there stay as they are: `stable: true`
  // Conditions of ranges into which the table was cut before, to be taken in place of new ones. Nothing is read then
  // before the first next().
  std::vector<std::string> ranges;
};

struct ColumnInfo;

// What the catalog says of a column, chosen or not.
struct CatalogColumn {
  std::string name;
  std::string type;  // as the server names it
  bool is_nullable = true;
  bool is_invisible = false;  // '*' passes it over
  bool is_key = false;        // of the primary key
};

struct TableRequest {
  std::string table;  // "orders" or "schema.orders"; quoted by the reader
  std::vector<ColumnRequest> columns;
  bool all_columns = false;  // columns: '*'
  std::string where;         // SQL with :name parameters, empty: all rows
  Value where_parameters = Value::map();
  std::string timezone;  // of columns without zone; empty: they stay without
  Policies policies;
  std::string consistency = "snapshot";  // "none": tables whose engine has no snapshots are taken as they are
  SplitRequest split;
  CertifyLevel certify = CertifyLevel::wire;
  int64_t batch_bytes = 8 << 20;       // a batch ends at about this size …
  int64_t batch_rows = 65'536;         // … or this many rows
  int64_t value_bytes_max = 32 << 20;  // larger values are an error naming column and key,
  int64_t row_bytes_max = 42 << 20;    // and so are rows with more of them together, of a database's table
  MemoryCut memory;                    // what these were cut from, for such errors
  // Called by a reader of a database's table once it knows the table's columns and before it plans any: may refuse, or
  // change what is asked for. Empty: nothing to say.
  std::function<Result<void>(const std::vector<CatalogColumn>& catalog, TableRequest& request)> on_catalog;
  // Called by the recasting reader (recast_reader.h) with the columns as they are delivered: may refuse, or ask for
  // another `request.type`.
  std::function<Result<void>(std::vector<ColumnInfo>& columns)> on_types;
};

// What a reader does once it knows the table's columns.
inline Result<void> offer_catalog(TableRequest& request, const std::vector<CatalogColumn>& catalog) {
  const auto on_catalog = request.on_catalog;  // not itself what it changes
  return on_catalog ? on_catalog(catalog, request) : Result<void>();
}

// What a text column's texts are, for overrides that read them.
enum class TextForm {
  opaque,      // only themselves
  characters,  // of people: CHAR, VARCHAR, TEXT, ENUM; of bytes: they may be such text
  digits,      // a number that no decimal(38,s) holds, also NaN and infinities
  time,        // [-]HH:MM:SS[.ffffff]
  interval,    // ISO 8601
  uuid,        // a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
};

// One column as it will come.
struct ColumnInfo {
  ColumnRequest request;
  std::string source_type;  // as the server names it: "decimal(12,2) unsigned"
  std::shared_ptr<arrow::DataType> type;
  bool nullable = true;
  bool dictionary = false;  // few values (ENUM, SET): the writer keeps a dictionary
  TextForm text_form = TextForm::opaque;
  bool is_recast = false;  // not what TYPES says, but what `type` asks for
};

// Rows, and for level wire and up one hash a value in the same order, made from the wire value by code that does not
// touch the Arrow builders (canonical.h). NULL has its own hash. Masks and recasts happen after the reader: it hashes
// and delivers what the source said. But an override to `string` is the reader's own: it asks the server for its text.
struct RangeEnd {
  size_t range = 0;             // of TableReader::ranges()
  std::vector<PolicyUse> uses;  // by its rows
};
struct SourceBatch {
  std::shared_ptr<arrow::RecordBatch> rows;
  std::vector<std::vector<uint64_t>> hashes;  // [column][row]; empty at level rows
  // Of a table in ranges, behind the last rows of each: all of them have been given. Such a batch has no rows.
  std::optional<RangeEnd> range_end;
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // Nothing: the end, seen as such by the protocol; a dropped connection is an error, never the end.
  virtual Result<std::optional<SourceBatch>> next() = 0;
  // After next() failed with `unavailable`: a new session in the same snapshot, to go on in. `kept`: the ranges of this
  // source that need not come again; whatever else it took is read again, by whichever source. unsupported: there is no
  // way back; any other error: the snapshot is lost, too.
  virtual Result<void> rejoin(const std::vector<size_t>& kept) {
    static_cast<void>(kept);
    return Error{ErrorKind::unsupported, "a session that was lost does not come back to its snapshot here"};
  }
};

class TableReader {
 public:
  virtual ~TableReader() = default;
  // Connects, opens the snapshot, asks for the table's columns, checks that each has an exact place. Errors name host,
  // table, column, and the choices that can be pasted into the DAG file; never a secret.
  virtual Result<std::vector<ColumnInfo>> open(const TableRequest& request, std::stop_token stop) = 0;
  // After open: what is to be read, each on a thread of its own; together every row once, all of one snapshot.
  virtual std::vector<BatchSource*> sources() = 0;
  // The conditions of the ranges into which the table was cut: each row is in exactly one. One or none: it was not cut.
  virtual std::vector<std::string> ranges() const { return {}; }
  // After open with `split.ranges`, before the first next(): these are not to be read, and what the server counts in
  // one.
  virtual void leave_out(const std::vector<size_t>& ranges) { static_cast<void>(ranges); }
  virtual Result<uint64_t> count_rows(size_t range) {
    static_cast<void>(range);
    return Error{ErrorKind::unsupported, "this source does not count the rows of a range"};
  }
  // Two snapshots with the same one show the same rows of every table. Empty: what would prove that is not known.
  virtual std::string state() const { return {}; }
  // After the end of all sources.
  virtual std::string mechanism() const = 0;  // how the one snapshot was had
  virtual std::string position() const = 0;   // GTID, LSN; may be empty
  virtual std::vector<PolicyUse> policy_uses() const = 0;
  // After the end of all sources, opened at level source: what the database computes of the columns itself, in the same
  // snapshot, one for each column; policies are not yet accounted for (figures.h). unsupported: there is no database.
  virtual Result<std::vector<DatabaseFigures>> figures() {
    return Error{ErrorKind::unsupported,
                 "`certify: source` needs a database that computes figures; this source has none"};
  }
  // The columns of the primary key, to name rows by in messages; none if one was not chosen or is masked.
  virtual std::vector<size_t> key_columns() const { return {}; }
};

std::unique_ptr<TableReader> make_mysql_reader(const Connection& connection);
std::unique_ptr<TableReader> make_postgres_reader(const Connection& connection);

}  // namespace udon::data
