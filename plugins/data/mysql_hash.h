#pragma once
// Hashes of wire values over their canonical bytes (canonical.h): what a certificate compares the file with. On purpose
// it shares nothing with the code that builds the arrays but the cutting of the packet into cells: a mistake there
// shows as a difference here.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "plugins/data/mysql_types.h"
#include "plugins/data/mysql_wire.h"
#include "plugins/data/wall_clock.h"

namespace udon::data {

class MysqlHasher {
 public:
  MysqlHasher(const std::vector<MysqlColumnPlan>& plans, const TableRequest& request, std::optional<WallClock> clock);
  // Of a column's values that were found fit to be taken, appended to `hashes`. `marks` as for the decoder.
  void hash(size_t column, std::span<const MysqlCell> cells, std::span<const MysqlCell> marks,
            std::vector<uint64_t>& hashes);

 private:
  uint64_t hash_temporal(const MysqlColumnPlan& plan, const MysqlCell& cell);
  uint64_t hash_characters(const MysqlCell& cell, std::optional<int64_t> question_marks) const;

  const std::vector<MysqlColumnPlan>& plans_;
  std::optional<WallClock> clock_;
  bool zero_is_null_, ancient_is_null_, invalid_is_null_, invalid_is_replaced_;
};

}  // namespace udon::data
