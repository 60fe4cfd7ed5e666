#pragma once
// Takes the catalog's DAGs into the scheduler's state, piece by piece, so that a first load of thousands of files does
// not hold up a turn.
#include <map>
#include <string>

#include "dagfile/catalog.h"
#include "scheduler/history.h"
#include "scheduler/moves.h"
#include "scheduler/state.h"

namespace udon {

class CatalogSync {
 public:
  CatalogSync(bool dags_are_paused_at_creation, Shapes& shapes)
      : dags_are_paused_at_creation_(dags_are_paused_at_creation), shapes_(shapes) {}

  void offer(CatalogPtr catalog) { catalog_ = std::move(catalog), is_done_ = false, after_.clear(); }
  // The state was loaded anew: it knows no DAG's content.
  void start_over() { is_done_ = catalog_ == nullptr, after_.clear(); }
  bool is_done() const { return is_done_; }
  // Whether a catalog has ever been offered and taken in wholly.
  bool has_catalog() const { return catalog_ != nullptr; }

  // The moves for at most dags_max DAGs that differ; goes on from there with the next call.
  Moves next(TimePoint now, const State& state, int dags_max);

 private:
  Moves take_in(TimePoint now, const State& state, const DagPtr& dag);
  Moves take_out(const DagState& dag);

  bool dags_are_paused_at_creation_;
  Shapes& shapes_;
  CatalogPtr catalog_;
  bool is_done_ = true;
  std::string after_;  // dag ids up to this one are taken in
};

}  // namespace udon
