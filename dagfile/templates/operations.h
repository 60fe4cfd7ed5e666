#pragma once
// Python's operators over data.
#include "dagfile/templates/ast.h"
#include "dagfile/templates/budget.h"

namespace udon::templates {

Result<Datum> calculate(Operation operation, const Datum& left, const Datum& right, Budget& budget);
Result<Datum> negative(const Datum& datum);
Result<Datum> positive(const Datum& datum);
Result<bool> compares(Comparison comparison, const Datum& left, const Datum& right);

// datum[key], as Jinja2 has it: a key that is not there gives something undefined. `name` is for its message.
Result<Datum> item_of(const Datum& datum, const Datum& key, Budget& budget);
// datum[begin:end:step]; none where nothing was written.
Result<Datum> slice_of(const Datum& datum, const Datum& begin, const Datum& end, const Datum& step, Budget& budget);

}  // namespace udon::templates
