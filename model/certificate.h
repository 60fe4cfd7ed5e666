#pragma once
// What an export vouches for: level, counts, sums, schema, how the snapshot was had. Written into manifests,
// XCom and the store; read again by whoever verifies. The canonical bytes that are hashed:
// plugins/data/canonical.h.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace udon {

enum class CertifyLevel { rows, wire, source };
std::string_view to_string(CertifyLevel level);
std::optional<CertifyLevel> parse_certify_level(std::string_view text);

// What the database itself counted of a column, in the snapshot of the export and under its condition. Texts as
// plugins/data/figures.h writes them. What is absent was not asked for, or there was no value.
struct DatabaseFigures {
  uint64_t count = 0;                          // not NULL there
  uint64_t nulls = 0;                          // NULL there
  uint64_t nulled = 0;                         // of `count`: values of which a policy made NULLs
  std::optional<std::string> least, greatest;  // of the values that no policy made NULL
  std::optional<std::string> sum;              // of exact numbers
  std::optional<uint64_t> bytes;               // of all values together: of texts in UTF-8, of binary values
  std::string left_out;                        // what is absent for a reason, and why
  bool operator==(const DatabaseFigures&) const = default;
};

struct ColumnCertificate {
  std::string name;  // in the file
  std::string source_name;
  std::string source_type;  // as the server names it: "decimal(12,2)"
  std::string type;         // Arrow's name: "decimal128(12, 2)"
  uint64_t count = 0;       // not NULL
  uint64_t nulls = 0;
  std::optional<uint64_t> sum;   // mod 2^64, of a 64-bit hash of each value's canonical bytes; level wire and up
  bool after_transform = false;  // masked or recast: summed after it
  std::string recast;            // the type that was asked for in place of the source's: "decimal(12,2)"; or empty
  std::string mask;              // "hmac_sha256", or empty
  std::optional<DatabaseFigures> database;  // level source; equal to what the file holds
  bool operator==(const ColumnCertificate&) const = default;
};

// A column of the source, whether it was exported or not.
struct SourceColumn {
  std::string name;
  std::string type;  // as the server names it
  bool operator==(const SourceColumn&) const = default;
};

struct FileCertificate {
  std::string uri;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  std::string sha256;  // of the file, hex
  std::string etag;    // as the store gave it, if it did
  bool operator==(const FileCertificate&) const = default;
};

struct PolicyUse {
  std::string column;
  std::string policy;  // "zero_dates=null"
  uint64_t values = 0;
  bool operator==(const PolicyUse&) const = default;
};

struct Certificate {
  std::string id;
  CertifyLevel level = CertifyLevel::wire;
  std::string source;      // "mysql://host:port/db table orders": no credentials
  std::string connection;  // its id, by which the source can be asked again; empty: none
  std::string table;       // as asked for
  std::string timezone;    // in which the table's wall clocks were taken to be meant; or empty
  Value where;  // which rows: {sql, values}; values is null where a masked column is compared; null: all rows
  // Of an export that does not read all anew: {mode, by, …, not_seen: what such a way cannot see}; null: full.
  Value increment;
  std::string mechanism;  // how one snapshot was had
  std::string position;   // GTID, LSN or such at the snapshot, if known
  std::string mask_key_fingerprint;
  uint64_t rows = 0;
  std::optional<uint64_t> row_sum;  // over whole rows; level wire and up
  std::vector<ColumnCertificate> columns;
  std::vector<SourceColumn> source_columns;  // all that the source had; empty: not known
  std::vector<FileCertificate> files;
  std::vector<PolicyUse> policies;
  std::string made_at;  // RFC 3339
  bool operator==(const Certificate&) const = default;
};
Value to_value(const Certificate& certificate);  // sums as decimal strings: JSON readers round 64-bit numbers
Result<Certificate> parse_certificate(const Value& value);

}  // namespace udon
