#include "model/deferral.h"

#include "model/fields.h"

namespace udon {

Value to_value(const Deferring& deferring) {
  Value value = Value::Map{{"state", deferring.state}, {"poke_interval_us", int64_t{deferring.poke_interval.count()}}};
  if (deferring.timeout) value.set("timeout_us", int64_t{deferring.timeout->count()});
  return value;
}

Result<Deferring> parse_deferring(const Value& value) {
  FieldReader fields(value, "deferral");
  Deferring deferring;
  deferring.state = fields.any("state");
  deferring.poke_interval = fields.duration("poke_interval_us");
  deferring.timeout = fields.optional_duration("timeout_us");
  TRY(fields.status());
  return deferring;
}

}  // namespace udon
