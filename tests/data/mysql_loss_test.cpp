// A MySQL reader whose session is lost: there is no way back to its snapshot.
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>

#include "plugins/data/copy_again.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/hooked_reader.h"
#include "tests/data/scratch_table.h"
#include "tests/support/eventually.h"

namespace udon::data {
namespace {

TEST_CASE("where one of several readers is killed, all is read from the beginning, once, in a new snapshot") {
  test::ScratchTable table("lost", "v varchar(500)");
  table.run("insert into {} select seq, concat('우동 ', repeat(md5(seq), 15)) from seq_1_to_30000");
  Connection connection = table.connection();
  table.execute("create or replace user lost_reader@'127.0.0.1' identified by 'lost'");
  table.execute("grant select, lock tables on reader_test.* to lost_reader@'127.0.0.1'");
  connection.login = "lost_reader", connection.password = "lost", connection.schema = "";

  TemporaryFolder folder;
  const SystemClock clock;
  CopyRequest request;
  request.table = table.completed({});
  request.table.split.into = 4;
  request.folder = folder.path();
  request.clock = &clock;
  std::atomic<bool> has_begun = false, is_killed = false;
  std::vector<std::string> again;
  const auto copied = copy_table_again(
      [&] {
        return std::make_unique<test::HookedReader>(make_mysql_reader(connection), [&](size_t, const SourceBatch&) {
          if (has_begun.exchange(true)) {
            // The others leave it something to do.
            static_cast<void>(udon::test::eventually([&] { return is_killed.load(); }, std::chrono::seconds(120)));
            return;
          }
          if (!table.session().execute("delete from reader_test.lost where id % 3 = 0")) return;
          const auto first =
              table.session().query("select min(id) from information_schema.processlist where user = 'lost_reader'");
          is_killed = first && table.session().execute("kill connection " + first->rows[0][0].value_or("")).has_value();
        });
      },
      request, {}, [&](const Error& error) { again.push_back(error.message); });
  INFO((copied ? copied->certificate.mechanism : copied.error().message));
  REQUIRE(copied);
  CHECK(is_killed.load());
  CHECK(copied->certificate.mechanism.starts_with("4 readers"));
  REQUIRE(again.size() == 1);
  CHECK(again[0].find("reader_test.lost") != std::string::npos);

  // As one reader sees it afterwards.
  const size_t files = static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
  CHECK(files == copied->files.size());
  request.table.split.into = 1;
  const auto reader = make_mysql_reader(connection);
  const auto one = copy_table(*reader, request, {});
  REQUIRE(one);
  CHECK(one->certificate.rows == 20000);
  CHECK(copied->certificate.row_sum == one->certificate.row_sum);
  CHECK(copied->certificate.columns == one->certificate.columns);
}

}  // namespace
}  // namespace udon::data
