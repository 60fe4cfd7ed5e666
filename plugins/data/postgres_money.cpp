#include "plugins/data/postgres_money.h"

#include <fmt/format.h>

#include <algorithm>

namespace udon::data {

Result<void> check_money_scale(PostgresSession& session, const std::vector<PostgresCatalogColumn>& catalog) {
  const bool has_money = std::ranges::any_of(catalog, [](const PostgresCatalogColumn& column) {
    return column.type_name == "money" || (column.element != 0 && column.element_name == "money");
  });
  if (!has_money) return {};
  TRY_ASSIGN(
      const PostgresTable scale,
      session.query("select pg_catalog.scale('0.001'::pg_catalog.numeric::pg_catalog.money::pg_catalog.numeric)"));
  const std::string digits = scale.rows.at(0).at(0).value_or("0");
  if (std::stoi(digits) <= 2) return {};
  return Error{
      ErrorKind::unsupported,
      fmt::format("the server's lc_monetary gives money {} digits behind the point, decimal(19,2) has two; leave "
                  "the column out or select it, or its view, as numeric",
                  digits)};
}

}  // namespace udon::data
