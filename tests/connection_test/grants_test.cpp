#include "plugins/connection_test/mysql_grants.h"

#include <catch2/catch.hpp>

using udon::mysql_grants_hold;

TEST_CASE("a right is had by a grant on everything, on the database by name or pattern, or on the table") {
  const auto holds = [](const char* line, const char* schema = "shop", const char* table = "orders") {
    return mysql_grants_hold({"GRANT `a_role`@`%` TO `u`@`%`", line}, "TRIGGER", schema, table);
  };
  CHECK(holds("GRANT SELECT, TRIGGER ON *.* TO `u`@`%`"));
  CHECK(holds("GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%` WITH GRANT OPTION"));
  CHECK(holds("GRANT TRIGGER ON `sh%`.* TO `u`@`%`"));
  CHECK(holds("GRANT TRIGGER ON `shop`.`orders` TO `u`@`%`"));
  CHECK(holds("GRANT TRIGGER ON \"shop\".\"orders\" TO \"u\"@\"%\""));  // sql_mode ANSI_QUOTES
  CHECK(holds("GRANT TRIGGER ON `가``게`.`주 문` TO `u`@`%`", "가`게", "주 문"));
  CHECK(holds("GRANT TRIGGER ON `my\\_shop`.* TO `u`@`%`", "my_shop"));

  CHECK_FALSE(holds("GRANT SELECT, DELETE ON *.* TO `u`@`%`"));
  CHECK_FALSE(holds("GRANT TRIGGER ON `shop`.`order` TO `u`@`%`"));
  CHECK_FALSE(holds("GRANT TRIGGER ON `my\\_shop`.* TO `u`@`%`", "myxshop"));
  CHECK_FALSE(holds("GRANT TRIGGER ON `sho`.* TO `u`@`%`"));
  CHECK_FALSE(holds("GRANT PROXY ON ''@'%' TO `u`@`%`"));
  CHECK_FALSE(holds("GRANT TRIGGER ON "));
  CHECK_FALSE(holds("GRANT TRIGGER ON `shop"));
  CHECK_FALSE(mysql_grants_hold({}, "TRIGGER", "shop", "orders"));
}
