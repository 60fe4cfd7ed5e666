#include "plugins/empty/empty.h"

namespace udon {
namespace {

class EmptyOperator final : public Operator {
 public:
  Result<Outcome> run(TaskContext&) override { return Outcome{}; }
};

}  // namespace

std::unique_ptr<Operator> make_empty_operator() { return std::make_unique<EmptyOperator>(); }

}  // namespace udon
